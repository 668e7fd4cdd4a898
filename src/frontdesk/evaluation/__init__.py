"""Evaluation: golden cases, and runs that score what the agent would answer."""

from frontdesk.evaluation.schemas import CaseCreate, CasePublic, CaseResult, RunPublic
from frontdesk.evaluation.service import CaseExists, create_case, get_run, list_cases, start_run

__all__ = [
    "CaseCreate",
    "CaseExists",
    "CasePublic",
    "CaseResult",
    "RunPublic",
    "create_case",
    "get_run",
    "list_cases",
    "start_run",
]
