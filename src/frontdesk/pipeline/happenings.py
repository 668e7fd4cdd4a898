"""What the pipeline tells the feed, kind by kind. Turns and messages are told by conversation."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk.agent_config import PreviewState
from frontdesk.feed import FeedPayload
from frontdesk.observability import Outage


class DrillStarted(FeedPayload):
    """An outage is simulated for this tenant from now on."""

    kind: ClassVar[str] = "drill.started"

    drill_id: UUID
    outage: Outage
    provider: str | None = Field(description="Of models, whose are away; null: all.")
    ends_at: datetime


class DrillEnded(FeedPayload):
    """A simulated outage is over; what it held leaves now."""

    kind: ClassVar[str] = "drill.ended"

    drill_id: UUID
    outage: Outage


class CallReplayed(FeedPayload):
    """A model call was made once more."""

    kind: ClassVar[str] = "llm_call.replayed"

    replay_id: UUID
    call_id: UUID
    error: str | None = Field(description="Null: it has an answer.")


class AgentPreviewed(FeedPayload):
    """What an agent would answer is known, or could not be found out."""

    kind: ClassVar[str] = "agent.previewed"

    preview_id: UUID
    agent_id: UUID
    state: PreviewState
