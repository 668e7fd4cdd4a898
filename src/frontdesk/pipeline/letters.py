"""A dead letter: work that will not go on by itself, whatever it was, and who may look at it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.core.errors import Conflict, NotFound
from frontdesk.observability import audit


@dataclass(frozen=True)
class Caller:
    """Who looks at dead letters: somebody of a tenant, or an operator, who sees all tenants."""

    tenant_id: UUID | None = None
    user_id: UUID | None = None
    request_id: str | None = None


OPERATOR = Caller()


class Kind(StrEnum):
    """What a dead letter was to be."""

    WEBHOOK = "webhook"
    BURST = "burst"
    SEND = "send"


@dataclass(frozen=True)
class Letter:
    """Work that will not go on by itself, with what a person needs to decide about it."""

    id: UUID
    kind: Kind
    state: str
    at: datetime
    reason: str
    attempts: int
    # Whose it is; empty for a webhook of which nobody can tell.
    tenant_ids: tuple[UUID, ...]
    conversation_id: UUID | None = None
    number: int | None = None  # A raw webhook's, for operators.
    contents: tuple[dict[str, Any], ...] = ()

    @property
    def next_step(self) -> str:
        """What a person can do about it."""
        return _NEXT_STEPS.get((self.kind, self.state), "Nothing: it is no dead letter any more.")


_NEXT_STEPS = {
    (Kind.WEBHOOK, "dead"): "Replay it once the cause is mended; what it told already is known and "
    "stays as it is. Discard it if nobody needs it.",
    (Kind.WEBHOOK, "discarded"): "Nothing: it was discarded.",
    (Kind.BURST, "with_person"): "A person has it. Answer in the conversation, or release it to "
    "the AI for what the contact writes next.",
    (Kind.SEND, "failed"): "Replay it to send it again, while the 24-hour window is open. Discard "
    "it if nobody needs it.",
    (Kind.SEND, "needs_attention"): "Look at the thread: if the contact answered it, it arrived, "
    "so settle it as arrived. Else replay it to send it again.",
}


@dataclass(frozen=True)
class Change:
    """What became of a dead letter: whether anything changed, and why not if nothing did."""

    letter: Letter
    changed: bool
    message: str


async def note(tx: Transaction, deed: str, letter: Letter, by: Caller) -> None:
    """Write into a tenant's audit log what was done to a letter of theirs, and by whom."""
    await audit(
        tx,
        f"dead_letter.{deed}",
        _TABLES[letter.kind],
        letter.id,
        user_id=by.user_id,
        details={"by": "operator"} if by.user_id is None else {},
        request_id=by.request_id,
    )


_TABLES = {Kind.WEBHOOK: "webhook_event", Kind.BURST: "handoff", Kind.SEND: "outbound"}


class NoSuchLetter(NotFound):
    """There is no such dead letter, or it is another tenant's."""

    code, title = "no_such_dead_letter", "There is no such dead letter"


class WithPerson(Conflict):
    """A person has the burst: it can be neither tried again nor let go behind their back."""

    code, title = "with_a_person", "A person has this conversation"
