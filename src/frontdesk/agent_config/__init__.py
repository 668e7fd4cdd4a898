"""The AI agents of a tenant: who they are, how they write, when they leave it to a person."""

from frontdesk.agent_config.config import AgentConfig, EscalationKeywords
from frontdesk.agent_config.errors import AgentNameTaken, NoSuchAgent, NoSuchAgentVersion
from frontdesk.agent_config.hours import BusinessHours, Holiday, Interval, Weekday, is_open
from frontdesk.agent_config.privacy import HOLDINGS
from frontdesk.agent_config.schemas import AgentCreate, AgentHealthPublic, AgentPublic
from frontdesk.agent_config.service import create_agent
from frontdesk.agent_config.snapshots import AgentSnapshot, load_agent

__all__ = [
    "HOLDINGS",
    "AgentConfig",
    "AgentCreate",
    "AgentHealthPublic",
    "AgentNameTaken",
    "AgentPublic",
    "AgentSnapshot",
    "BusinessHours",
    "EscalationKeywords",
    "Holiday",
    "Interval",
    "NoSuchAgent",
    "NoSuchAgentVersion",
    "Weekday",
    "create_agent",
    "is_open",
    "load_agent",
]
