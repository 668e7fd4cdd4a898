"""What prompts publishes for the contexts above."""

from uuid import UUID

from frontdesk.core.events import Event
from frontdesk.prompts.rules import ExperimentState


class ExperimentMoved(Event):
    """An experiment has begun or taken a step. `is_guarded`: it is a canary, to be judged by guards."""

    experiment_id: UUID
    is_guarded: bool
    state: ExperimentState
