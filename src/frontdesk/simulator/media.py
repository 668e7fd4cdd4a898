"""Media of the fake Cloud API: ids, addresses that live five minutes, bytes."""

import base64
import hashlib
from dataclasses import dataclass

from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.world import Json, World, random_digits

URL_SECONDS = 300  # Cloud API: a media URL lives five minutes.

# The smallest valid files of their kinds, for messages sent without content of their own.
PIXEL_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5E"
    "rkJggg=="
)
SILENT_OGG = b"OggS" + bytes(60)
_WORDS = b"frontdesk-words:"


def picture(shows: str) -> bytes:
    """A picture that shows this to the simulated model; for all others it is one pixel."""
    return PIXEL_PNG + _WORDS + shows.encode() if shows else PIXEL_PNG


def voice_note(words: str) -> bytes:
    """A recording that says these words to the simulated model; no other hears anything in it."""
    return SILENT_OGG + _WORDS + words.encode() if words else SILENT_OGG


def words_in(content: bytes) -> str:
    """What a recording of `voice_note` says, or a `picture` shows."""
    return content.partition(_WORDS)[2].decode(errors="replace")


@dataclass(frozen=True)
class Media:
    """A file WhatsApp holds."""

    id: str
    content: bytes
    mime_type: str
    filename: str | None = None

    @property
    def sha256(self) -> bytes:
        """The digest; webhooks show it in base64, the API in hex."""
        return hashlib.sha256(self.content).digest()


class MediaStore:
    """All files, and the addresses given out for them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._media: dict[str, Media] = {}
        self._tickets: dict[str, tuple[str, float]] = {}

    def add(self, content: bytes, mime_type: str, filename: str | None = None) -> Media:
        """Keep a file under a new id."""
        media = Media(random_digits(16), content, mime_type, filename)
        self._media[media.id] = media
        return media

    def find(self, media_id: str) -> Media | None:
        """The file with that id, or None."""
        return self._media.get(media_id)

    def remove(self, media_id: str) -> bool:
        """Delete a file; False when there was none."""
        return self._media.pop(media_id, None) is not None

    def describe(self, media: Media, base_url: str) -> Json:
        """The answer to `GET /{media_id}`, with a fresh address."""
        ticket = random_digits(20)
        self._tickets[ticket] = (media.id, self._world.now() + URL_SECONDS)
        return {
            "messaging_product": "whatsapp",
            "url": f"{base_url}/media/{ticket}",
            "mime_type": media.mime_type,
            "sha256": media.sha256.hex(),
            "file_size": len(media.content),
            "id": media.id,
        }

    def webhook(self, media: Media, **more: object) -> Json:
        """How a webhook names it."""
        return {
            "id": media.id,
            "mime_type": media.mime_type,
            "sha256": base64.b64encode(media.sha256).decode(),
            **more,
        }

    def open(self, ticket: str) -> Media:
        """The file behind an address; raises GraphError 404 once it has expired."""
        media_id, until = self._tickets.get(ticket, ("", 0.0))
        media = self._media.get(media_id)
        if media is None or until < self._world.now():
            raise GraphError(100, "The media URL is unknown or has expired.", 404)
        return media
