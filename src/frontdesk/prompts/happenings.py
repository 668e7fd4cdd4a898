"""What prompts tells the feed, kind by kind; all of it is for admins."""

from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk.feed import FeedPayload
from frontdesk.prompts.rules import ExperimentState


class PromptTold(FeedPayload):
    """What is told of every prompt."""

    name: str


class VersionCreated(PromptTold):
    """A prompt has a new version; no label stands at it yet."""

    kind: ClassVar[str] = "prompt.version_created"

    version: str


class VersionApproved(PromptTold):
    """A version may go to production."""

    kind: ClassVar[str] = "prompt.version_approved"

    version: str


class PromptPublished(PromptTold):
    """A label stands at another version of a prompt."""

    kind: ClassVar[str] = "prompt.published"

    version: str
    label: str


class PromptRolledBack(PromptTold):
    """A label stands at the version again where it stood before."""

    kind: ClassVar[str] = "prompt.rolled_back"

    version: str
    label: str


class ExperimentTold(PromptTold):
    """What is told of every step of an experiment."""

    experiment_id: UUID
    experiment: str
    to: ExperimentState
    by: UUID | None = Field(description="Null: the guard.")
    reason: str
    share: float | None
    evidence: dict[str, Any]


class ExperimentRunning(ExperimentTold):
    """An experiment gives variants of a prompt to some of the conversations."""

    kind: ClassVar[str] = "prompt.experiment_running"


class ExperimentHeld(ExperimentTold):
    """An experiment is held: everybody gets production until somebody decides."""

    kind: ClassVar[str] = "prompt.experiment_held"


class ExperimentRolledForward(ExperimentTold):
    """An experiment ended with a variant in production."""

    kind: ClassVar[str] = "prompt.experiment_rolled_forward"


class ExperimentRolledBack(ExperimentTold):
    """An experiment ended, and production stays as it was."""

    kind: ClassVar[str] = "prompt.experiment_rolled_back"


STEPS: dict[ExperimentState, type[ExperimentTold]] = {
    ExperimentState.RUNNING: ExperimentRunning,
    ExperimentState.HELD: ExperimentHeld,
    ExperimentState.ROLLED_FORWARD: ExperimentRolledForward,
    ExperimentState.ROLLED_BACK: ExperimentRolledBack,
}
