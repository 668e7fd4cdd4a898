"""What crosses HTTP in learning."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.knowledge import SourceBody, SourceTitle
from frontdesk.learning.models import ArticleState, LearntFrom


class LearntArticlePublic(PublicSchema):
    """An article made from conversations, without what is personal."""

    id: UUID
    agent_id: UUID
    learnt_from: LearntFrom
    conversation_id: UUID | None = Field(description="Where it was answered.")
    gap_id: UUID | None = Field(description="The question asked in vain that it fills.")
    title: str
    body: str
    state: ArticleState
    source_id: UUID | None = Field(description="What it became when it was approved.")
    reviewed_by: UUID | None
    reviewed_at: datetime | None
    created_at: datetime


class ArticleApproval(Schema):
    """What an article is to say; left out, as proposed."""

    title: SourceTitle | None = Field(None, examples=["Islands"])
    body: SourceBody | None = Field(None, examples=["We deliver to the islands on Fridays."])


class LearningPublic(PublicSchema):
    """That an agent's conversations are looked through for articles."""

    agent_id: UUID
    due_at: datetime | None = Field(description="When it is looked next; each day from then on.")
    through_at: datetime | None = Field(description="What was closed since is new.")
