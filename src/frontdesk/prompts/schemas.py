"""What crosses HTTP in prompts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from frontdesk.core.pages import Exact, PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.prompts.rules import Bump, ExperimentState, Unit
from frontdesk.prompts.template import MAX_TEMPLATE_CHARACTERS

Version = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$")
]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Name = Annotated[
    str,
    StringConstraints(max_length=80),
    Field(
        description="`reply`, `triage`, `handoff`: what `GET /api/v1/prompts` lists.",
        examples=["reply"],
    ),
]
Text = Annotated[str, AfterValidator(clean)]
Content = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_TEMPLATE_CHARACTERS)]
Note = Annotated[Text, StringConstraints(max_length=500)]
Tag = Annotated[Text, StringConstraints(pattern=r"^[\w][\w.:/ -]{0,39}$")]
Tags = Annotated[list[Tag], AfterValidator(lambda tags: list(dict.fromkeys(tags)))]
PRODUCTION = "production"
Override = Annotated[
    Annotated[Text, StringConstraints(min_length=10, max_length=500)] | None,
    Field(
        description="Where production asks for a passing evaluation run: why it may go without one. "
        "It is kept in the audit log.",
        examples=["The shop is closed tomorrow, and everybody has to be told now."],
    ),
]


class ReviewState(StrEnum):
    """Whether somebody else than its author has looked at a version and let it pass."""

    PROPOSED = "proposed"
    APPROVED = "approved"


class PromptVersionCreate(Schema):
    """A new text of a prompt."""

    content: Content = Field(
        description="A template: `{{ variable }}`, `{% if %}`, `{% for %}` and a few filters.",
        examples=["You answer for {{ company_name }}.\n<facts>\n{{ facts }}\n</facts>"],
    )
    bump: Bump | None = Field(
        None,
        description="Which part of the version number grows. Left out, what has changed since the "
        "highest version decides: `major` when other variables are used, `minor` when lines came, "
        "went or were rewritten, `patch` when lines were only reworded.",
    )
    note: Note = Field("", description="What was changed and why.", examples=["Shorter answers"])
    tags: Tags = Field(default=[], max_length=10, examples=[["tone"]])


class PromptPublish(Schema):
    """Which version a label moves to."""

    version: Version = Field(examples=["1.0.1"])
    label: Label = PRODUCTION
    override: Override = None


class PromptRollback(Schema):
    """Which label goes back to where it was before."""

    label: Label = PRODUCTION


class PromptPolicyPublic(PublicSchema):
    """What the tenant asks of a version before it goes to production."""

    requires_approval: bool = Field(
        description="Only versions that another user than their author has approved."
    )
    requires_run: bool = Field(description="Only versions that have passed an evaluation run.")


class PromptPolicyUpdate(Schema):
    """What the tenant asks of a version before it goes to production."""

    requires_approval: bool | None = Field(
        None, description="Left out, it stays as it is.", examples=[True]
    )
    requires_run: bool | None = Field(None, description="Left out, it stays as it is.")


class GuardMetric(StrEnum):
    """What a variant is judged by against production."""

    ANSWER_LENGTH = "answer_length"
    THUMBS_DOWN_RATE = "thumbs_down_rate"
    REFUSAL_RATE = "refusal_rate"
    HALLUCINATION_SCORE = (
        "hallucination_score"  # Drafts the output guard found something wrong with.
    )
    GUARD_FAILURE_RATE = "guard_failure_rate"  # Those it could not mend: a person answered.
    HANDOFF_RATE = "handoff_rate"
    EDIT_RATE = "edit_rate"
    LATENCY_SECONDS = "latency_seconds"
    COST_USD = "cost_usd"


CONTROL = "control"
Share = Annotated[float, Field(gt=0, le=1)]


class Variant(Schema):
    """A version that is tried on a share of the turns."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")] = Field(
        examples=["shorter"]
    )
    version: Version = Field(examples=["1.1.0"])
    share: Share = Field(
        description="0.05 is one in twenty; the shares together leave the rest to production.",
        examples=[0.05],
    )


class ExperimentStart(Schema):
    """Versions to be tried. One variant with guards is a canary."""

    name: Annotated[Text, StringConstraints(min_length=1, max_length=100)] = Field(
        examples=["Shorter answers"]
    )
    unit: Unit = Field(Unit.CONVERSATION, description="Whose turns all get the same variant.")
    variants: list[Variant] = Field(min_length=1, max_length=5)
    guards: list[GuardMetric] = Field(
        default=[],
        max_length=len(GuardMetric),
        description="What has to be equal or better before it goes to production.",
        examples=[["thumbs_down_rate", "refusal_rate"]],
    )
    override: Override = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [variant.name for variant in self.variants]
        if CONTROL in names or len(set(names)) < len(names):
            raise ValueError("each variant has a name of its own, and none is called control")
        if sum(variant.share for variant in self.variants) > 1:
            raise ValueError("the shares are more than 1 together")
        return self


class ExperimentMove(Schema):
    """The next step of an experiment, why, and what that rests on."""

    to: ExperimentState
    winner: str | None = Field(
        None,
        description="With `rolled_forward`, the variant that goes to production; left out, the only "
        "one.",
    )
    share: Share | None = Field(
        None, description="With `running`, a new share of the only variant."
    )
    reason: Note = Field("", examples=["Fewer handoffs, nobody complained."])
    evidence: dict[
        Annotated[str, StringConstraints(max_length=100)],
        Annotated[Text, StringConstraints(max_length=500)] | float | bool | None,
    ] = Field({}, max_length=50, examples=[{"thumbs_down_rate": 0.01}])


class ExperimentStep(PublicSchema):
    """One step an experiment has taken."""

    at: datetime
    to: ExperimentState
    by: UUID | None = Field(description="Null: Frontdesk itself, or the command line.")
    reason: str
    share: float | None = None
    evidence: dict[str, str | float | bool | None]


class ExposurePublic(PublicSchema):
    """What has come of a variant, or of `control`, so far."""

    variant: str
    calls: int
    conversations: int
    cost_usd: Exact | None = Field(description="Null: the price of a call is not known.")
    mean_latency_seconds: float


class ExperimentPublic(PublicSchema):
    """An experiment or a canary: what is tried on whom, and how far it has got."""

    id: UUID
    prompt: str
    name: str
    unit: Unit
    variants: list[Variant]
    guards: list[GuardMetric]
    state: ExperimentState
    winner: str | None
    history: list[ExperimentStep]
    created_at: datetime
    ended_at: datetime | None


class ExperimentDetailPublic(ExperimentPublic):
    """An experiment with what has come of each variant."""

    exposures: list[ExposurePublic]


class PromptPreview(Schema):
    """A text, or a version, to be filled in; variables you leave out have samples."""

    content: Content | None = None
    version: Version | None = Field(None, examples=["1.0.1"])
    variables: dict[str, Annotated[Text, StringConstraints(max_length=20_000)] | int | bool] = (
        Field(default_factory=dict, max_length=50, examples=[{"company_name": "Lumen & Oak"}])
    )


class ReleasePublic(PublicSchema):
    """Where a label stands."""

    label: str
    version: str
    released_at: datetime | None = Field(description="Null for the built-in text.")
    released_by: UUID | None


class PromptPublic(PublicSchema):
    """A prompt and where its labels stand."""

    name: str = Field(examples=["reply"])
    description: str
    variables: list[str] = Field(description="What its texts may use.")
    required_variables: list[str]
    labels: list[ReleasePublic]
    experiment_id: UUID | None = Field(
        None, description="The experiment that is open: some may get another version."
    )


class PromptVersionPublic(PublicSchema):
    """One text of a prompt. `0.0.0` is the one Frontdesk comes with."""

    version: str
    content: str
    content_hash: str
    variables: list[str]
    note: str
    tags: list[str] = Field([], examples=[["tone"]])
    author_id: UUID | None = Field(description="Null: the command line, or Frontdesk itself.")
    created_at: datetime | None
    state: ReviewState
    approved_by: UUID | None = None
    approved_at: datetime | None = None
    passed_run_id: UUID | None = Field(None, description="The evaluation run it passed last.")
    labels: list[str] = Field([], description="The labels that stand at it now.")


class PromptDiffPublic(PublicSchema):
    """What changed between two versions."""

    from_version: str
    to_version: str
    diff: str = Field(description="A unified diff; empty when the texts are the same.")


class PromptPreviewPublic(PublicSchema):
    """The text as a model would get it."""

    text: str
    characters: int
    variables: list[str]
