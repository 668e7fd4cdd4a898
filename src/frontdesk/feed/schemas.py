"""What the feed looks like over HTTP."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from frontdesk.core.api import PublicSchema

ResetReason = Literal["expired", "future", "malformed"]


class FeedPayload(PublicSchema):
    """What events of one kind carry. Whoever watches reads it in the description of the API."""

    kind: ClassVar[str]


class FeedEventPublic(PublicSchema):
    """One thing that happened."""

    seq: int = Field(description="Its place in the tenant's feed.", examples=[4711])
    kind: str = Field(examples=["conversation.changed"])
    payload: dict[str, Any] = Field(
        examples=[{"conversation_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"}]
    )
    at: datetime


class FeedPage(PublicSchema):
    """A piece of the feed for clients that poll."""

    items: list[FeedEventPublic]
    next_after: int = Field(description="Send this as `after` next time.", examples=[4711])
    last_seq: int = Field(description="The newest event there is.", examples=[4711])
    reset: ResetReason | None = Field(
        description="Set when events since `after` can't be given: load everything anew by REST, "
        "then go on from `next_after`."
    )
