"""Business numbers, the people who write to them, and their chats as the phone shows them."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

from frontdesk.simulator.world import Json

TYPING_SECONDS = 25.0  # Cloud API: the typing indicator ends after 25 seconds or with the reply.

# Country calling codes of the languages the desk is shown in; BSUIDs begin with the country.
_COUNTRIES = {
    "1": "US", "20": "EG", "27": "ZA", "31": "NL", "33": "FR", "34": "ES", "39": "IT", "41": "CH",
    "43": "AT", "44": "GB", "49": "DE", "52": "MX", "54": "AR", "55": "BR", "57": "CO", "91": "IN",
    "966": "SA", "971": "AE",
}  # fmt: skip


@dataclass(frozen=True)
class Template:
    """An approved message template: what a send of it is checked against."""

    name: str
    language: str = "en_US"
    body: str = ""
    category: str = "UTILITY"
    status: str = "APPROVED"
    quick_replies: tuple[str, ...] = ()
    """The texts of its buttons."""

    @property
    def components(self) -> list[dict[str, Any]]:
        """What it is made of, as the Graph API lists it."""
        made: list[dict[str, Any]] = [{"type": "BODY", "text": self.body}]
        if self.quick_replies:
            buttons = [{"type": "QUICK_REPLY", "text": text} for text in self.quick_replies]
            made.append({"type": "BUTTONS", "buttons": buttons})
        return made

    @property
    def parameters(self) -> int:
        """How many different variables the body has."""
        pieces = self.body.split("{{")[1:]
        return len({piece.split("}}")[0] for piece in pieces})


@dataclass(frozen=True)
class Channel:
    """A business number."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    business_id: str
    """The portfolio: the scope of BSUIDs."""
    verified_name: str = "Test shop"
    token: str | None = None
    """The only token the number accepts; None accepts any that is not empty or expired."""
    status: str = "CONNECTED"
    quality_rating: str = "GREEN"
    name_status: str = "APPROVED"
    throughput: str = "STANDARD"
    messaging_limit: str = "TIER_2K"
    is_on_biz_app: bool = False
    """Whether the business goes on using it in the phone app (coexistence)."""
    pin: str | None = None
    """The two-step PIN; None until the number is registered with one."""
    templates: tuple[Template, ...] = ()
    """With none registered, any template name is taken for approved."""


@dataclass
class Contact:
    """A person with a phone. The number is always known to WhatsApp, not always to businesses."""

    number: str
    name: str = "Ana"
    username: str | None = None
    number_hidden: bool = False
    """Webhooks then carry the BSUID only (Cloud API: usernames)."""
    online: bool = True
    """While offline, messages to it stay at `sent`."""
    chat_open: bool = True
    """Whether messages are read as they come; read receipts may also never come."""
    own_bsuid: str | None = None
    aliases: tuple[str, ...] = ()
    """Other spellings of the number that reach it (Brazil, Mexico, Argentina)."""

    def bsuid(self, business_id: str) -> str:
        """Its id for one business portfolio; two portfolios never share one."""
        if self.own_bsuid:
            return self.own_bsuid
        country = next(
            (_COUNTRIES[self.number[:n]] for n in (3, 2, 1) if self.number[:n] in _COUNTRIES), "US"
        )
        digest = hashlib.sha256(f"{business_id}:{self.number}".encode()).digest()
        return f"{country}.{int.from_bytes(digest[:8], 'big') % 10**19 + 10**19}"

    def profile(self, business_id: str, *, with_number: bool | None = None) -> Json:
        """The item of `contacts[]` in a webhook."""
        profile: Json = {"name": self.name}
        if self.username:
            profile["username"] = self.username
        shown = not self.number_hidden if with_number is None else with_number
        number = {"wa_id": self.number} if shown else {}
        return {"profile": profile, **number, "user_id": self.bsuid(business_id)}


class Ticks(StrEnum):
    """How far a message has come."""

    PENDING = "pending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


_RANK = {Ticks.PENDING: 0, Ticks.SENT: 1, Ticks.DELIVERED: 2, Ticks.READ: 3}


@dataclass
class Bubble:
    """One message of a chat."""

    wamid: str
    author: Literal["contact", "business"]
    type: str
    text: str
    at: float
    body: Json
    """The message object as it crossed the wire."""
    ticks: Ticks = Ticks.PENDING
    quoted: str | None = None
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """Id and title of what can be tapped."""
    reaction: str | None = None
    edited: bool = False
    revoked: bool = False
    error_code: int | None = None


class Thread:
    """The chat of one contact with one business number."""

    def __init__(self, channel: Channel, contact: Contact) -> None:
        self.channel = channel
        self.contact = contact
        self.bubbles: list[Bubble] = []
        self.last_inbound_at: float | None = None
        self.typing_until = 0.0
        self.version = 0
        self.replies_taken = 0
        self._by_wamid: dict[str, Bubble] = {}
        self._changed = asyncio.Event()

    @property
    def replies(self) -> list[Bubble]:
        """What the business wrote, in order of arrival on the phone."""
        return [b for b in self.bubbles if b.author == "business" and b.ticks is not Ticks.FAILED]

    def find(self, wamid: str) -> Bubble | None:
        """The message with that id, or None."""
        return self._by_wamid.get(wamid)

    def add(self, bubble: Bubble) -> None:
        """Put a message at the end."""
        self.bubbles.append(bubble)
        self._by_wamid[bubble.wamid] = bubble
        if bubble.author == "business":
            self.typing_until = 0.0
        self.touch()

    def tick(self, bubble: Bubble, ticks: Ticks) -> None:
        """Move a message's ticks forward; they never go back."""
        if _RANK.get(ticks, 9) > _RANK.get(bubble.ticks, 9):
            bubble.ticks = ticks
            self.touch()

    def read_up_to(self, wamid: str) -> None:
        """Mark this and all earlier messages of the contact as read (Cloud API: mark as read)."""
        for bubble in self.bubbles:
            if bubble.author == "contact":
                self.tick(bubble, Ticks.READ)
            if bubble.wamid == wamid:
                return

    def touch(self) -> None:
        """Tell whoever waits that the chat looks different now."""
        self.version += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_until(self, holds: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait for a change that makes something hold; False when the time is up."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while not holds():
                    await self._changed.wait()
        except TimeoutError:
            return holds()
        return True

    def view(self, now: float) -> Json:
        """The chat as JSON, for the control API and the terminal phone."""
        return {
            "channel": {
                "phone_number_id": self.channel.phone_number_id,
                "display_phone_number": self.channel.display_phone_number,
                "verified_name": self.channel.verified_name,
            },
            "contact": {
                **asdict(self.contact),
                "bsuid": self.contact.bsuid(self.channel.business_id),
            },
            "messages": [
                {key: value for key, value in asdict(bubble).items() if key != "body"}
                for bubble in self.bubbles
            ],
            "typing": self.typing_until > now,
            "typing_until": self.typing_until,
            "last_inbound_at": self.last_inbound_at,
            "version": self.version,
        }
