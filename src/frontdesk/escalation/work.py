"""Due work of escalation."""

from frontdesk.core.work import Due
from frontdesk.escalation import assignment, backtest, returning

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
RETURN = Due(
    kind=returning.RETURN,
    list_ids=returning.list_silent,
    handle=returning.return_silent,
    at_once=2,
    sweep_seconds=10,  # The silence is measured in minutes.
)
