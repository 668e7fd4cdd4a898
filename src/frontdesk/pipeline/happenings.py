"""What the pipeline tells the feed, kind by kind. Turns and messages are told by conversation."""

from typing import ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk.agent_config import PreviewState
from frontdesk.feed import FeedPayload


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
