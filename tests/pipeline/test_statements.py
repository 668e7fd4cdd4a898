"""How often one message asks the database: what a change adds to the hot path is seen here."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog
from tests.desk import Desk, eventually

from frontdesk.core.ids import NIL
from frontdesk.messaging.channels import NOTE_ALIVE
from frontdesk.pipeline.receive import _CLAIM
from frontdesk.pipeline.shedding import _OLDEST_DUE

# Statements and, of those, transactions, as measured on 2026-11-30; BEGIN and COMMIT count. A change
# that needs more says so here, one that needs fewer lowers the numbers.
MOST = {
    "request": (1, 0),  # The webhook's; one statement is its own transaction.
    "messaging.webhook_event": (9, 1),
    "conversation.turn": (15, 3),
    "messaging.outbound": (4, 1),
}
# Webhooks are stored and taken in batches, whosever they are; each batch begins so.
_BATCHES = ("INSERT INTO webhook_event", _CLAIM)


class Counted:
    """The statements made at the driver: by what they were made for, one list for each request or row.

    What comes due just now of another tenant, whose test is over, is none of them.
    """

    def __init__(self, tenant_id: UUID) -> None:
        # A webhook is nobody's before it is read.
        self._tenants = {None, str(NIL), str(tenant_id)}
        self.by_place: dict[str, list[list[str]]] = {}
        self._whose: dict[str, str] = {}

    def note(self, statement: str) -> None:
        bound = structlog.contextvars.get_contextvars()
        place = bound.get("work") or ("request" if "request_id" in bound else None)
        # Once a second, however many messages there are: WhatsApp's times are whole seconds.
        if (
            place is None
            or statement in (_OLDEST_DUE, NOTE_ALIVE)
            or bound.get("tenant_id") not in self._tenants
        ):
            return
        whose = str(bound.get("row_id") or bound["request_id"])
        found = self.by_place.setdefault(place, [])
        if not found or whose != self._whose.get(place) or statement.startswith(_BATCHES):
            found.append([])
        self._whose[place] = whose
        found[-1].append(" ".join(statement.split()))


@pytest.fixture
def counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Listens to every connection of this process."""
    found = Counted(desk.id)

    def listening(name: str) -> Callable[..., Any]:
        made: Any = getattr(asyncpg.Connection, name)

        async def listen(connection: Any, statement: str, *values: Any, **named: Any) -> Any:
            found.note(statement)
            return await made(connection, statement, *values, **named)

        return listen

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare"):
        monkeypatch.setattr(asyncpg.Connection, name, listening(name))
    return found


async def test_a_message_in_to_an_answer_out_takes_no_more_statements_than_measured(
    desk: Desk, counted: Counted
) -> None:
    await desk.say("How long does delivery take?")  # What is cached is cached from here on,
    fewest: dict[str, list[str]] = {}
    for text in ("Can I return a lamp?", "When are you open?", "Do you take returns?") * 2:
        taken = await _taken_by(desk, counted, text)
        assert set(taken) == set(MOST)
        # though not for ever: a message, or one on a slow machine, finds something to be looked up.
        fewest = {p: min(taken[p], fewest.get(p, taken[p]), key=len) for p in taken}
        counts = {place: _counts(statements) for place, statements in fewest.items()}
        over = {
            place: found
            for place, found in counts.items()
            if any(count > most for count, most in zip(found, MOST[place], strict=True))
        }
        if not over:
            return
    told = "\n".join(f"{place}:\n  " + "\n  ".join(each) for place, each in fewest.items())
    pytest.fail(f"(statements, transactions) {over} are more than {MOST}:\n{told}")


def _counts(statements: list[str]) -> tuple[int, int]:
    return len(statements), sum(each.startswith("BEGIN") for each in statements)


async def _taken_by(desk: Desk, counted: Counted, text: str) -> dict[str, list[str]]:
    """The statements from one message in to its answer out."""
    phone, worker = desk.phone(), desk.dispatcher
    assert worker is not None
    answered = len(phone.replies) + 1
    counted.by_place.clear()
    phone.say(text)
    # By its rings alone: what a sweep looks for is nobody's message.
    await eventually(lambda: len(phone.replies) == answered, seconds=30)
    await worker.idle()
    # Of the webhooks, that of the message takes most; the others are its ticks.
    taken = {place: max(lists, key=len) for place, lists in counted.by_place.items()}
    await desk.work_until_idle()
    return taken
