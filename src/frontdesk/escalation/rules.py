"""When a person must take over: a pure function over what one turn has seen."""

from dataclasses import dataclass

from frontdesk.escalation.models import Reason


@dataclass(frozen=True)
class Signals:
    """What a turn knows when it decides whether to go on. None: not known (yet)."""

    asked_for_person: bool = False
    keyword: str | None = None
    keyword_reason: str = ""
    sentiment: float | None = None  # -1 (furious) to 1 (delighted).
    sentiment_threshold: float = -0.6
    confidence: float | None = None  # 0 to 1.
    confidence_threshold: float = 0.4
    model_asked: bool = False
    model_down: bool = False
    media_only: bool = False
    guard_refused: str | None = None
    attempts_exhausted: bool = False
    last_error: str | None = None  # What ended the attempt before, when attempts are exhausted.


@dataclass(frozen=True)
class Escalation:
    """Why a person must take over, and the rule that said so, in words."""

    reason: Reason
    rule: str


def escalation_reason(signals: Signals) -> Escalation | None:  # noqa: PLR0911  # One line a rule reads best.
    """Why a person must take over, or None while the agent may go on. The first rule wins.

    WhatsApp Business Messaging Policy: automation must offer a prompt, clear way to reach a person,
    so asking for one wins over every other signal.
    """
    if signals.asked_for_person:
        return Escalation(Reason.REQUESTED, "The contact asked for a person.")
    if signals.keyword:
        why = f" ({signals.keyword_reason})" if signals.keyword_reason else ""
        return Escalation(Reason.KEYWORD, f"The contact mentioned “{signals.keyword}”{why}.")
    if signals.sentiment is not None and signals.sentiment <= signals.sentiment_threshold:
        return Escalation(
            Reason.ANGRY,
            f"The mood is {signals.sentiment:.1f}; {signals.sentiment_threshold:.1f} or less goes "
            "to a person.",
        )
    if signals.attempts_exhausted:
        last = f" The last time: {signals.last_error}" if signals.last_error else ""
        return Escalation(Reason.STUCK, f"Answering failed too often.{last}")
    if signals.model_down:
        return Escalation(Reason.MODEL_DOWN, "No model could be reached.")
    if signals.media_only:
        return Escalation(Reason.MEDIA_ONLY, "The message holds nothing the agent can read.")
    if signals.model_asked:
        return Escalation(Reason.MODEL_ASKED, "The agent asked for a person.")
    if signals.confidence is not None and signals.confidence < signals.confidence_threshold:
        return Escalation(
            Reason.LOW_CONFIDENCE,
            f"The confidence is {signals.confidence:.2f}; below "
            f"{signals.confidence_threshold:.2f} goes to a person.",
        )
    if signals.guard_refused:
        return Escalation(Reason.GUARD, f"The answer did not pass: {signals.guard_refused}.")
    return None
