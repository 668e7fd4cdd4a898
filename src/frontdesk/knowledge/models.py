"""Tables of knowledge: sources and the chunks they were split into."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlmodel import Field

from frontdesk.core.tables import TenantRow, Timestamp, refers, text_enum


class Halfvec(sa.types.UserDefinedType[str]):
    """pgvector's vector of half-precision numbers, of any length; it travels as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "HALFVEC"


# So that Alembic knows the columns when it compares.
ischema_names |= {"halfvec": Halfvec, "regconfig": REGCONFIG}


class SourceKind(StrEnum):
    """Where a source's text comes from."""

    TEXT = "text"  # Written here, as FAQs are.
    FILE = "file"
    URL = "url"


class SourceState(StrEnum):
    """How far a source has got."""

    QUEUED = "queued"
    READING = "reading"
    SPLITTING = "splitting"
    EMBEDDING = "embedding"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"  # Its file goes first; nobody sees it any more.


class KnowledgeSource(TenantRow, table=True):
    """What an agent may answer from: a text, a file, or a page of a site."""

    __tablename__ = "knowledge_source"
    __table_args__ = (
        refers("agent_id", to="agent"),
        refers("site_id", to="knowledge_source", on_delete="CASCADE"),
        sa.UniqueConstraint("tenant_id", "site_id", "url"),
        sa.Index(
            "ix_knowledge_source_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")
        ),
    )

    agent_id: UUID
    title: str = Field(sa_type=sa.Text)
    body: str = Field(sa_type=sa.Text)  # Markdown; empty until a file or page has been read.
    kind: SourceKind = Field(
        default=SourceKind.TEXT,
        sa_type=text_enum(SourceKind),
        sa_column_kwargs={"server_default": "text"},
    )
    enabled: bool = True
    state: SourceState = Field(default=SourceState.QUEUED, sa_type=text_enum(SourceState))
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    attempts: int = 0
    last_error: str | None = Field(default=None, sa_type=sa.Text)
    embedder: str | None = Field(default=None, sa_type=sa.Text)  # What made all its vectors.
    # Each word of its chunks once, those with digits apart: what is asked and in none may be like one.
    vocabulary: list[str] | None = Field(default=None, sa_type=sa.ARRAY(sa.Text))
    codes: list[str] | None = Field(default=None, sa_type=sa.ARRAY(sa.Text))
    # Of a file.
    filename: str | None = Field(default=None, sa_type=sa.Text)
    size_bytes: int | None = Field(default=None, sa_type=sa.BigInteger)
    pages: int | None = None
    # Of a page: the site whose first page it was found from, and how far from there.
    url: str | None = Field(default=None, sa_type=sa.Text)
    site_id: UUID | None = None
    depth: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    most_pages: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    refetch_hours: int | None = None
    etag: str | None = Field(default=None, sa_type=sa.Text)
    sha256: str | None = Field(default=None, sa_type=sa.Text)  # Of the bytes last read.
    read_at: datetime | None = Field(default=None, sa_type=Timestamp)


class GapState(StrEnum):
    """What has become of a question that was not answered."""

    OPEN = "open"
    ANSWERED = "answered"  # Somebody has written the article.
    DISMISSED = "dismissed"


class KnowledgeGap(TenantRow, table=True):
    """A question that the knowledge did not answer, counted."""

    __tablename__ = "knowledge_gap"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "agent_id", "key"),
        sa.Index("ix_knowledge_gap_conversation", "tenant_id", "conversation_id"),
    )

    agent_id: UUID
    # Where it was asked last: its words are that contact's, and go with them.
    conversation_id: UUID | None = None
    key: str = Field(sa_type=sa.Text)
    question: str = Field(sa_type=sa.Text)
    missing: str = Field(sa_type=sa.Text)
    language: str = Field(sa_type=sa.Text)
    times: int
    times_after: int
    state: GapState = Field(sa_type=text_enum(GapState))
    last_asked_at: datetime = Field(sa_type=Timestamp)
    source_id: UUID | None = None  # No reference: the article may go, the numbers stay.
    # The first gap that means the same; None: it has not been compared yet.
    cluster_id: UUID | None = None
    # Answers that rest on the article; counted each day, at the gap that was answered first.
    deflected: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    answered_at: datetime | None = Field(default=None, sa_type=Timestamp)


# Each word begins with its agent, so that a search walks over one agent's entries only.
CHUNK_WORDS = "frontdesk_own_words(agent_id, words)"
# An index of neighbours is of vectors of one length: the local model's, and OpenAI's usual one.
INDEXED_DIMENSIONS = (384, 1536)


class KnowledgeChunk(TenantRow, table=True):
    """A piece of a source that stands by itself, with the headings above it."""

    __tablename__ = "knowledge_chunk"
    __table_args__ = (
        refers("source_id", to="knowledge_source", on_delete="CASCADE"),
        sa.UniqueConstraint(
            "tenant_id", "source_id", "position", deferrable=True, initially="DEFERRED"
        ),
        sa.Index("ix_knowledge_chunk_agent", "tenant_id", "agent_id"),
        sa.Index("ix_knowledge_chunk_own_words", sa.text(CHUNK_WORDS), postgresql_using="gin"),
        *(
            sa.Index(
                f"ix_knowledge_chunk_near_{dimensions}",
                sa.literal_column(f"(embedding::halfvec({dimensions}))").label("near"),
                postgresql_using="hnsw",
                postgresql_ops={"near": "halfvec_cosine_ops"},
                postgresql_where=sa.text(f"vector_dims(embedding) = {dimensions}"),
            )
            for dimensions in INDEXED_DIMENSIONS
        ),
    )

    source_id: UUID
    agent_id: UUID
    position: int
    heading: str = Field(sa_type=sa.Text)
    text: str = Field(sa_type=sa.Text)
    language: str | None = Field(default=None, sa_type=sa.Text)  # ISO 639-1; None: can't tell.
    stemmer: str = Field(
        default="simple", sa_type=REGCONFIG, sa_column_kwargs={"server_default": "simple"}
    )
    words: Any = Field(
        default=None,
        sa_column=sa.Column(
            TSVECTOR,
            sa.Computed(
                "to_tsvector('simple', frontdesk_unaccent(heading || ' ' || text)) || "
                "to_tsvector(stemmer, frontdesk_unaccent(heading || ' ' || text))",
                persisted=True,
            ),
        ),
    )
    embedding: str | None = Field(default=None, sa_type=Halfvec)
    embedder: str | None = Field(default=None, sa_type=sa.Text)  # Its name and length.
