"""Where a message stands: its conversation, the turn that made or took care of it, and the burst."""

from dataclasses import dataclass
from uuid import UUID

from frontdesk.conversation.inbox import MESSAGE, get_turn, message_of
from frontdesk.conversation.schemas import MessagePublic, TurnPublic
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound


@dataclass(frozen=True)
class Provenance:
    """A message, and the turn it comes from or ended in, with the contact's messages of that turn."""

    message: MessagePublic
    conversation_id: UUID
    turn: TurnPublic | None
    burst: tuple[MessagePublic, ...]


async def get_provenance(tx: Transaction, message_id: UUID) -> Provenance:
    """Where a message stands; raises `NotFound`."""
    row = await tx.sql.fetchrow(f"{MESSAGE} WHERE m.id = $1", message_id)
    if row is None:
        raise NotFound("There is no such message.")
    message, conversation_id = message_of(row), row["conversation_id"]
    if message.turn_id is None:
        return Provenance(message, conversation_id, None, ())
    turn = await get_turn(tx, message.turn_id)
    burst = await tx.sql.fetch(
        f"{MESSAGE} WHERE m.conversation_id = $1 AND m.seq BETWEEN $2 AND $3 ORDER BY m.seq",
        conversation_id,
        turn.from_seq,
        turn.to_seq,
    )
    return Provenance(message, conversation_id, turn, tuple(map(message_of, burst)))


async def list_messages_of_turn(tx: Transaction, turn_id: UUID) -> list[UUID]:
    """What a turn sent, oldest first; if it sent nothing, the last message it took care of."""
    rows = await tx.sql.fetch(
        "SELECT m.id, m.turn_id = t.id AS is_sent FROM turn t JOIN message m "
        "ON m.conversation_id = t.conversation_id AND (m.turn_id = t.id OR m.seq = t.to_seq) "
        "WHERE t.id = $1 ORDER BY m.id",
        turn_id,
    )
    sent = [row["id"] for row in rows if row["is_sent"]]
    return sent or [row["id"] for row in rows]
