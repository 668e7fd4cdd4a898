"""When a person must take over: the rules of an agent, asked about what one turn has seen.

Pure functions. A turn asks several times, each time knowing more; a rule holds only when all that
it looks at is known, so cheap signs send a conversation to people before any model is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from frontdesk.agent_config import (
    AgentAsks,
    AgentConfig,
    AmountOver,
    AnswerRefused,
    AsksForPerson,
    BudgetSpent,
    Condition,
    ConfidenceBelow,
    EscalationKeywords,
    EscalationRule,
    FailedTurns,
    GaveUp,
    Mentions,
    ModelDown,
    MoodAtMost,
    MoodFalls,
    NothingReadable,
    OutOfHours,
    Priority,
    Speaks,
    Tagged,
    ToolsFail,
)
from frontdesk.escalation.models import Reason
from frontdesk.escalation.words import TOPICS, Said

# How near a number must be for a rule to have come close.
_NEAR_MOOD = 0.25
_NEAR_CONFIDENCE = 0.1
_NEAR_AMOUNT = 0.2


@dataclass(frozen=True)
class Past:
    """What earlier turns of a conversation have shown, oldest first.

    Args:
        moods: -1 to 1.
        confidences: of the agent's answers, 0 to 1; 0 where it refused.
    """

    moods: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()


@dataclass(frozen=True)
class Signals:
    """What a turn knows when it decides whether to go on. None: not known (yet).

    Args:
        mood: -1 (furious) to 1 (delighted).
        confidence: of the answer in hand, 0 to 1.
        failed_tools: calls that failed or took too long.
        tags: of all conversations with the contact.
        agent_asked, budget_spent, refused, gave_up: why, in words; empty when it is not so.
    """

    said: Said | None = None
    asked_for_person: bool | None = None
    mood: float | None = None
    confidence: float | None = None
    past: Past = Past()
    failed_tools: int | None = None
    out_of_hours: bool | None = None
    tags: frozenset[str] | None = None
    agent_asked: str | None = None
    budget_spent: str | None = None
    model_down: bool | None = None
    nothing_readable: bool | None = None
    refused: str | None = None
    gave_up: str | None = None


@dataclass(frozen=True)
class Escalation:
    """Why a person must take over, the rule that said so in words, and who should."""

    reason: Reason
    rule: str
    team: str | None = None
    skill: str | None = None
    priority: Priority = Priority.NORMAL

    @property
    def why(self) -> str:
        """The reason in words of ours alone: the rule may quote what the contact wrote."""
        return _WHY[self.reason]


@dataclass(frozen=True)
class Finding:
    """Whether a condition holds (None: not known), what was seen, and whether it is a near miss."""

    holds: bool | None
    seen: str = ""
    near: bool = False


@dataclass(frozen=True)
class Asked:
    """A rule and what was found for each of its conditions."""

    rule: EscalationRule
    findings: tuple[Finding, ...]

    @property
    def fires(self) -> bool:
        """Whether every condition holds."""
        return all(finding.holds for finding in self.findings)

    @property
    def is_open(self) -> bool:
        """Whether it would hold if what is not known were so."""
        return not self.fires and all(finding.holds is not False for finding in self.findings)

    @property
    def came_close(self) -> bool:
        """Whether it does not hold, by one condition of several or by a little."""
        missed = [finding for finding in self.findings if not finding.holds]
        by_one = len(missed) == 1 and missed[0].holds is False
        return by_one and (len(self.findings) > 1 or missed[0].near)

    def escalation(self) -> Escalation:
        """The handover that a rule which fires brings about."""
        rule = self.rule
        seen = "; ".join(finding.seen for finding in self.findings if finding.seen)
        return Escalation(
            reason=_REASONS.get(type(rule.when[0]), Reason.RULE),
            rule=f"{rule.in_words()} Seen: {seen.rstrip('.')}." if seen else rule.in_words(),
            team=rule.team,
            skill=rule.skill,
            priority=rule.priority,
        )


# By the sign that a rule begins with.
_REASONS = {
    AsksForPerson: Reason.REQUESTED,
    Mentions: Reason.KEYWORD,
    Speaks: Reason.KEYWORD,
    MoodAtMost: Reason.ANGRY,
    MoodFalls: Reason.ANGRY,
    ConfidenceBelow: Reason.LOW_CONFIDENCE,
    AgentAsks: Reason.MODEL_ASKED,
    ModelDown: Reason.MODEL_DOWN,
    NothingReadable: Reason.MEDIA_ONLY,
    AnswerRefused: Reason.GUARD,
    GaveUp: Reason.STUCK,
    BudgetSpent: Reason.BUDGET,
    ToolsFail: Reason.TOOL,
}
_WHY = {
    Reason.REQUESTED: "The contact asked for a person.",
    Reason.KEYWORD: "The contact wrote of something that people see to.",
    Reason.ANGRY: "The contact is angry.",
    Reason.LOW_CONFIDENCE: "The assistant was not sure enough of its answer.",
    Reason.MODEL_ASKED: "The assistant asked for a person.",
    Reason.MODEL_DOWN: "No model could be reached.",
    Reason.GUARD: "What the assistant wrote was not fit to be sent.",
    Reason.STUCK: "The message could not be handled.",
    Reason.TAKEN_OVER: "A colleague took the conversation over.",
    Reason.PHONE_APP: "A colleague answered from the phone.",
    Reason.MEDIA_ONLY: "The contact sent nothing that can be read.",
    Reason.SEND_FAILED: "The answer could not be delivered.",
    Reason.BUDGET: "The money for models is used up.",
    Reason.RULE: "A rule of the business wants a person.",
    Reason.TOOL: "A tool of the assistant needs a person.",
    Reason.SHADOW: "People answer here; the assistant only drafts.",
}
NO_REASON = "it gave no reason"
GAVE_UP = EscalationRule(when=(GaveUp(),))
_WISH = EscalationRule(when=(AsksForPerson(),))
_BEFORE_CONFIDENCE = (
    GAVE_UP,
    EscalationRule(when=(ModelDown(),)),
    EscalationRule(when=(NothingReadable(),)),
    EscalationRule(when=(AgentAsks(),)),
)
_AFTER_CONFIDENCE = (
    EscalationRule(when=(AnswerRefused(),)),
    EscalationRule(when=(BudgetSpent(),)),
)


def rules_of(config: AgentConfig) -> tuple[EscalationRule, ...]:
    """All rules of an agent in the order in which they are asked: its own, then the built-in ones.

    WhatsApp Business Messaging Policy: automation must offer a prompt, clear way to reach a person.
    So the wish for one can't be taken out; every rule leads to people, a tenant's own only say sooner
    to whom.
    """
    return (*config.escalation_rules, *_built_in(config))


def _built_in(config: AgentConfig) -> Iterator[EscalationRule]:
    yield _WISH
    yield from map(_keywords, config.escalation_keywords)
    yield _mood(config.sentiment_threshold)
    yield from _BEFORE_CONFIDENCE
    yield _confidence(config.confidence_threshold)
    yield from _AFTER_CONFIDENCE


# Every turn asks for them, and the same ones.
@lru_cache(maxsize=2_000)
def _keywords(listed: EscalationKeywords) -> EscalationRule:
    mentions = Mentions(words={"und": listed.words}, typos=False)
    return EscalationRule(when=(mentions,), note=listed.reason)


@lru_cache
def _mood(at_most: float) -> EscalationRule:
    return EscalationRule(when=(MoodAtMost(at_most=at_most),))


@lru_cache
def _confidence(below: float) -> EscalationRule:
    return EscalationRule(when=(ConfidenceBelow(below=below),))


def first_rule(rules: Sequence[EscalationRule], signals: Signals) -> Escalation | None:
    """Why a person must take over, or None while the agent may go on. The first rule wins."""
    asked = (ask_rule(rule, signals) for rule in rules)
    return next((one.escalation() for one in asked if one.fires), None)


def ask_rule(rule: EscalationRule, signals: Signals) -> Asked:
    """What a rule finds in the signals, condition by condition."""
    return Asked(rule, tuple(_find(condition, signals) for condition in rule.when))


def _find(condition: Condition, signals: Signals) -> Finding:  # noqa: PLR0911, PLR0912  # One line a sign reads best.
    match condition:
        case Mentions():
            return _mentioned(signals.said, condition.words, typos=condition.typos)
        case Speaks():
            return _mentioned(signals.said, TOPICS[condition.topic], typos=True)
        case AmountOver():
            return _amount(condition, signals.said)
        case AsksForPerson():
            return _flag(signals.asked_for_person)
        case MoodAtMost():
            return _at_most(signals.mood, condition.at_most, "mood", _NEAR_MOOD)
        case MoodFalls():
            return _falls(condition, signals)
        case ConfidenceBelow():
            return _below(signals.confidence, condition.below)
        case FailedTurns():
            return _failed(condition, signals)
        case ToolsFail():
            return _tools(condition, signals.failed_tools)
        case Tagged():
            return _tagged(signals.tags, condition.tags)
        case OutOfHours():
            return _flag(signals.out_of_hours)
        case AgentAsks():
            return _told(signals.agent_asked)
        case BudgetSpent():
            return _told(signals.budget_spent)
        case AnswerRefused():
            return _told(signals.refused)
        case GaveUp():
            return _told(signals.gave_up)
        case ModelDown():
            return _flag(signals.model_down)
        case NothingReadable():
            return _flag(signals.nothing_readable)


def _flag(value: bool | None) -> Finding:
    return Finding(value)


def _told(why: str | None) -> Finding:
    return Finding(None if why is None else bool(why), why or "")


def _tagged(tags: frozenset[str] | None, wanted: Sequence[str]) -> Finding:
    if tags is None:
        return Finding(None)
    known = {tag.casefold(): tag for tag in tags}
    found = next((known[tag.casefold()] for tag in wanted if tag.casefold() in known), None)
    return Finding(found is not None, f"tagged “{found}”" if found else "")


def _mentioned(said: Said | None, words: Mapping[str, Sequence[str]], *, typos: bool) -> Finding:
    if said is None:
        return Finding(None)
    found = said.mentioned(words, typos=typos)
    if found is None:
        return Finding(False)
    word, written = found
    return Finding(True, f"“{written}”" if written == word else f"“{written}” for “{word}”")


def _amount(condition: AmountOver, said: Said | None) -> Finding:
    if said is None:
        return Finding(None)
    amounts = [a for a in said.amounts if condition.currency in (None, a.currency)]
    if not amounts:
        return Finding(False, "no amount with a currency")
    near = amounts[0].value >= condition.amount * (1 - _NEAR_AMOUNT)
    return Finding(amounts[0].value > condition.amount, str(amounts[0]), near)


def _at_most(value: float | None, limit: float, what: str, margin: float) -> Finding:
    if value is None:
        return Finding(None)
    return Finding(value <= limit, f"{what} {value:.2f}", value <= limit + margin)


def _below(confidence: float | None, limit: float) -> Finding:
    if confidence is None:
        return Finding(None)
    near = confidence < limit + _NEAR_CONFIDENCE
    return Finding(confidence < limit, f"confidence {confidence:.2f}", near)


def _falls(condition: MoodFalls, signals: Signals) -> Finding:
    before = signals.past.moods[-condition.turns :]
    if signals.mood is None:
        return Finding(None)
    if not before:
        return Finding(False, "no earlier mood")
    fallen = max(before) - signals.mood
    seen = f"mood {max(before):.2f}, now {signals.mood:.2f}"
    return Finding(fallen >= condition.drop, seen, fallen >= condition.drop - _NEAR_MOOD)


def _failed(condition: FailedTurns, signals: Signals) -> Finding:
    if signals.confidence is None:
        return Finding(None)
    in_a_row = 0
    for confidence in reversed((*signals.past.confidences, signals.confidence)):
        if confidence >= condition.confidence_below:
            break
        in_a_row += 1
    seen = f"{in_a_row} in a row failed"
    return Finding(in_a_row >= condition.count, seen, in_a_row == condition.count - 1 > 0)


def _tools(condition: ToolsFail, failed: int | None) -> Finding:
    if failed is None:
        return Finding(None)
    seen = f"{failed} calls failed"
    return Finding(failed >= condition.count, seen, failed == condition.count - 1 > 0)
