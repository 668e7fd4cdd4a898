"""Due work of conversation."""

from frontdesk.conversation import memory, summarising, timers
from frontdesk.core.work import Due

FIRE_TIMER = Due(
    kind=timers.TIMER, list_ids=timers.list_due, handle=timers.fire, at_once=10, sweep_seconds=1
)
SUMMARISE = Due(
    kind=memory.MEMORY,
    list_ids=summarising.list_due,
    handle=summarising.summarise,
    at_once=10,
    sweep_seconds=5,
)
