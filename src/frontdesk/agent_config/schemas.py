"""What crosses HTTP in agent_config."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints

from frontdesk.agent_config.config import AgentConfig
from frontdesk.agent_config.values import Text
from frontdesk.core.pages import PublicSchema, Schema


class AgentCreate(Schema):
    """A new agent."""

    name: Annotated[Text, StringConstraints(min_length=1, max_length=80)] = Field(
        description="How your team calls it.", examples=["Shop assistant"]
    )
    config: AgentConfig = Field(
        examples=[
            {
                "company_name": "Lumen & Oak",
                "persona": "You are Olive, who knows every lamp in the shop.",
                "languages": ["en", "es"],
            }
        ]
    )


Version = Annotated[int, Field(ge=1, le=2**31 - 1)]


class AgentRollback(Schema):
    """Which version to bring back."""

    version: Version = Field(examples=[3])


class AgentGate(Schema):
    """What is asked of a configuration before it comes into force."""

    requires_run: bool = Field(description="A passing evaluation run of exactly that content.")


class AgentPublic(PublicSchema):
    """An agent with its present configuration."""

    id: UUID
    name: str
    version: int
    enabled: bool
    requires_run: bool = Field(
        description="A configuration comes into force once it has passed an evaluation run."
    )
    config: AgentConfig
    created_at: datetime


class FieldChangePublic(PublicSchema):
    """A field that is not what it was."""

    field: str = Field(
        description="One inside another with a dot between.", examples=["tools.max_steps"]
    )
    before: Any
    after: Any
    message: str = Field(
        description="The same in words.", examples=["Tools, max steps: from 5 to 8."]
    )


class AgentDiffPublic(PublicSchema):
    """What changed between two configurations."""

    from_version: int
    to_version: int
    changes: list[FieldChangePublic]
    diff: str = Field(
        description="A unified diff of the two as JSON; empty when they are the same."
    )


class AgentVersionPublic(PublicSchema):
    """A configuration as it was saved."""

    version: int
    config: AgentConfig
    author_id: UUID | None
    created_at: datetime
