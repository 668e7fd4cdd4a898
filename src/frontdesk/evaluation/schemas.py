"""What crosses HTTP in evaluation."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from frontdesk.core.api import PublicSchema, Schema
from frontdesk.evaluation.models import RunState

Words = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Lines = Annotated[list[Words], Field(max_length=20)]


class CaseCreate(Schema):
    """What a contact says, and what a good answer holds."""

    name: str = Field(min_length=1, max_length=100, examples=["Shipping time"])
    messages: Lines = Field(min_length=1, examples=[["How long does shipping take?"]])
    must_contain: Lines = Field(default=[], examples=[["2 to 4 working days"]])
    must_not_contain: Lines = Field(default=[], examples=[["free"]])
    expect_handoff: bool = Field(False, description="The right answer is to hand over.")
    tags: Lines = Field(default=[], examples=[["accuracy"]])


class RunCreate(Schema):
    """How good is good enough."""

    threshold: float = Field(
        0.95, ge=0, le=1, description="The share of cases that must be answered well."
    )


class CasePublic(PublicSchema):
    """A golden case."""

    id: UUID
    agent_id: UUID
    name: str
    messages: list[str]
    must_contain: list[str]
    must_not_contain: list[str]
    expect_handoff: bool
    tags: list[str]


class CaseResult(PublicSchema):
    """How one case went."""

    case_id: UUID
    name: str
    passed: bool
    failures: list[str] = Field(description="Each check that failed, in words.")
    outcome: str
    text: str | None
    seconds: float
    tags: list[str]


class RunPublic(PublicSchema):
    """One pass over an agent's cases."""

    id: UUID
    agent_id: UUID
    state: RunState
    threshold: float
    pass_rate: float | None
    deployment_approved: bool | None = Field(
        description="Whether the pass rate reaches the threshold."
    )
    results: list[CaseResult]
    last_error: str | None
    created_at: datetime
