"""The values that travel through a turn, from the claim to the decision."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk.agent_config import AgentSnapshot, masking_of
from frontdesk.conversation import Background, Claim, Remembered
from frontdesk.core.tracing import annotate, is_tracing
from frontdesk.escalation import (
    Escalation,
    HandBack,
    NewSuggestion,
    Packet,
    Past,
    Said,
    Source,
)
from frontdesk.gateway import Completion, Masking
from frontdesk.pipeline.language import Reading, read_language
from frontdesk.prompts import Exposure, PromptSnapshot


class Trace:
    """What each stage of a turn saw and decided, how long it took and what it cost.

    `on_paper`: the turn is thought through without anybody outside noticing (evaluation, preview).
    `feature`: what its model calls count as, when not each as what it is.
    `user_id`: who of the people asked for it.
    """

    def __init__(
        self,
        *,
        on_paper: bool = False,
        feature: str | None = None,
        user_id: UUID | None = None,
    ) -> None:
        self.on_paper = on_paper
        self.feature = feature
        self.user_id = user_id
        self.started = time.perf_counter()
        self.lines: list[dict[str, Any]] = []
        # What experiments on prompts gave this turn; by prompt, which may be used twice.
        self.exposures: dict[str, dict[str, Any]] = {}
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd: Decimal | None = Decimal(0)
        self.call_ids: list[UUID] = []
        # Records of calls that were not waited for.
        self.unwritten: list[asyncio.Future[None]] = []
        self._last = self.started

    def add(self, stage: str, **facts: Any) -> None:
        """One line for a stage that has just ended; its time counts from the line before."""
        now = time.perf_counter()
        self.lines.append({"stage": stage, "seconds": round(now - self._last, 4), **facts})
        self._last = now
        if is_tracing():
            annotate(
                **{
                    f"{stage}.{name}": told
                    for name, told in facts.items()
                    if _is_wordless(name, told)
                }
            )

    def count(self, completion: Completion) -> None:
        """Add what an answer took; an unknown cost makes the turn's cost unknown, never smaller."""
        self.call_ids += completion.call_ids
        self.unwritten += completion.unwritten
        self.input_tokens += completion.input_tokens
        self.output_tokens += completion.output_tokens
        if completion.cost_usd is None or self.cost_usd is None:
            self.cost_usd = None
        else:
            self.cost_usd += completion.cost_usd

    def expose(self, prompt: str, version: str, exposure: Exposure) -> None:
        """Remember what an experiment gave this turn."""
        self.exposures[prompt] = {
            "prompt": prompt,
            "version": version,
            "experiment_id": exposure.experiment_id,
            "variant": exposure.variant,
        }

    @property
    def seconds(self) -> float:
        """Time since the turn began."""
        return time.perf_counter() - self.started


# What of a trace's lines may stand in a span: one word of ours, or of the tenant's configuration.
_ONE_WORD = frozenset(
    {
        "verdict",
        "by",
        "category",
        "language",
        "model",
        "action",
        "status",
        "end",
        "outcome",
        "prompt",
        "written_by",
        "left_out",
        "step",
    }
)


def _is_wordless(name: str, told: object) -> bool:
    return isinstance(told, bool | int | float) or (name in _ONE_WORD and isinstance(told, str))


@dataclass(frozen=True)
class Turn:
    """A burst to be answered, and all that is known when the thinking starts."""

    claim: Claim
    background: Background
    agent: AgentSnapshot
    trace: Trace = field(compare=False)
    past: Past = field(default_factory=Past)
    tags: frozenset[str] | None = None  # The contact's, when a rule looks at them.
    hand_back: HandBack | None = None
    # On paper: the texts to be tried, by prompt; the others are what is in production.
    prompts: Mapping[str, PromptSnapshot] = field(default_factory=dict, compare=False)

    @cached_property
    def was_left_to_us(self) -> bool:
        """Whether people have seen all of the burst, and left it to the AI."""
        burst = [m.id for m in self.background.burst]
        return self.hand_back is not None and self.hand_back.covers(burst)

    @cached_property
    def said(self) -> Said:
        """The burst's words, as rules look at them."""
        return Said([m.text for m in self.background.burst if m.text])

    @cached_property
    def language(self) -> Reading:
        """What language of the agent's the burst seems to be in."""
        return read_language(self.burst_text, tuple(self.agent.config.languages))

    @property
    def burst_text(self) -> str:
        """The burst's messages, one a line."""
        return "\n".join(m.text for m in self.background.burst if m.text)

    @property
    def seen_text(self) -> str:
        """The burst's messages with what its pictures show."""
        return "\n".join(m.words for m in self.background.burst if m.words)

    def seconds_left(self, deadline_seconds: float) -> float:
        """What is left of the one deadline over all model calls of a turn, at least a second."""
        return max(1.0, deadline_seconds - self.trace.seconds)

    @property
    def masking(self) -> Masking:
        """What no model sees of the contact."""
        return masking_of(self.agent.config, self.claim.contact_name, self.claim.contact_wa_id)

    @property
    def changes_nothing(self) -> bool:
        """Whether nobody outside may notice this turn: it is on paper, or its agent only proposes."""
        return self.trace.on_paper or self.agent.config.shadow

    @property
    def billed_conversation_id(self) -> UUID | None:
        """The conversation that calls of this turn are for; none when it is thought on paper."""
        return None if self.trace.on_paper else self.claim.conversation_id

    @property
    def billed_contact_id(self) -> UUID | None:
        """The contact whom they are for; nobody either on paper."""
        return None if self.trace.on_paper else self.claim.contact_id


class Triage(BaseModel):
    """What a cheap model call says of a burst."""

    category: Literal[
        "question", "request", "complaint", "greeting", "thanks", "spam", "abuse", "other"
    ]
    language: str = Field(description="ISO 639-1 code of the language the contact writes in.")
    sentiment: float = Field(description="-1 (furious) to 1 (delighted).", ge=-1, le=1)
    intent: str = Field(description="What the contact wants, in a few words.")
    wants_person: bool = Field(description="Whether the contact asks for a human being.")


class Reply(BaseModel):
    """What the model answers: the text and, apart from it, what is to be done."""

    text: str = Field(description="The message to the contact.")
    action: Literal["reply", "escalate", "close"] = Field(
        description="reply: send the text. escalate: a person must take over. close: the contact "
        "needs nothing more."
    )
    confidence: float = Field(description="How sure the text is right and complete.", ge=0, le=1)
    reasoning: str = Field(description="Why, in a sentence; contacts never see it.")
    suggested_next_action: str | None = Field(
        description="What a person should do next, when one takes over."
    )
    sources: list[str] = Field(description="Titles of the facts the text rests on.")


class Verdict(StrEnum):
    """Whether a burst gets an answer."""

    ANSWER = "answer"
    IGNORE = "ignore"
    REFUSE = "refuse"
    PERSON = "person"


@dataclass(frozen=True)
class Triaged:
    """What triage found. `reason` says why when the verdict is not to answer."""

    verdict: Verdict
    language: str
    reason: str = ""
    sentiment: float | None = None
    escalation: Escalation | None = None
    opts_out: bool = False
    # It may be giving the model orders: it is answered, and without tools.
    is_suspect: bool = False


class OutcomeKind(StrEnum):
    """What becomes of a burst."""

    REPLY = "reply"
    HAND_OFF = "hand_off"
    IGNORE = "ignore"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Outcome:
    """What a turn has come to; nothing of it has happened yet."""

    kind: OutcomeKind
    language: str
    reason: str = ""
    text: str | None = None
    closes: bool = False
    escalation: Escalation | None = None
    packet: Packet | None = None
    opts_out: bool = False
    prompt_version: str | None = None
    is_crowded: bool = False  # The thread outgrows its prompt.
    remembered: tuple[Remembered, ...] = ()
    once_as: str | None = None  # The text is not sent when something has been under this key.
    sources: tuple[Source, ...] = ()
    confidence: float | None = None
    # What an agent that only proposes would have said.
    proposal: NewSuggestion | None = None
    # What was missing to answer, as the model says; None: nothing was.
    missing: str | None = None
