"""What evaluation tells the feed; all of it is for admins."""

from typing import ClassVar
from uuid import UUID

from frontdesk.evaluation.models import Origin, RunState
from frontdesk.feed import FeedPayload


class EvaluationProgress(FeedPayload):
    """Some more cases of a run have been played."""

    kind: ClassVar[str] = "evaluation.progress"

    run_id: UUID
    done: int
    total: int


class EvaluationDone(FeedPayload):
    """A run has ended: all cases have been played, its money is used up, or it failed."""

    kind: ClassVar[str] = "evaluation.done"

    run_id: UUID
    state: RunState
    pass_rate: float | None
    deployment_approved: bool | None


class CaseProposed(FeedPayload):
    """A case was made from a conversation, for somebody to look at."""

    kind: ClassVar[str] = "evaluation.case_proposed"

    proposal_id: UUID
    origin: Origin
