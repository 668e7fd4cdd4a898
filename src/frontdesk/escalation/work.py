"""Due work of escalation."""

from frontdesk.core.work import Due
from frontdesk.escalation import assignment, backtest

ASSIGN = Due(
    kind=assignment.HANDOFF,
    list_ids=assignment.list_assignable,
    handle=assignment.assign_waiting,
    at_once=5,
)
BACKTEST = Due(
    kind=backtest.BACKTEST,
    list_ids=backtest.list_due,
    handle=backtest.run_backtest,
    at_once=1,
)
