"""Observability: every attempt at a model, who changed what, and whether the service is well."""

from frontdesk.observability.audit_log import audit, changes, whole_changes
from frontdesk.observability.drills import (
    DRILL,
    DrillRecord,
    DrillRuns,
    Drills,
    NoSuchDrill,
    Simulated,
    begin_drill,
    check_drills,
    end_drill,
    get_drill,
    list_drills,
    list_due_drills,
    list_over,
)
from frontdesk.observability.health import Check, Finding, is_ready
from frontdesk.observability.heartbeat import beat
from frontdesk.observability.invariants import InvariantResult, check_invariants
from frontdesk.observability.llm_calls import (
    Exposures,
    LlmCallRecord,
    count_exposures,
    find_asked_message,
    get_llm_call,
    list_calls_for,
    record_llm_calls,
)
from frontdesk.observability.models import Outage, ReplayState
from frontdesk.observability.overdue import OVERDUE_AFTER_MINUTES, WAITS_TOO_LONG
from frontdesk.observability.privacy import HOLDINGS
from frontdesk.observability.refusals import record_refusal
from frontdesk.observability.replays import (
    REPLAY,
    Knowledge,
    ReplayKeyReused,
    ReplayWish,
    claim_replay,
    finish_replay,
    get_replay,
    list_due_replays,
    list_replays,
    queue_replay,
)
from frontdesk.observability.schemas import (
    AuditEntryPublic,
    LlmCallPublic,
    LlmCallSummary,
    ReplaySummary,
)

__all__ = [
    "DRILL",
    "HOLDINGS",
    "OVERDUE_AFTER_MINUTES",
    "REPLAY",
    "WAITS_TOO_LONG",
    "AuditEntryPublic",
    "Check",
    "DrillRecord",
    "DrillRuns",
    "Drills",
    "Exposures",
    "Finding",
    "InvariantResult",
    "Knowledge",
    "LlmCallPublic",
    "LlmCallRecord",
    "LlmCallSummary",
    "NoSuchDrill",
    "Outage",
    "ReplayKeyReused",
    "ReplayState",
    "ReplaySummary",
    "ReplayWish",
    "Simulated",
    "audit",
    "beat",
    "begin_drill",
    "changes",
    "check_drills",
    "check_invariants",
    "claim_replay",
    "count_exposures",
    "end_drill",
    "find_asked_message",
    "finish_replay",
    "get_drill",
    "get_llm_call",
    "get_replay",
    "is_ready",
    "list_calls_for",
    "list_drills",
    "list_due_drills",
    "list_due_replays",
    "list_over",
    "list_replays",
    "queue_replay",
    "record_llm_calls",
    "record_refusal",
    "whole_changes",
]
