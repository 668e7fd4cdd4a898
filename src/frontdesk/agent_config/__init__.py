"""The AI agents of a tenant: who they are, how they write, when they leave it to a person."""

from frontdesk.agent_config.absences import Absence, absence_at
from frontdesk.agent_config.config import AgentConfig, EscalationKeywords, FollowUp, WhenClosed
from frontdesk.agent_config.errors import (
    AgentNameTaken,
    NoSuchAgent,
    NoSuchAgentVersion,
    NoSuchPreview,
)
from frontdesk.agent_config.escalation_rules import (
    AgentAsks,
    AmountOver,
    AnswerRefused,
    AsksForPerson,
    BudgetSpent,
    Condition,
    ConfidenceBelow,
    EscalationRule,
    FailedTurns,
    GaveUp,
    Mentions,
    ModelDown,
    MoodAtMost,
    MoodFalls,
    NothingReadable,
    OutOfHours,
    Priority,
    Speaks,
    Tagged,
    Target,
    ToolsFail,
    Topic,
)
from frontdesk.agent_config.hours import BusinessHours, Holiday, Interval, Weekday, is_open
from frontdesk.agent_config.models import PreviewState
from frontdesk.agent_config.previews import (
    PREVIEW,
    claim_preview,
    finish_preview,
    get_preview,
    list_due_previews,
    queue_preview,
)
from frontdesk.agent_config.privacy import HOLDINGS
from frontdesk.agent_config.rules import Complaint, complaints_about
from frontdesk.agent_config.schemas import AgentCreate, AgentPublic, Version
from frontdesk.agent_config.secrets import open_secrets
from frontdesk.agent_config.service import create_agent, get_agent
from frontdesk.agent_config.snapshots import AgentSnapshot, load_agent
from frontdesk.agent_config.tools import SECRET, STEP_SECONDS, BuiltInTool, HttpTool, Tools
from frontdesk.agent_config.values import Language, Text

__all__ = [
    "HOLDINGS",
    "PREVIEW",
    "SECRET",
    "STEP_SECONDS",
    "Absence",
    "AgentAsks",
    "AgentConfig",
    "AgentCreate",
    "AgentNameTaken",
    "AgentPublic",
    "AgentSnapshot",
    "AmountOver",
    "AnswerRefused",
    "AsksForPerson",
    "BudgetSpent",
    "BuiltInTool",
    "BusinessHours",
    "Complaint",
    "Condition",
    "ConfidenceBelow",
    "EscalationKeywords",
    "EscalationRule",
    "FailedTurns",
    "FollowUp",
    "GaveUp",
    "Holiday",
    "HttpTool",
    "Interval",
    "Language",
    "Mentions",
    "ModelDown",
    "MoodAtMost",
    "MoodFalls",
    "NoSuchAgent",
    "NoSuchAgentVersion",
    "NoSuchPreview",
    "NothingReadable",
    "OutOfHours",
    "PreviewState",
    "Priority",
    "Speaks",
    "Tagged",
    "Target",
    "Text",
    "Tools",
    "ToolsFail",
    "Topic",
    "Version",
    "Weekday",
    "WhenClosed",
    "absence_at",
    "claim_preview",
    "complaints_about",
    "create_agent",
    "finish_preview",
    "get_agent",
    "get_preview",
    "is_open",
    "list_due_previews",
    "load_agent",
    "open_secrets",
    "queue_preview",
]
