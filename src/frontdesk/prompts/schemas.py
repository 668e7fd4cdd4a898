"""What crosses HTTP in prompts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from frontdesk.core.api import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.prompts.rules import Bump
from frontdesk.prompts.template import MAX_TEMPLATE_CHARACTERS

Version = Annotated[
    str, StringConstraints(pattern=r"^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$")
]
Label = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Text = Annotated[str, AfterValidator(clean)]
Content = Annotated[Text, StringConstraints(min_length=1, max_length=MAX_TEMPLATE_CHARACTERS)]
Note = Annotated[Text, StringConstraints(max_length=500)]
Tag = Annotated[Text, StringConstraints(pattern=r"^[\w][\w.:/ -]{0,39}$")]
Tags = Annotated[list[Tag], AfterValidator(lambda tags: list(dict.fromkeys(tags)))]
PRODUCTION = "production"


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


class PromptRollback(Schema):
    """Which label goes back to where it was before."""

    label: Label = PRODUCTION


class PromptPolicyPublic(PublicSchema):
    """What the tenant asks of a version before it goes to production."""

    requires_approval: bool = Field(
        description="Only versions that another user than their author has approved."
    )


class PromptPolicyUpdate(Schema):
    """What the tenant asks of a version before it goes to production."""

    requires_approval: bool = Field(examples=[True])


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
