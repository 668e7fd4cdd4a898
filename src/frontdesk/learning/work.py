"""Due work of learning."""

from frontdesk.core.work import Due
from frontdesk.learning import collecting

LEARN = Due(
    kind=collecting.ROUND,
    list_ids=collecting.list_due,
    handle=collecting.learn,
    at_once=1,
    sweep_seconds=5,
)
