"""Rules of an agent that read as sentences: when these signs are there, a person takes over.

Only what they are: `escalation` tells whether one holds.
"""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from frontdesk.agent_config.values import Language, Text, Word


class Topic(StrEnum):
    """What words of Frontdesk's own lists are about."""

    MONEY = "money"
    LEGAL = "legal"


class Priority(StrEnum):
    """How soon people should take over, compared with others who wait."""

    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sign(_Value):
    in_a_sentence: ClassVar[str] = ""

    def in_words(self) -> str:
        """The condition as part of a sentence."""
        return self.in_a_sentence.format_map(self.model_dump())


class Mentions(_Sign):
    """Words or phrases: in any form of the word, with or without accents, with a slip of the pen."""

    sign: Literal["mentions"] = "mentions"
    words: Annotated[
        dict[Language, Annotated[tuple[Word, ...], Field(min_length=1, max_length=100)]],
        Field(min_length=1, max_length=30),
    ] = Field(
        description="By language, ISO 639, which says how words change; `und` takes them as written.",
        examples=[{"en": ["refund", "money back"], "es": ["reembolso"]}],
    )
    typos: bool = Field(
        True, description="One letter wrong, missing or too many counts, in words of six and more."
    )

    def in_words(self) -> str:
        listed = [f"“{word}”" for words in self.words.values() for word in words]
        more = f" (or {len(listed) - 6} others)" if len(listed) > 6 else ""
        return f"{' or '.join(listed[:6])}{more} is mentioned"


class Speaks(_Sign):
    """Words of Frontdesk's own lists, in the usual languages."""

    sign: Literal["topic"] = "topic"
    topic: Topic

    def in_words(self) -> str:
        what = "money back" if self.topic is Topic.MONEY else "legal steps"
        return f"the contact speaks of {what}"


class AmountOver(_Sign):
    """A sum of money, named with its currency."""

    sign: Literal["amount_over"] = "amount_over"
    amount: float = Field(ge=0, examples=[50])
    currency: Annotated[Text, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(
        None, description="ISO 4217; any currency without it, and none is converted."
    )

    def in_words(self) -> str:
        return f"the amount is over {self.amount:g}{f' {self.currency}' if self.currency else ''}"


class AsksForPerson(_Sign):
    """A wish for a person, in plain words or by what the model makes of them."""

    sign: Literal["asks_for_person"] = "asks_for_person"

    in_a_sentence: ClassVar[str] = "the contact asks for a person"


class MoodAtMost(_Sign):
    """How the contact feels: -1 is furious, 1 delighted."""

    sign: Literal["mood"] = "mood"
    at_most: float = Field(ge=-1, le=1, examples=[-0.5])

    in_a_sentence: ClassVar[str] = "the mood is {at_most:g} or worse"


class MoodFalls(_Sign):
    """How much worse the contact feels than at the best of the last answers."""

    sign: Literal["mood_falls"] = "mood_falls"
    drop: float = Field(gt=0, le=2, examples=[0.5])
    turns: int = Field(3, ge=1, le=10, description="So many answers back.")

    in_a_sentence: ClassVar[str] = "the mood has fallen by {drop:g} within {turns} turns"


class ConfidenceBelow(_Sign):
    """How sure the agent is of its answer: 0 to 1."""

    sign: Literal["confidence"] = "confidence"
    below: float = Field(ge=0, le=1, examples=[0.5])

    in_a_sentence: ClassVar[str] = "the confidence is below {below:g}"


class FailedTurns(_Sign):
    """Answers in a row of which the agent was not sure, or refused; the one in hand counts."""

    sign: Literal["failed_turns"] = "failed_turns"
    count: int = Field(ge=1, le=10, examples=[2])
    confidence_below: float = Field(0.6, ge=0, le=1)

    in_a_sentence: ClassVar[str] = (
        "{count} turns in a row failed (confidence below {confidence_below:g})"
    )


class ToolsFail(_Sign):
    """Calls of tools in this turn that failed or took too long."""

    sign: Literal["tools_fail"] = "tools_fail"
    count: int = Field(1, ge=1, le=10)

    in_a_sentence: ClassVar[str] = "calls of tools fail (at least {count})"


class Tagged(_Sign):
    """A tag that people gave this or an earlier conversation with the contact."""

    sign: Literal["tagged"] = "tagged"
    tags: Annotated[tuple[Word, ...], Field(min_length=1, max_length=20)] = Field(
        examples=[["vip"]]
    )

    def in_words(self) -> str:
        return f"the contact is tagged {' or '.join(f'“{tag}”' for tag in self.tags)}"


class OutOfHours(_Sign):
    """Outside the agent's business hours."""

    sign: Literal["out_of_hours"] = "out_of_hours"

    in_a_sentence: ClassVar[str] = "it is outside business hours"


class BudgetSpent(_Sign):
    """The money for models is used up."""

    sign: Literal["budget_spent"] = "budget_spent"

    in_a_sentence: ClassVar[str] = "the budget for models is used up"


class ModelDown(_Sign):
    """No model has answered for as long as a contact should wait."""

    sign: Literal["model_down"] = "model_down"

    in_a_sentence: ClassVar[str] = "no model can be reached"


class NothingReadable(_Sign):
    """Pictures, voice and the like, without a word."""

    sign: Literal["nothing_readable"] = "nothing_readable"

    in_a_sentence: ClassVar[str] = "the message holds nothing the agent can read"


class AgentAsks(_Sign):
    """The agent itself asks for a person."""

    sign: Literal["agent_asks"] = "agent_asks"

    in_a_sentence: ClassVar[str] = "the agent asks for a person"


class AnswerRefused(_Sign):
    """The answer did not pass the checks."""

    sign: Literal["answer_refused"] = "answer_refused"

    in_a_sentence: ClassVar[str] = "the answer does not pass the checks"


class GaveUp(_Sign):
    """Every attempt to answer failed."""

    sign: Literal["gave_up"] = "gave_up"

    in_a_sentence: ClassVar[str] = "answering fails too often"


Condition = Annotated[
    Mentions
    | Speaks
    | AmountOver
    | AsksForPerson
    | MoodAtMost
    | MoodFalls
    | ConfidenceBelow
    | FailedTurns
    | ToolsFail
    | Tagged
    | OutOfHours
    | BudgetSpent
    | ModelDown
    | NothingReadable
    | AgentAsks
    | AnswerRefused
    | GaveUp,
    Field(discriminator="sign"),
]
Target = Annotated[Text, StringConstraints(min_length=1, max_length=80)]


class EscalationRule(_Value):
    """When all of these signs are there, a person takes over: of this team, with this skill."""

    when: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=8)] = Field(
        examples=[
            [
                {"sign": "mentions", "words": {"en": ["refund"]}},
                {"sign": "amount_over", "amount": 50},
            ]
        ]
    )
    team: Target | None = Field(None, examples=["Billing"], description="The name of a team.")
    skill: Target | None = Field(None, description="What a team must be good at.")
    priority: Priority = Priority.NORMAL
    note: Annotated[Text, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="Shown to the human agent.", examples=["wants money back"]
    )

    def in_words(self) -> str:
        """The rule as a sentence."""
        who = ["person"]
        who += [f"team {self.team}"] if self.team else []
        who += [f"skilled in {self.skill}"] if self.skill else []
        who += [self.priority] if self.priority is not Priority.NORMAL else []
        when = " and ".join(condition.in_words() for condition in self.when)
        note = f" ({self.note})" if self.note else ""
        return f"When {when} → {', '.join(who)}{note}."
