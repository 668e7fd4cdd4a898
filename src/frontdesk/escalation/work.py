"""Due work of escalation."""

from frontdesk.core.work import Due
from frontdesk.escalation import assignment

ASSIGN = Due(
    kind=assignment.HANDOFF,
    list_ids=assignment.list_assignable,
    handle=assignment.assign_waiting,
    at_once=5,
)
