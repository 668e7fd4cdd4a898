"""The AI agents of a tenant: who they are, how they write, when they leave it to a person."""

from frontdesk.agent_config.config import AgentConfig, EscalationKeywords
from frontdesk.agent_config.errors import AgentNameTaken, NoSuchAgent, NoSuchAgentVersion
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
    ToolsFail,
    Topic,
)
from frontdesk.agent_config.hours import BusinessHours, Holiday, Interval, Weekday, is_open
from frontdesk.agent_config.privacy import HOLDINGS
from frontdesk.agent_config.rules import Complaint, complaints_about
from frontdesk.agent_config.schemas import AgentCreate, AgentPublic
from frontdesk.agent_config.secrets import open_secrets
from frontdesk.agent_config.service import create_agent, get_agent
from frontdesk.agent_config.snapshots import AgentSnapshot, load_agent
from frontdesk.agent_config.tools import SECRET, STEP_SECONDS, BuiltInTool, HttpTool, Tools

__all__ = [
    "HOLDINGS",
    "SECRET",
    "STEP_SECONDS",
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
    "GaveUp",
    "Holiday",
    "HttpTool",
    "Interval",
    "Mentions",
    "ModelDown",
    "MoodAtMost",
    "MoodFalls",
    "NoSuchAgent",
    "NoSuchAgentVersion",
    "NothingReadable",
    "OutOfHours",
    "Priority",
    "Speaks",
    "Tools",
    "ToolsFail",
    "Topic",
    "Weekday",
    "complaints_about",
    "create_agent",
    "get_agent",
    "is_open",
    "load_agent",
    "open_secrets",
]
