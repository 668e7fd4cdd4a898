"""What the gateway tells the contexts above it."""

from uuid import UUID

from frontdesk.core.events import Event


class ReplyModelsChanging(Event):
    """Other models are to write the replies of agents that name none of their own; a subscriber may
    refuse by raising.

    Args:
        by: the user who changes them.
        models: those from now on, in turn.
        override: why they may without a passing evaluation run; None: no reason was given.
    """

    by: UUID
    models: tuple[str, ...]
    override: str | None
