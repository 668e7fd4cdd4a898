"""The draft that a message somebody sent came from."""

from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Transaction


@dataclass(frozen=True)
class SentDraft:
    """What a person made of a model's draft: `fate` in a word, and how much they changed, 0 to 1."""

    fate: str
    edit_ratio: float | None
    prompt_name: str | None
    prompt_version: str | None


async def find_draft_of(
    tx: Transaction, conversation_id: UUID, message_id: UUID
) -> SentDraft | None:
    """The draft that a person's message came from; None when they wrote it themselves."""
    row = await tx.sql.fetchrow(
        "SELECT fate, edit_ratio, prompt_name, prompt_version FROM draft_outcome "
        "WHERE conversation_id = $1 AND message_id = $2 ORDER BY created_at DESC LIMIT 1",
        conversation_id,
        message_id,
    )
    return SentDraft(**row) if row else None
