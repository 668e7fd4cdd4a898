"""What a scripted day is played with: its steps, what they share, and what they have seen.

Each step does something and then sees, from outside, that it worked: on a contact's phone, over REST,
or in the feed. What is not seen is not believed.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

import httpx

from frontdesk.demo.errors import DemoError
from frontdesk.demo.outside import Event, Feed, Json, Phone, until
from frontdesk.demo.seed import Team
from frontdesk.demo.world import PHONE_NUMBER_ID


class NotSeen(DemoError):
    """Something that had to happen did not, or happened otherwise."""


@dataclass(frozen=True)
class Sight:
    """What a step has seen, in words, and what its model calls cost."""

    what: str
    cost_usd: Decimal | None = None


@dataclass
class Day:
    """What the steps of a day share: who is there, and what was waited for so far."""

    team: Team
    feed: Feed
    simulator: httpx.AsyncClient
    expected: list[Event] = field(default_factory=list)
    """Events of the feed in the order in which the day brought them about."""
    awaited: dict[Phone, int] = field(default_factory=dict)
    """How many messages of the business each phone has shown because they were waited for."""

    def phone(self, number: str) -> Phone:
        """A contact's phone, in its chat with the shop."""
        phone = Phone(self.simulator, number, PHONE_NUMBER_ID)
        self.awaited[phone] = 0
        return phone

    # What steps do over and over

    async def heard(self, text: str, *, after: int) -> Event:
        """The feed's word that this message has been received."""
        event = await self.feed.wait_for("message.received", message={"text": text}, after=after)
        self.expected.append(event)
        return event

    async def decided(self, conversation_id: str, *, after: int) -> Event:
        """The feed's word on what became of a conversation's burst."""
        event = await self.feed.wait_for(
            "turn.decided", conversation_id=conversation_id, after=after
        )
        self.expected.append(event)
        return event

    async def ask(self, phone: Phone, *texts: str) -> tuple[str, Event, Json]:
        """Write as a contact and wait for one answer: conversation, decision, the answer's bubble."""
        mark = self.feed.last
        for text in texts:
            await phone.write(text=text)
        received = await self.heard(texts[-1], after=mark)
        conversation_id = str(received.payload["conversation_id"])
        decision = await self.decided(conversation_id, after=received.seq)
        require(
            decision.payload["outcome"] == "replied",
            f"the outcome is {decision.payload['outcome']}: {decision.payload['reason']}",
        )
        answer = await self.next_reply(phone)
        return conversation_id, decision, answer

    async def next_reply(self, phone: Phone) -> Json:
        """The message of the business that follows those waited for before."""
        count = self.awaited[phone]

        async def look() -> Json:
            replies = await phone.replies()
            return replies[count] if len(replies) > count else None

        reply = await until(look, f"an answer on the phone {phone.number}")
        self.awaited[phone] = count + 1
        return reply

    async def nothing_more(self, phone: Phone, why: str) -> None:
        """See that the phone shows no more than was waited for."""
        shown, awaited = len(await phone.replies()), self.awaited[phone]
        require(shown == awaited, f"{why}: {shown} messages on {phone.number}, not {awaited}")

    async def status(self, conversation_id: str, wanted: str) -> Json:
        """The conversation, once it is in that state."""

        async def look() -> Json:
            found = await self.team.admin.conversation(conversation_id)
            return found if found["status"] == wanted else None

        return await until(look, f"the conversation being {wanted}")


def require(holds: object, otherwise: str) -> None:
    """Raise `NotSeen` unless something holds."""
    if not holds:
        raise NotSeen(otherwise)


def cost_of(decision: Event) -> Decimal | None:
    """What the model calls of a turn cost."""
    cost = decision.payload["cost_usd"]
    return None if cost is None else Decimal(str(cost))


D = TypeVar("D", bound=Day)


@dataclass(frozen=True)
class Script(Generic[D]):
    """A day: how it begins, and its steps in order."""

    begin: Callable[[Team, httpx.AsyncClient], AbstractAsyncContextManager[D]]
    """From the team and the simulated world, with the feeds it watches open."""
    steps: tuple[Callable[[D], Awaitable[Sight]], ...]


def title(step: Any) -> str:
    """What a step shows, in a sentence: the first line of its docstring."""
    return str(step.__doc__).strip().splitlines()[0]
