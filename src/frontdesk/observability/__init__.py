"""Observability: every attempt at a model, who changed what, and whether the service is well."""

from frontdesk.observability.audit_log import audit, changes
from frontdesk.observability.health import is_ready
from frontdesk.observability.heartbeat import beat
from frontdesk.observability.invariants import InvariantResult, check_invariants
from frontdesk.observability.llm_calls import (
    Exposures,
    LlmCallRecord,
    count_exposures,
    record_llm_call,
)
from frontdesk.observability.privacy import HOLDINGS
from frontdesk.observability.schemas import AuditEntryPublic, LlmCallPublic, LlmCallSummary

__all__ = [
    "HOLDINGS",
    "AuditEntryPublic",
    "Exposures",
    "InvariantResult",
    "LlmCallPublic",
    "LlmCallRecord",
    "LlmCallSummary",
    "audit",
    "beat",
    "changes",
    "check_invariants",
    "count_exposures",
    "is_ready",
    "record_llm_call",
]
