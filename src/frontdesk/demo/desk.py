"""What the steps of a day at the desk share: the people, their feeds, and whom they talk to."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from frontdesk.demo.outside import Event, Feed, Json, Phone, Refused, User, until
from frontdesk.demo.seeing import Day, NotSeen, require

NIGHT = {
    "14155550301": "Noah Finch",
    "14155550302": "Lina Marsh",
    "14155550303": "Omar Haddad",
    "14155550304": "Ruth Adler",
    "14155550305": "Theo Lange",
}
"""Who asked for a person while nobody was there, by number."""
SHORTEST_WAIT = 5
"""Minutes: the shortest wait that a contact is ever told."""


@dataclass
class DeskDay(Day):
    """A day at the desk, and what its steps leave behind for later ones."""

    feeds: dict[str, Feed] = field(default_factory=dict)
    """What each person at the desk is told, by their id."""
    agent_id: str = ""
    team_id: str = ""
    threads: dict[str, str] = field(default_factory=dict)
    """The conversation of each contact, by their first name."""
    phones: dict[str, Phone] = field(default_factory=dict)
    left_at: float = 0
    """When Chiara went away, on the monotonic clock."""
    promise_id: str = ""

    @property
    def ana(self) -> User:
        """The first human agent."""
        return self.team.human_agents[0]

    @property
    def ben(self) -> User:
        """The second, who is of the team for refunds."""
        return self.team.human_agents[1]

    @property
    def chiara(self) -> User:
        """The third, who comes late and leaves early."""
        return self.team.human_agents[2]

    async def write(self, number: str, name: str, **message: Any) -> tuple[str, Event]:
        """Write as a contact: their conversation, and the feed's word that it has come in."""
        first = name.split(maxsplit=1)[0]
        if (phone := self.phones.get(first)) is None:
            phone = self.phones[first] = self.phone(number)
            await phone.change(name=name)
        mark = self.feed.last
        await phone.write(**message)
        known = {key: message[key] for key in ("type", "text") if key in message}
        received = await self.feed.wait_for("message.received", after=mark, message=known)
        self.threads[first] = str(received.payload["conversation_id"])
        return self.threads[first], received

    async def sees(self, contact: str, words: str) -> Json:
        """The newest message of the business on a contact's phone that has these words in it."""

        async def look() -> Json:
            replies = await self.phones[contact].replies()
            return next((each for each in reversed(replies) if words in each["text"]), None)

        return await until(look, f"“{words}” on the phone of {contact}")

    async def given(self, conversation_id: str, *, after: int = 0) -> User:
        """Who of the people is given a conversation, as it is handed over or later."""

        async def look() -> str | None:
            return next(
                (
                    event.payload["handoff"]["assigned_user_id"]
                    for event in self.feed.events
                    if event.kind in ("handoff.opened", "handoff.assigned")
                    and event.seq > after
                    and event.payload["conversation_id"] == conversation_id
                    and event.payload["handoff"]["assigned_user_id"]
                ),
                None,
            )

        return self.team.by_id(await until(look, "the feed's word on who is given it"))

    async def is_there(self, user: User, presence: str, at_once: int | None = None) -> None:
        """Come online or go away."""
        wish = {"presence": presence, "max_conversations": at_once}
        await user.put("/me/availability", wish)

    async def newest(self, conversation_id: str, author: str) -> Json:
        """The newest message of that author in a conversation."""
        messages = await self.team.admin.messages(conversation_id)
        return next(each for each in reversed(messages) if each["author"] == author)


async def refused(doing: Awaitable[Any], code: str) -> Json:
    """The problem that something is answered with; it must be this one."""
    try:
        await doing
    except Refused as problem:
        require(problem.code == code, str(problem))
        return problem.problem
    raise NotSeen(f"It was done, and not refused with {code}.")
