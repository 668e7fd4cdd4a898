"""What identity tells the contexts above it."""

from uuid import UUID

from frontdesk.core.callers import Role
from frontdesk.core.events import Event


class MemberDisabled(Event):
    """A user may no longer sign in to the tenant; what they had in hand needs someone else."""

    user_id: UUID


class ContactPolicyChanged(Event):
    """Human agents see contact details masked from now on, or whole again."""

    masked: bool


class RoleChanged(Event):
    """A user has another role in the tenant."""

    user_id: UUID
    role: Role
