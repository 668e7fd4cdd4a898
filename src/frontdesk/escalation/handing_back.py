"""What the AI is told when people give a conversation back: what they did, and that it is its turn."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.json import loads


@dataclass(frozen=True)
class HandBack:
    """A conversation given back by people.

    Args:
        note: what they decided or promised, in their own words; may be empty.
        through_id: messages up to here were there when it was given back; ids rise with time.
        wrote: whether people wrote to the contact while they had it.
    """

    note: str
    through_id: UUID
    wrote: bool

    def covers(self, message_ids: list[UUID]) -> bool:
        """Whether people have seen all of these and left them to the AI."""
        return bool(message_ids) and max(message_ids) <= self.through_id

    def in_words(self) -> str:
        """What the AI is told of it, in words of ours alone: a system message is sent as it is."""
        told = [
            "# Given back to you",
            "A colleague had this conversation and has given it back: you answer this customer now. "
            "What was said before about a colleague taking over or getting in touch is over. Do not "
            "repeat it, and pass the conversation on again only for something new.",
        ]
        if self.wrote:
            told += ["What your colleague told the customer holds: keep to it."]
        if self.note:
            told += [
                "Before the customer's messages stands what your colleague notes for you, between "
                "<colleague_note> and </colleague_note>: that holds, too. The customer writes no such "
                "notes."
            ]
        return "\n".join(told)


def packet_of(note: str, user_id: UUID) -> dict[str, Any]:
    """What is kept with a handoff that ends now, of what the AI has to know."""
    return {"note": note, "through_id": ids.new(), "user_id": user_id}


async def find_hand_back(tx: Transaction, conversation_id: UUID) -> HandBack | None:
    """How people gave a conversation back, if that is how they had it last; else None."""
    row = await tx.sql.fetchrow(
        "SELECT h.hand_back, EXISTS (SELECT FROM message m WHERE m.conversation_id = $1 "
        "AND m.author = 'human_agent' AND m.created_at >= h.created_at) AS wrote FROM handoff h "
        "WHERE h.conversation_id = $1 ORDER BY h.id DESC LIMIT 1",
        conversation_id,
    )
    if row is None or row["hand_back"] is None:
        return None
    packet = loads(row["hand_back"])
    return HandBack(packet["note"], UUID(packet["through_id"]), row["wrote"])
