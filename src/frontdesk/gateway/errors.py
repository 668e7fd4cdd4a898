"""Errors the gateway raises."""

from frontdesk.core.errors import Conflict, FrontdeskError, Unavailable
from frontdesk.gateway.attempts import Outcome


class ModelsUnavailable(Unavailable):
    """No model gave a usable answer before the deadline; the same call may succeed later."""

    code, title = "models_unavailable", "No model answers just now"

    def __init__(
        self, message: str | None = None, *, attempts: int, retry_after_seconds: float = 10
    ) -> None:
        super().__init__(message, retry_after_seconds=retry_after_seconds)
        self.attempts = attempts


class ModelsNeedRun(Conflict):
    """An agent takes no reply models with which it has passed no evaluation run."""

    code, title = "run_required", "These models have to pass an evaluation run first"


class PromptRejected(FrontdeskError):
    """Models refuse this prompt for what is in it; the identical prompt must not be sent again.

    `reason` says why: `content_filter`, `context_overflow` (send less), `bad_request`, or
    `not_masked`: then no model has seen it.
    """

    code, title = "prompt_rejected", "The models refuse this prompt"

    def __init__(self, reason: Outcome, *, attempts: int, complaint: str | None = None) -> None:
        super().__init__(f"The prompt was refused: {complaint or reason}.")
        self.reason = reason
        self.attempts = attempts
