"""What crosses HTTP and files about datasets and their cases."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import regex
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean
from frontdesk.evaluation.rules import Action

Text = Annotated[str, AfterValidator(clean)]
Name = Annotated[Text, StringConstraints(min_length=1, max_length=100)]
Words = Annotated[Text, StringConstraints(min_length=1, max_length=500)]
Said = Annotated[Text, StringConstraints(min_length=1, max_length=4_096)]
Lines = Annotated[list[Words], Field(max_length=20)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}$")]
MOST_CASES = 2_000


def _is_pattern(text: str) -> str:
    try:
        regex.compile(text)
    except regex.error as error:
        raise ValueError(f"it is no regular expression: {error}") from None
    return text


Pattern = Annotated[Words, AfterValidator(_is_pattern)]


class PaperMessage(Schema):
    """A message that stands in the thread before what is to be answered."""

    author: Literal["contact", "agent", "human_agent"]
    text: Said
    at: datetime | None = Field(
        None, description="For who reads the case: as in the desk, models are not told times."
    )


class PaperContact(Schema):
    """What is known of the contact."""

    name: Words | None = Field(None, description="Masked in what models get.", examples=["Ada"])
    language: Language | None = Field(None, description="Of the conversation so far.")


class PaperMemory(Schema):
    """What the agent remembers of what stands before `history`. Left out, a long history is
    summarised as in the desk."""

    intent: Annotated[Text, StringConstraints(max_length=500)] = ""
    facts: Lines = Field(default=[])
    promises: Lines = Field(default=[])
    open_questions: Lines = Field(default=[])


class Persona(Schema):
    """A customer played by a model, who writes until the goal is reached or they give up."""

    who: Words = Field("A customer", examples=["Ada, who has bought a lamp"])
    goal: Words = Field(examples=["Find out how long delivery takes."])
    mood: Words = Field("friendly", examples=["impatient"])
    language: Language = "en"
    facts: Annotated[Text, StringConstraints(max_length=2_000)] = Field(
        "", description="What they tell when asked."
    )
    most_turns: int = Field(6, ge=1, le=20)


class Labelled(Schema):
    """An answer to the case that a person has judged: what the judge is checked against."""

    answer: Said
    passes: bool


class CaseBody(Schema):
    """What a contact writes, what is known by then, and what a good answer holds.

    With a `persona` a whole conversation is played: words and patterns are looked for in all answers,
    and the goal has to be reached, unless a handover is expected.
    """

    name: Name = Field(examples=["Shipping time"])
    messages: list[Said] = Field(
        default=[], max_length=20, examples=[["How long does shipping take?"]]
    )
    history: list[PaperMessage] = Field(default=[], max_length=500)
    contact: PaperContact = PaperContact()
    memory: PaperMemory | None = None
    persona: Persona | None = None
    must_contain: Lines = Field(default=[], examples=[["2 to 4 working days"]])
    must_not_contain: Lines = Field(default=[], examples=[["free"]])
    matches: Annotated[list[Pattern], Field(max_length=20)] = Field(
        default=[], description="Regular expressions.", examples=[[r"\d+ (working )?days"]]
    )
    language: Language | None = Field(None, description="Of the answer.")
    tone: Annotated[Text, StringConstraints(max_length=500)] = Field(
        "", description="For the judge.", examples=["Warm and brief."]
    )
    rubric: Annotated[Text, StringConstraints(max_length=2_000)] = Field(
        "", description="What a good answer does, for the judge."
    )
    labelled: Annotated[list[Labelled], Field(max_length=20)] = Field(default=[])
    action: Action = Field(Action.REPLY, description="What should become of it.")
    sources: Lines = Field(default=[], description="Titles of facts the answer rests on.")
    tags: Lines = Field(default=[], examples=[["accuracy"]])

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if bool(self.messages) == (self.persona is not None):
            raise ValueError("say messages, or a persona who writes them")
        if len(set(self.tags)) < len(self.tags):
            raise ValueError("each tag once")
        return self

    @property
    def is_judged(self) -> bool:
        """Whether something is for the judge to say."""
        return bool(self.tone or self.rubric)


class CasePublic(PublicSchema):
    """A case of a dataset, as it was in some version."""

    id: UUID
    dataset_id: UUID
    name: str
    body: CaseBody
    since_version: int
    until_version: int | None = Field(description="The first version without it.")
    conversation_id: UUID | None = Field(description="The conversation it was made from.")
    created_at: datetime


class DatasetCreate(Schema):
    """A new dataset of an agent."""

    name: Name = Field(examples=["golden"])


class DatasetPublic(PublicSchema):
    """Cases that an agent's changes are judged by."""

    id: UUID
    agent_id: UUID
    name: str
    version: int = Field(description="One more with every edit.")
    cases: int
    created_at: datetime


class CasesPut(Schema):
    """Cases to be added, or put in place of those of the same name, as one new version."""

    cases: list[CaseBody] = Field(
        min_length=1,
        max_length=MOST_CASES,
        examples=[[{"name": "Shipping time", "messages": ["How long does shipping take?"]}]],
    )
    replace: bool = Field(False, description="Cases that are not among these are dropped.")


class FilePut(Schema):
    """The same as a file."""

    format: Literal["jsonl", "yaml"] = "jsonl"
    content: str = Field(
        min_length=1,
        max_length=1_000_000,
        examples=['{"name": "Shipping time", "messages": ["How long does shipping take?"]}\n'],
    )
    replace: bool = Field(False, description="Cases that are not in it are dropped.")


class FilePublic(PublicSchema):
    """A dataset as a file."""

    format: Literal["jsonl", "yaml"]
    version: int
    content: str


class DatasetChange(PublicSchema):
    """What an edit came to."""

    version: int
    added: int
    changed: int
    dropped: int


def as_plain(body: CaseBody) -> dict[str, Any]:
    """A case as files hold it: what is said, without what is left out."""
    return body.model_dump(mode="json", exclude_defaults=True)
