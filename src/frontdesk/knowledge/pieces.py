"""Pieces of knowledge by their ids, as they are today."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Transaction


@dataclass(frozen=True)
class Piece:
    """A piece of a source. `enabled`: answers may rest on its source."""

    id: UUID
    source_id: UUID
    title: str
    text: str
    enabled: bool


async def list_pieces(tx: Transaction, ids: Collection[UUID]) -> dict[UUID, Piece]:
    """Those of these pieces that still exist, by id; a source that was read again has new ones."""
    if not ids:
        return {}
    rows = await tx.sql.fetch(
        "SELECT c.id, c.source_id, s.title, c.text, s.enabled FROM knowledge_chunk c "
        "JOIN knowledge_source s ON s.tenant_id = c.tenant_id AND s.id = c.source_id "
        "WHERE c.id = ANY($1::uuid[])",
        list(ids),
    )
    return {row["id"]: Piece(**row) for row in rows}
