"""Due work of conversation."""

from frontdesk.conversation import (
    commitments,
    keeping,
    memory,
    summarising,
    surveying,
    timers,
)
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
SURVEY = Due(
    kind=surveying.SURVEY,
    list_ids=surveying.list_due,
    handle=surveying.ask_how_it_was,
    at_once=5,
    sweep_seconds=5,
)
KEEP_COMMITMENT = Due(
    kind=commitments.COMMITMENT,
    list_ids=commitments.list_due,
    handle=keeping.keep,
    at_once=5,
    sweep_seconds=5,
)
