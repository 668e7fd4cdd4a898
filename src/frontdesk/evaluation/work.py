"""Due work of evaluation: runs, cases from production, canaries."""

from frontdesk.core.work import Due
from frontdesk.evaluation import canary, proposals, runs
from frontdesk.evaluation.running import run

RUN = Due(kind=runs.RUN, list_ids=runs.list_due, handle=run, at_once=2)
COLLECT = Due(
    kind=proposals.COLLECT,
    list_ids=proposals.list_due,
    handle=proposals.collect,
    at_once=1,
    sweep_seconds=5,
)
CANARY = Due(
    kind=canary.WATCH, list_ids=canary.list_due, handle=canary.look, at_once=1, sweep_seconds=5
)
