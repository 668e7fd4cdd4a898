"""What agent_config tells the feed, kind by kind."""

from typing import ClassVar
from uuid import UUID

from frontdesk.feed import FeedPayload


class AgentCreated(FeedPayload):
    """There is a new agent."""

    kind: ClassVar[str] = "agent.created"

    agent_id: UUID
    name: str


class VersionInForce(FeedPayload):
    """From now on an agent goes by another version of its configuration."""

    agent_id: UUID
    version: int


class ConfigSaved(VersionInForce):
    """An agent's configuration was changed."""

    kind: ClassVar[str] = "agent.config_saved"


class AgentRolledBack(VersionInForce):
    """An agent goes by an earlier configuration again, as its newest version."""

    kind: ClassVar[str] = "agent.rolled_back"
