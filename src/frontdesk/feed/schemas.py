"""What the feed looks like over HTTP."""

import re
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from frontdesk.core.pages import PublicSchema

ResetReason = Literal["expired", "future", "malformed"]


# What has happened, as `thing.past_tense`.
KIND = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")
# Every kind of event there is, by its name: what the description of the API lists.
PAYLOADS: dict[str, type["FeedPayload"]] = {}


class FeedPayload(PublicSchema):
    """What events of one kind carry: ids and values, few of each, as every open dashboard gets them.

    A subclass with a `kind` of its own is a kind of event; one without holds what several share.
    """

    kind: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Enter the kind among all there are.

        Raises:
            ValueError: it is not of the form `thing.past_tense`, or there already.
        """
        kind = cls.__dict__.get("kind")
        if kind is None:
            return
        if not KIND.fullmatch(kind) or kind in PAYLOADS:
            raise ValueError(f"{kind!r} is no new kind of feed event: write `thing.past_tense`")
        PAYLOADS[kind] = cls


class ErasedPayload(PublicSchema):
    """What is left of an event, of whatever kind, that told of a contact who was erased since."""

    conversation_id: UUID | None = None
    message_id: UUID | None = None
    erased: Literal[True]


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
