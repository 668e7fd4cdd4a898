"""What evaluation tells the feed."""

from typing import ClassVar
from uuid import UUID

from frontdesk.feed import FeedPayload


class EvaluationDone(FeedPayload):
    """All cases of a run have been played."""

    kind: ClassVar[str] = "evaluation.done"

    run_id: UUID
    pass_rate: float
