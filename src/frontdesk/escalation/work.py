"""Due work of escalation."""

from frontdesk.core.work import Due
from frontdesk.escalation import (
    absent,
    assignment,
    backtest,
    bridge_models,
    bridging,
    returning,
    watchdog,
)

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
IDLE = Due(
    kind=absent.IDLE,
    list_ids=absent.list_idle,
    handle=absent.send_idle_away,
    at_once=2,
    sweep_seconds=10,
)
AWAY_RETURN = Due(
    kind=absent.AWAY_RETURN,
    list_ids=absent.list_left,
    handle=absent.return_left,
    at_once=2,
    sweep_seconds=10,
)
OVERDUE = Due(
    kind=watchdog.OVERDUE,
    list_ids=watchdog.list_untold,
    handle=watchdog.tell_overdue,
    at_once=4,
    sweep_seconds=10,
)
BRIDGE = Due(
    kind=bridge_models.BRIDGE,
    list_ids=bridging.list_due,
    handle=bridging.tend,
    at_once=4,
    sweep_seconds=2,
)
