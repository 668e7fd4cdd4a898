"""The world outside: WhatsApp's webhooks and numbers, models, e-mail."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx

from frontdesk import gateway, messaging
from frontdesk.core import ids
from frontdesk.core.errors import Unavailable
from frontdesk.core.mail import can_send, try_sign_in
from frontdesk.doctor.configuration import is_this_machine
from frontdesk.doctor.diagnosis import Diagnosis, Patient, broken, warning, well

MOST_NUMBERS = 20
# Signed like one of WhatsApp's, and about nothing.
_EMPTY_WEBHOOK = b'{"object":"whatsapp_business_account","entry":[]}'
_TIMEOUT_SECONDS = 10
_SOON = timedelta(days=7)
_NUMBERS = """
SELECT count(*) FILTER (WHERE status = 'CONNECTED') AS connected,
    count(*) FILTER (WHERE status = 'PAUSED') AS paused,
    count(*) FILTER (WHERE status <> 'DISCONNECTED' AND token_expires_at < $1) AS ending
FROM channel
"""


async def look_at_signatures(patient: Patient) -> list[Diagnosis]:
    """Whether what the app secrets sign is what our own verifier takes, and nothing else."""
    secrets = [
        secret.get_secret_value().encode()
        for secret in patient.resources.settings.whatsapp.app_secrets
    ]
    for secret in secrets:
        header = messaging.signature(_EMPTY_WEBHOOK, secret)
        taken = messaging.is_signed(_EMPTY_WEBHOOK, header, secrets)
        if not taken or messaging.is_signed(_EMPTY_WEBHOOK + b" ", header, secrets):
            return [
                broken(
                    "webhook_signature",
                    "our verifier does not take what an app secret signs",
                    "Set WHATSAPP__APP_SECRETS to the app secret that Meta shows under app settings, "
                    "basic.",
                )
            ]
    return [
        well("webhook_signature", f"a signed body is taken, with each of {len(secrets)} secrets")
    ]


async def look_at_webhook_url(patient: Patient) -> list[Diagnosis]:
    """Whether the address Meta is to call answers as Meta wants, signed, unsigned and at sign-up."""
    url = patient.wishes.webhook_url
    if url is None:
        return []
    settings = patient.resources.settings.whatsapp
    secret = settings.app_secrets[0].get_secret_value().encode()
    challenge = ids.new().hex
    asked = {
        "hub.mode": "subscribe",
        "hub.verify_token": settings.verify_token.get_secret_value(),
        "hub.challenge": challenge,
    }
    headers = {"Content-Type": "application/json"}
    signed = headers | {"X-Hub-Signature-256": messaging.signature(_EMPTY_WEBHOOK, secret)}
    act = "Let the proxy pass /webhooks/whatsapp on, with its body and headers untouched."
    try:
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS) as client:
            greeted = await client.get(url, params=asked)
            taken = await client.post(url, content=_EMPTY_WEBHOOK, headers=signed)
            refused = await client.post(url, content=_EMPTY_WEBHOOK, headers=headers)
    except httpx.HTTPError as error:
        return [broken("webhook_url", f"{url} does not answer ({type(error).__name__})", act)]
    if greeted.status_code != 200 or greeted.text != challenge:
        return [
            broken(
                "webhook_url",
                f"{url} does not repeat Meta's challenge ({greeted.status_code})",
                f"{act} The process there needs the same WHATSAPP__VERIFY_TOKEN.",
            )
        ]
    if taken.status_code != 200:
        return [
            broken(
                "webhook_url",
                f"{url} refuses a signed webhook ({taken.status_code})",
                f"{act} The process there needs the same WHATSAPP__APP_SECRETS.",
            )
        ]
    if refused.status_code < 400:
        return [broken("webhook_url", f"{url} takes an unsigned webhook", "It is not Frontdesk's.")]
    return [well("webhook_url", f"{url} takes what is signed and refuses what is not")]


async def look_at_numbers(patient: Patient) -> list[Diagnosis]:
    """Which numbers are connected, whose token ends soon, and on request what Meta says of them."""
    resources = patient.resources
    async with resources.db.system() as connection:
        told = await connection.fetchrow(_NUMBERS, datetime.now(UTC) + _SOON)
    assert told is not None
    words = f"{told['connected']} connected, {told['paused']} paused"
    if told["ending"]:
        found = [
            warning(
                "whatsapp_numbers",
                f"{words}; the token of {told['ending']} ends within a week or has ended",
                "frontdesk channels list names them; give each a new token.",
            )
        ]
    elif told["connected"] == 0:
        found = [
            warning(
                "whatsapp_numbers",
                f"{words}: nobody can write to this deployment",
                "frontdesk channels connect --help",
            )
        ]
    else:
        found = [well("whatsapp_numbers", words)]
    if patient.wishes.call_whatsapp:
        found += [
            broken(
                "whatsapp_token",
                f"{each.phone_number_id}: {each.problem}",
                f"frontdesk channels health {each.channel_id}",
            )
            if each.problem
            else well("whatsapp_token", f"{each.phone_number_id}: Meta takes its token")
            for each in await messaging.try_tokens(resources, limit=MOST_NUMBERS)
        ]
    return found


async def look_at_providers(patient: Patient) -> list[Diagnosis]:
    """Whether each model of the chain has a key, and on request whether it answers."""
    settings = patient.resources.settings
    chain = settings.llm.chain
    keyless = [model for model in chain if not gateway.has_key(settings, model)]
    if len(keyless) == len(chain):
        found = [
            broken(
                "model_keys",
                f"no model of LLM__CHAIN has a key ({', '.join(chain)})",
                "Set GROQ_API_KEY or OPENAI_API_KEY, or name models you have a key for.",
            )
        ]
    elif keyless:
        found = [
            warning(
                "model_keys",
                f"no key for {', '.join(keyless)}: there is nothing to fall back on",
                "Set the provider's API key, or take the model out of LLM__CHAIN.",
            )
        ]
    else:
        found = [well("model_keys", f"there is one for each of {', '.join(chain)}")]
    if patient.wishes.call_models:
        trials = await asyncio.gather(
            *(gateway.try_model(settings, model) for model in dict.fromkeys(chain))
        )
        found += [
            well("model_call", f"{trial.model} {trial.detail}")
            if trial.ok
            else broken(
                "model_call",
                f"{trial.model} did not answer: {trial.detail}",
                "Check the provider's key, its status page, and that this machine may reach it.",
            )
            for trial in trials
        ]
    return found


async def look_at_mail(patient: Patient) -> list[Diagnosis]:
    """Whether invites and password resets can be sent. Signs in; sends nothing."""
    settings = patient.resources.settings
    mail = settings.mail
    act = "Set MAIL__SMTP_HOST and what belongs to it."
    if not can_send(mail):
        return [warning("mail", "no e-mail can be sent: no invites, no new passwords", act)]
    if not mail.smtp_host:
        here = is_this_machine(urlsplit(settings.web.public_url).hostname or "")
        words = f"e-mails become files in {mail.outbox_folder}"
        return [well("mail", words) if here else warning("mail", words, act)]
    try:
        await try_sign_in(mail)
    except Unavailable as error:
        return [
            broken(
                "mail", str(error), "Check MAIL__SMTP_HOST, its port, security, user and password."
            )
        ]
    return [well("mail", f"{mail.smtp_host} takes our sign-in")]
