"""What crosses HTTP about runs: what is played, how each case went, what it comes to."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from frontdesk.agent_config import AgentConfig, Version
from frontdesk.core.pages import Exact, PublicSchema, Schema
from frontdesk.evaluation.models import RunKind, RunState
from frontdesk.evaluation.rules import Action
from frontdesk.pipeline import OutcomeKind
from frontdesk.prompts import ExperimentState

PromptName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
PromptVersion = Annotated[str, StringConstraints(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")]
Model = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+/[A-Za-z0-9._:/-]+$", max_length=120)]


class Candidate(Schema):
    """What is to be different from what is in production; empty: production itself."""

    version: Version | None = Field(None, description="A saved version of the agent.")
    config: AgentConfig | None = Field(None, description="A draft: a whole configuration.")
    models: list[Model] | None = Field(
        None, min_length=1, max_length=10, examples=[["openai/gpt-4o-mini"]]
    )
    prompts: dict[PromptName, PromptVersion] = Field({}, examples=[{"reply": "1.2.0"}])
    label: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] | None = Field(
        None, description="Prompts at this label, where it stands.", examples=["candidate"]
    )

    @model_validator(mode="after")
    def _is_one_of_them(self) -> Self:
        if self.config is not None and self.version is not None:
            raise ValueError("say a config or a version, not both")
        return self


class RunCreate(Schema):
    """What is played, how often, for how much, and how good is good enough."""

    dataset_id: UUID | None = Field(None, description="Left out, the dataset called `golden`.")
    candidate: Candidate = Candidate()
    threshold: float = Field(
        0.95, ge=0.95, le=1, description="The share of cases that must be answered well."
    )
    repeats: int = Field(1, ge=1, le=10, description="How often each case is played.")
    budget_usd: Exact | None = Field(
        None, gt=0, le=10_000, description="The run stops when it has cost this much."
    )


class TrafficCreate(Schema):
    """A candidate to be tried on what contacts wrote lately."""

    candidate: Candidate
    days: int = Field(7, ge=1, le=31)
    sample: int = Field(50, ge=1, le=500, description="Bursts, drawn evenly from all.")
    budget_usd: Exact | None = Field(None, gt=0, le=10_000)


class JudgedPublic(PublicSchema):
    """What the judge said of an answer, and why."""

    passes: bool
    score: int
    reasons: str


class PaperLinePublic(PublicSchema):
    """A line of a played conversation."""

    author: str
    text: str


class BeforePublic(PublicSchema):
    """What had become of a burst of the traffic."""

    action: Action
    cost_usd: Exact | None
    seconds: float | None
    judged: JudgedPublic | None = None


class CaseResult(PublicSchema):
    """How one case went."""

    item_id: UUID = Field(description="The case, or the turn of the traffic.")
    name: str
    repeat: int = 1
    passed: bool
    failures: list[str] = Field(description="Each check that failed, in words.")
    judged: JudgedPublic | None = None
    outcome: OutcomeKind | None = None
    reason: str = ""
    text: str | None = None
    sources: list[str] = Field(default=[])
    turns: int = Field(1, description="Bursts that were answered.")
    transcript: list[PaperLinePublic] = Field(default=[])
    seconds: float
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Exact | None = Field(None, description="What the desk would have paid for it.")
    around_usd: Exact | None = Field(None, description="What judge and played customer took.")
    tags: list[str] = Field(default=[])
    before: BeforePublic | None = None


class TagPublic(PublicSchema):
    """How the cases of a tag went."""

    passed: int
    played: int
    pass_rate: float
    failures: list[str] = Field(description="The names of the cases that failed.")


class SummaryPublic(PublicSchema):
    """What a run comes to."""

    played: int
    passed: int
    pass_rate: float
    tags: dict[str, TagPublic]
    latency_p50_seconds: float | None
    latency_p95_seconds: float | None
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None = Field(description="Of the desk. Null: a price is not known.")
    around_usd: Exact | None = Field(description="Of judge and played customers.")
    mean_turns: float
    escalation_rate: float
    repeat_pass_rates: list[float] = Field(description="Of each time all cases were played.")
    spread: float = Field(description="Their standard deviation.")
    unsteady: list[str] = Field(description="Cases that passed in some repeats and not in others.")
    before: dict[str, Any] | None = Field(
        None,
        description="Of traffic: the same numbers as they had been, and in words what changes.",
    )


class JudgePublic(PublicSchema):
    """Whether the judge was heeded."""

    agreed: int
    examples: int
    counts: bool
    words: str


class RunSummary(PublicSchema):
    """A run, without its cases."""

    id: UUID
    agent_id: UUID
    kind: RunKind
    dataset_id: UUID | None
    dataset_version: int | None
    wish: dict[str, Any] = Field(description="What was asked to be played.")
    fingerprint: str = Field(description="The same for runs of the same content.")
    state: RunState
    threshold: float
    repeats: int
    budget_usd: Exact | None
    total: int | None = Field(description="Cases to be played, repeats counted.")
    done: int
    spent_usd: Exact
    judge: JudgePublic | None
    pass_rate: float | None
    summary: SummaryPublic | None
    deployment_approved: bool | None = Field(description="Whether it clears the gate.")
    gate: list[str] = Field(description="Why, in words.")
    requested_by: UUID | None
    last_error: str | None
    created_at: datetime
    finished_at: datetime | None


class RunPublic(RunSummary):
    """A run with how each case went, as far as it has got."""

    results: list[CaseResult]


class CanaryPublic(PublicSchema):
    """A canary as its guard saw it last."""

    experiment_id: UUID
    state: ExperimentState
    looks: int
    due_at: datetime | None = Field(
        description="When it looks next; null: it does not, or no more."
    )
    evidence: dict[str, str | float | bool | None] | None


class ComparisonPublic(PublicSchema):
    """Two runs over the cases that both played in the same words."""

    first_id: UUID
    second_id: UUID
    shared: int
    both_passed: int
    neither_passed: int
    only_first: list[str] = Field(description="Names of cases that only the first run passed.")
    only_second: list[str]
    p_value: float = Field(description="McNemar's exact test over the cases that differ.")
    is_more_than_noise: bool
    words: str
    cost_usd: list[Exact | None]
    latency_p50_seconds: list[float | None]
