"""Tables of knowledge: sources and the chunks they were split into."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field

from frontdesk.core.tables import TenantRow, Timestamp, refers, text_enum


class SourceState(StrEnum):
    """How far a source has got."""

    QUEUED = "queued"
    READY = "ready"
    FAILED = "failed"


class KnowledgeSource(TenantRow, table=True):
    """A text the agent may answer from."""

    __tablename__ = "knowledge_source"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.Index(
            "ix_knowledge_source_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
    )

    agent_id: UUID
    title: str = Field(sa_type=sa.Text)
    body: str = Field(sa_type=sa.Text)  # Markdown.
    enabled: bool = True
    state: SourceState = Field(default=SourceState.QUEUED, sa_type=text_enum(SourceState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = 0
    last_error: str | None = Field(default=None, sa_type=sa.Text)


class KnowledgeChunk(TenantRow, table=True):
    """A piece of a source that stands by itself, with the headings above it."""

    __tablename__ = "knowledge_chunk"
    __table_args__ = (
        refers("source_id", to="knowledge_source", on_delete="CASCADE"),
        sa.UniqueConstraint("tenant_id", "source_id", "position"),
        sa.Index("ix_knowledge_chunk_words", "words", postgresql_using="gin"),
        sa.Index("ix_knowledge_chunk_agent", "tenant_id", "agent_id"),
    )

    source_id: UUID
    agent_id: UUID
    position: int
    heading: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)
    words: Any = Field(
        default=None,
        sa_column=sa.Column(
            TSVECTOR,
            sa.Computed(
                "to_tsvector('simple', frontdesk_unaccent(heading || ' ' || text))", persisted=True
            ),
        ),
    )
