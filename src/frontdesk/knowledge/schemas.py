"""What crosses HTTP in knowledge."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.knowledge.models import SourceKind, SourceState

MAX_BODY_CHARACTERS = 400_000


def _clean(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_clean), StringConstraints(strip_whitespace=True)]
Title = Annotated[Text, StringConstraints(min_length=1, max_length=200)]
Url = Annotated[
    Text,
    StringConstraints(min_length=8, max_length=2_000, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://\S+$"),
]
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


class PageCreate(Schema):
    """A page an agent may answer from, or a site from that page on."""

    agent_id: UUID
    url: Url = Field(
        description="Of the public internet: https or http, on its usual port.",
        examples=["https://shop.example/help"],
    )
    title: Title | None = Field(None, description="What to call it; else the page's own title.")
    most_pages: int = Field(
        1,
        ge=1,
        le=500,
        description="With more than 1, pages of the same site that it links to are read as well.",
    )
    refetch_hours: int | None = Field(
        None,
        ge=1,
        le=24 * 365,
        description="Look so often whether it has changed; null never does.",
    )


class SourceSummary(PublicSchema):
    """A source without its text."""

    id: UUID
    agent_id: UUID
    title: str
    kind: SourceKind
    enabled: bool
    state: SourceState = Field(
        description="`queued`, `reading`, `splitting`, `embedding`, then `ready` or `failed`."
    )
    last_error: str | None = Field(description="Why it failed, in words.")
    chunks: int = Field(description="Pieces it was cut into: what the agent answers from.")
    embedded: int = Field(description="Those of them that are found by meaning too.")
    characters: int
    created_at: datetime
    read_at: datetime | None = Field(description="When its file or page was last read.")
    filename: str | None
    size_bytes: int | None
    pages: int | None = Field(description="Of a PDF.")
    url: str | None
    site_id: UUID | None = Field(description="Of a page found from another: the site's first page.")
    most_pages: int
    refetch_hours: int | None
    site_pages: int = Field(description="Of a site: other pages found so far.")
    site_pages_ready: int


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
