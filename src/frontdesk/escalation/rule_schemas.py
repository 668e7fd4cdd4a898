"""What crosses HTTP when rules are tried out."""

from datetime import datetime
from uuid import UUID

from pydantic import Field, field_validator

from frontdesk.agent_config import AgentConfig
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.escalation.models import BacktestState, Reason


class RuleTest(Schema):
    """A message to ask the rules about."""

    text: str = Field(max_length=4096, examples=["I want my 80 EUR refunded"])
    mood: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="Suppose that a model reads the message so; no model is asked.",
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="Suppose that the agent is so sure of its answer."
    )
    config: AgentConfig | None = Field(
        None, description="Ask the rules of this configuration instead of the one in force."
    )

    @field_validator("text")
    @classmethod
    def _clean(cls, text: str) -> str:
        return clean(text)


class RuleReplay(Schema):
    """Which rules to ask about a conversation."""

    config: AgentConfig | None = Field(
        None, description="Ask the rules of this configuration instead of the one in force."
    )


class ConditionFinding(PublicSchema):
    """One condition of a rule, and what was seen."""

    condition: str
    holds: bool | None = Field(description="Null when what it looks at is not known.")
    seen: str


class RuleFinding(PublicSchema):
    """A rule as a sentence, and what each of its conditions came to."""

    place: int = Field(description="In the order of asking, from 1; the agent's own come first.")
    is_built_in: bool
    rule: str
    reason: Reason
    conditions: list[ConditionFinding]


class Look(PublicSchema):
    """What the rules say to one burst of messages."""

    turn_id: UUID | None
    at: datetime
    text: str
    fired: RuleFinding | None = Field(description="The first rule that holds.")
    came_close: list[RuleFinding] = Field(
        description="Rules that miss by one condition of several, or by a little."
    )
    not_known: list[RuleFinding] = Field(
        description="Rules that look at something nobody knows of this message, such as the mood."
    )


class RuleTestPublic(PublicSchema):
    """What the rules say, burst by burst, oldest first."""

    looks: list[Look]


class BacktestCreate(Schema):
    """A configuration that is not saved yet, to be tried on what has happened."""

    config: AgentConfig
    conversations: int = Field(
        200, ge=1, le=1_000, description="So many of the agent's last conversations."
    )


class BacktestExample(PublicSchema):
    """A conversation that would have gone another way."""

    conversation_id: UUID
    turn_id: UUID
    rule: str
    text: str = Field(description="What the contact wrote; empty once it has been erased.")


class Load(PublicSchema):
    """What handovers mean for the people who take them."""

    handling_minutes: float | None = Field(
        description="How long people have a conversation, on average; null without experience."
    )
    at_once: float | None = Field(description="Conversations with people at the same time, now.")
    at_once_then: float | None = Field(description="The same with these rules.")
    capacity: int = Field(description="The sum of all limits of your human agents.")


class BacktestResult(PublicSchema):
    """What would have been different."""

    conversations: int
    turns: int
    days: float = Field(description="From the first of these conversations to now; one at least.")
    handed_over: int = Field(description="By the rules in force now.")
    handed_over_then: int = Field(description="By these rules.")
    extra: int = Field(description="Conversations that only these rules hand over.")
    fewer: int = Field(description="Conversations that only the rules in force hand over.")
    extra_a_day: float
    fewer_a_day: float
    load: Load
    extra_examples: list[BacktestExample]
    fewer_examples: list[BacktestExample]


class BacktestPublic(PublicSchema):
    """A trial of rules on past conversations."""

    id: UUID
    agent_id: UUID
    state: BacktestState
    conversations: int
    result: BacktestResult | None
    created_at: datetime
