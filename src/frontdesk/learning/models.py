"""Tables of learning: articles that are proposed, and for which agents it is looked."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import TenantRow, TenantTable, Timestamp, refers, text_enum


class LearntFrom(StrEnum):
    """What an article was made of."""

    ANSWER = "answer"  # What a human agent answered in one conversation.
    GAP = "gap"  # A question asked in vain, and what people answered where it was asked.


class ArticleState(StrEnum):
    """What has become of a proposed article."""

    SEEN = "seen"  # A model saw nothing of general use in it, so it is never asked again.
    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"


class LearntArticle(TenantRow, table=True):
    """A question and its answer, masked, made from conversations."""

    __tablename__ = "learnt_article"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.UniqueConstraint("tenant_id", "agent_id", "content_hash"),
        sa.Index("ix_learnt_article_conversation", "tenant_id", "conversation_id"),
    )

    agent_id: UUID
    learnt_from: LearntFrom = Field(sa_type=text_enum(LearntFrom))
    # Of the question's and the answer's words, or of the gap: what was rejected is never proposed
    # again, and what was seen costs no second call.
    content_hash: str = Field(sa_type=sa.Text)
    conversation_id: UUID | None = None
    gap_id: UUID | None = None
    title: str = Field(sa_type=sa.Text)
    body: str = Field(sa_type=sa.Text)
    state: ArticleState = Field(sa_type=text_enum(ArticleState))
    source_id: UUID | None = None
    reviewed_by: UUID | None = None
    reviewed_at: datetime | None = Field(default=None, sa_type=Timestamp)


class LearningRound(TenantTable, table=True):
    """That an agent's conversations are looked through each day for what could be an article."""

    __tablename__ = "learning_round"
    __table_args__ = (
        refers("agent_id", to="agent"),
        sa.Index("ix_learning_round_due", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    )

    agent_id: UUID = Field(primary_key=True)
    due_at: datetime | None = Field(default=None, sa_type=Timestamp)
    through_at: datetime | None = Field(default=None, sa_type=Timestamp)
