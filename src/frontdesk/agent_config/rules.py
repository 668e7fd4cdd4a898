"""What follows from a configuration: why an agent will not answer, or badly, what no model sees, and what
it is known by."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from frontdesk.agent_config.config import AgentConfig, WhenClosed
from frontdesk.agent_config.hours import is_open
from frontdesk.gateway import Masking

# Fewer tokens than this for each character of an answer, and JSON around it, and some are cut.
TOKENS_PER_CHARACTER = 0.3
TOKENS_AROUND_ANSWER = 150
SHORT_KEYWORD = 3


@dataclass(frozen=True)
class Complaint:
    """Something that keeps an agent from answering (`stops_answers`), or from doing so well."""

    code: str
    message: str
    stops_answers: bool = False


def config_hash(config: AgentConfig) -> str:
    """SHA-256 of a configuration's content, in hex: the same for the same content."""
    content = json.dumps(config.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def masking_of(config: AgentConfig, name: str | None, wa_id: str | None) -> Masking:
    """What no model sees of a contact of an agent; of their name and number what is known of them."""
    return Masking(
        kinds=frozenset(config.masked),
        names=(name,) if name else (),
        numbers=(wa_id,) if wa_id else (),
    )


def complaints_about(config: AgentConfig, *, enabled: bool, now: datetime) -> list[Complaint]:
    """What is wrong with an agent's configuration, the worst first."""
    found = [*_silences(config, enabled), *_hindrances(config), *_closed(config, now)]
    return sorted(found, key=lambda complaint: not complaint.stops_answers)


def _silences(config: AgentConfig, enabled: bool) -> Iterator[Complaint]:
    if not enabled:
        yield Complaint("agent_disabled", "The agent is disabled.", stops_answers=True)
    if not config.answers_enabled:
        yield Complaint("answers_off", "Answers are switched off: everything goes to people.", True)
    if config.shadow:
        yield Complaint("shadow", "It only proposes answers: people send them, or others.", True)
    if config.confidence_threshold >= 1:
        yield Complaint(
            "confidence_unreachable",
            "The confidence threshold is 1: an answer that is not perfectly sure goes to a person, "
            "so nearly all do.",
            True,
        )
    if config.sentiment_threshold >= 0:
        yield Complaint(
            "mood_too_strict",
            f"The mood threshold is {config.sentiment_threshold:g}: whoever writes without joy is "
            "passed on to a person.",
            True,
        )


def _hindrances(config: AgentConfig) -> Iterator[Complaint]:
    if 0.8 <= config.confidence_threshold < 1:
        yield Complaint(
            "confidence_high",
            f"The confidence threshold is {config.confidence_threshold:g}: many good answers will "
            "go to a person first.",
        )
    short = [
        word
        for rule in config.escalation_keywords
        for word in rule.words
        if len(word) < SHORT_KEYWORD
    ]
    if short:
        yield Complaint(
            "keyword_short",
            f"Short keywords ({', '.join(short)}) may send ordinary messages to a person.",
        )
    needed = config.max_reply_characters * TOKENS_PER_CHARACTER + TOKENS_AROUND_ANSWER
    if config.max_output_tokens < needed:
        yield Complaint(
            "tokens_few",
            f"{config.max_output_tokens} output tokens are too few for answers of "
            f"{config.max_reply_characters} characters; {needed:.0f} are enough.",
        )


_WHEN_CLOSED = {
    WhenClosed.QUEUE: "all conversations wait for people",
    WhenClosed.CALLBACK: "contacts are asked for a number to be called at",
    WhenClosed.MESSAGE: "contacts are asked to write again when you are open",
}


def _closed(config: AgentConfig, now: datetime) -> Iterator[Complaint]:
    hours = config.business_hours
    # A holiday may have hours of its own where the week has none.
    if hours is None or is_open(hours, now):
        return
    if any(hours.week.values()):
        code, why = "closed_now", "It is outside business hours"
    else:
        code, why = "never_open", "The business hours name no open day"
    if config.answers_when_closed:
        yield Complaint(code, f"{why}: the agent answers, people are away.")
    else:
        becomes = _WHEN_CLOSED[config.when_closed]
        yield Complaint(code, f"{why}: the agent does not answer, and {becomes}.", True)
