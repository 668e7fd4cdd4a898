"""What knowledge tells the feed, kind by kind."""

from typing import ClassVar
from uuid import UUID

from frontdesk.feed import FeedPayload
from frontdesk.knowledge.models import SourceState


class SourceTold(FeedPayload):
    """What is told of every source."""

    source_id: UUID
    agent_id: UUID


class SourceAdded(SourceTold):
    """A source was given to an agent; it is being taken in."""

    kind: ClassVar[str] = "knowledge.source_added"


class SourceChanged(SourceTold):
    """A source says something else; it is being cut up."""

    kind: ClassVar[str] = "knowledge.source_changed"


class SourceEnabled(SourceTold):
    """The agent answers from a source again."""

    kind: ClassVar[str] = "knowledge.source_enabled"


class SourceDisabled(SourceTold):
    """The agent answers from a source no longer."""

    kind: ClassVar[str] = "knowledge.source_disabled"


class SourceDeleted(SourceTold):
    """A source is gone."""

    kind: ClassVar[str] = "knowledge.source_deleted"


class SourceProgress(SourceTold):
    """A source has reached a stage: `reading`, `splitting` or `embedding`, with so much of it done."""

    kind: ClassVar[str] = "knowledge.source_progress"

    state: SourceState
    done: int
    of: int


class SourceReady(SourceTold):
    """A source is cut up: the agent answers from it."""

    kind: ClassVar[str] = "knowledge.source_ready"

    title: str
    chunks: int


class SourceFailed(SourceTold):
    """A source could not be taken in."""

    kind: ClassVar[str] = "knowledge.source_failed"

    title: str
    error: str


class GapFound(FeedPayload):
    """A question was asked for the first time that the knowledge does not answer."""

    kind: ClassVar[str] = "knowledge.gap_found"

    gap_id: UUID
    agent_id: UUID
