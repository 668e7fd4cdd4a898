"""The AI agents of a tenant: who they are, how they write, when they leave it to a person."""

from frontdesk.agent_config.config import AgentConfig, EscalationKeywords
from frontdesk.agent_config.errors import AgentNameTaken, NoSuchAgent, NoSuchAgentVersion
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
    "AgentConfig",
    "AgentCreate",
    "AgentNameTaken",
    "AgentPublic",
    "AgentSnapshot",
    "BuiltInTool",
    "BusinessHours",
    "Complaint",
    "EscalationKeywords",
    "Holiday",
    "HttpTool",
    "Interval",
    "NoSuchAgent",
    "NoSuchAgentVersion",
    "Tools",
    "Weekday",
    "complaints_about",
    "create_agent",
    "get_agent",
    "is_open",
    "load_agent",
    "open_secrets",
]
