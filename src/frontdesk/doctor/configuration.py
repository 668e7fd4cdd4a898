"""What the settings say, beyond what they must say for a process to start."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from frontdesk.core.settings import Settings
from frontdesk.doctor.diagnosis import Diagnosis, broken, warning, well

_GRAPH = "https://graph.facebook.com"
# A random secret of 32 characters has more different ones than this nearly always.
_TYPED = 12


def look_at_secrets(settings: Settings) -> list[Diagnosis]:
    """Whether secrets are random, and each is for one thing only."""
    session = settings.security.session_secret.get_secret_value()
    others = [("WHATSAPP__VERIFY_TOKEN", settings.whatsapp.verify_token)]
    others += [("WHATSAPP__APP_SECRETS", secret) for secret in settings.whatsapp.app_secrets]
    if shared := [name for name, secret in others if secret.get_secret_value() == session]:
        return [
            broken(
                "secrets",
                f"SECURITY__SESSION_SECRET is the same as {shared[0]}",
                "Make another one: openssl rand -hex 32. Everybody signs in again after it.",
            )
        ]
    if len(set(session)) < _TYPED:
        return [
            warning(
                "secrets",
                "SECURITY__SESSION_SECRET looks typed, not random",
                "Make a random one: openssl rand -hex 32. Everybody signs in again after it.",
            )
        ]
    keys = len(settings.security.encryption_keys)
    return [well("secrets", f"strong enough; {keys} encryption {'key' if keys == 1 else 'keys'}")]


def look_at_addresses(settings: Settings) -> list[Diagnosis]:
    """Whether browsers and WhatsApp can reach this deployment, and only safely."""
    web = settings.web
    parts = urlsplit(web.public_url)
    if is_this_machine(parts.hostname or ""):
        return [
            warning(
                "public_address",
                f"{web.public_url} is this machine: neither WhatsApp nor people can reach it",
                "Set WEB__PUBLIC_URL to the https address people use. Fine for development.",
            )
        ]
    if parts.scheme != "https":
        return [
            broken(
                "public_address",
                f"{web.public_url} is not https: WhatsApp does not call it, and passwords are readable",
                "Put a proxy with a certificate before the web process; set WEB__PUBLIC_URL to https.",
            )
        ]
    return [well("public_address", web.public_url)]


def look_at_cookies(settings: Settings) -> list[Diagnosis]:
    """Whether the session cookie goes over https only."""
    web = settings.web
    if not web.insecure_cookies:
        return [well("cookies", "Secure, HttpOnly and bound to this host")]
    if is_this_machine(urlsplit(web.public_url).hostname or ""):
        return [
            warning(
                "cookies",
                "WEB__INSECURE_COOKIES is on: sign-in works over plain http",
                "Take it out before others use this deployment. Fine for development.",
            )
        ]
    return [
        broken(
            "cookies",
            "WEB__INSECURE_COOKIES is on: whoever listens on the way can take over sessions",
            "Take WEB__INSECURE_COOKIES out.",
        )
    ]


def look_at_proxies(settings: Settings) -> list[Diagnosis]:
    """Whether anybody may claim any address, past the limits that count by address."""
    if "*" in settings.web.trusted_proxies:
        return [
            warning(
                "proxies",
                "WEB__TRUSTED_PROXIES believes everybody's X-Forwarded-For",
                "Name the addresses of your proxies instead of *.",
            )
        ]
    return [well("proxies", f"believed: {settings.web.trusted_proxies}")]


def look_at_whatsapp_settings(settings: Settings) -> list[Diagnosis]:
    """Whether sends go to WhatsApp itself, and whose token a number comes with can be checked."""
    whatsapp = settings.whatsapp
    if whatsapp.api_base != _GRAPH:
        return [
            warning(
                "whatsapp_settings",
                f"sends go to {whatsapp.api_base}, not to WhatsApp",
                "Take WHATSAPP__API_BASE out. Fine with a simulator.",
            )
        ]
    if whatsapp.app_id is None:
        return [
            warning(
                "whatsapp_settings",
                "WHATSAPP__APP_ID is not set: nobody sees whose token a number has, or when it ends",
                "Set it; Meta shows it at the top of the app's page.",
            )
        ]
    return [well("whatsapp_settings", f"app {whatsapp.app_id}, {whatsapp.api_version}")]


def is_this_machine(host: str) -> bool:
    """Whether a host name or address means the machine it is used on."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
