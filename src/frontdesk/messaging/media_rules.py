"""What may be fetched from where, and when a file that could not be fetched is asked for again."""

import base64
import binascii
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from frontdesk.gateway import DESCRIPTION, TRANSCRIPTION

# A URL of WhatsApp's lives 5 minutes, but its id 7 days: there is time to wait for an outage.
MOST_ATTEMPTS = 10
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 5.0, 3_600.0
# What models put into words before the AI's turn, and the feature such calls are for.
WORDS_OF = {"audio": TRANSCRIPTION, "image": DESCRIPTION}
# WhatsApp keeps a file we uploaded for 30 days; before that it is uploaded anew.
UPLOAD_LIVES = timedelta(days=29)


def pause_seconds(attempts: int) -> float | None:
    """How long to wait after so many attempts that may succeed later; None: no longer."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return min(_FIRST_PAUSE_SECONDS * 3.0 ** (attempts - 1), _LONGEST_PAUSE_SECONDS)


def is_metas(url: str, hosts: Sequence[str], api_base: str) -> bool:
    """Whether a tenant's token may go to this address: Meta's hosts over https, and the Graph API's
    own origin, which has the token anyway.

    Args:
        hosts: lower case; one that begins with a dot stands for all names under it.
    """
    try:
        parts, base = urlsplit(url), urlsplit(api_base)
        port, base_port = parts.port, base.port
    except ValueError:
        return False
    host = (parts.hostname or "").lower()
    if (parts.scheme, host, port) == (base.scheme, base.hostname, base_port):
        return parts.username is None and parts.password is None
    if parts.scheme != "https" or port not in (None, 443) or parts.username is not None:
        return False
    return any(host.endswith(known) if known[0] == "." else host == known for known in hosts)


def digests_told(*told: object) -> set[str]:
    """The SHA-256 digests among what WhatsApp told, in hex: webhooks write base64, the API hex."""
    found = set()
    for text in told:
        if not isinstance(text, str):
            continue
        try:
            raw = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            continue
        if len(raw) == 32:
            found.add(raw.hex())
    return found
