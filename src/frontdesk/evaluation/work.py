"""Due work of evaluation."""

from frontdesk.core.work import Due
from frontdesk.evaluation import service

RUN = Due(kind=service.RUN, list_ids=service.list_due, handle=service.run_cases, at_once=1)
