"""Due work of billing: money that was set aside for calls whose worker was killed."""

from frontdesk.billing import reservations
from frontdesk.core.work import Due

RELEASE = Due(
    kind=reservations.RESERVATION,
    list_ids=reservations.list_overdue,
    handle=reservations.release,
    at_once=4,
    sweep_seconds=5,
)
