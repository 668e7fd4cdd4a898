"""Evaluation: cases, runs that score what an agent would answer, the gate, and the canary guard."""

from frontdesk.evaluation.canary import watch_canary
from frontdesk.evaluation.case_schemas import CaseBody, DatasetChange, DatasetPublic
from frontdesk.evaluation.datasets import get_file, golden_of, list_datasets, put_file
from frontdesk.evaluation.junit import as_junit
from frontdesk.evaluation.privacy import HOLDINGS
from frontdesk.evaluation.runs import (
    cancel_run,
    compare_runs,
    get_run,
    list_runs,
    start_run,
    start_traffic_run,
)
from frontdesk.evaluation.schemas import (
    Candidate,
    CaseResult,
    ComparisonPublic,
    RunCreate,
    RunPublic,
    TrafficCreate,
)

__all__ = [
    "HOLDINGS",
    "Candidate",
    "CaseBody",
    "CaseResult",
    "ComparisonPublic",
    "DatasetChange",
    "DatasetPublic",
    "RunCreate",
    "RunPublic",
    "TrafficCreate",
    "as_junit",
    "cancel_run",
    "compare_runs",
    "get_file",
    "get_run",
    "golden_of",
    "list_datasets",
    "list_runs",
    "put_file",
    "start_run",
    "start_traffic_run",
    "watch_canary",
]
