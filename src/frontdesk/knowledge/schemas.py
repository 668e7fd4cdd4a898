"""What crosses HTTP in knowledge."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from frontdesk.core.api import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.knowledge.models import SourceState

MAX_BODY_CHARACTERS = 400_000


def _clean(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_clean), StringConstraints(strip_whitespace=True)]
Title = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
Body = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_BODY_CHARACTERS)]
_MARKDOWN = "## Shipping\nWe ship within 2 working days.\n\n## Returns\nWithin 30 days."


class SourceUpdate(Schema):
    """A source's text."""

    title: Title = Field(examples=["Shipping and returns"])
    body: Body = Field(
        description="Markdown or plain text; its headings are kept with every piece of it.",
        examples=[_MARKDOWN],
    )


class SourceCreate(SourceUpdate):
    """A text an agent may answer from."""

    agent_id: UUID


class SourceSummary(PublicSchema):
    """A source without its text."""

    id: UUID
    agent_id: UUID
    title: str
    enabled: bool
    state: SourceState = Field(description="Only a `ready` source is answered from.")
    last_error: str | None = Field(description="Why it failed, in words.")
    chunks: int = Field(description="Pieces it was cut into.")
    characters: int
    created_at: datetime


class SourcePublic(SourceSummary):
    """A source with its text."""

    body: str


class ChunkPublic(PublicSchema):
    """A piece of a source that fits a question."""

    id: UUID
    source_id: UUID
    title: str = Field(examples=["Shipping and returns › Shipping"])
    heading: str
    text: str
    score: float = Field(description="Comparable within one search only.")
