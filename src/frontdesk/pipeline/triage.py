"""Stage 2: is this for us to answer? Free local checks first, then one cheap model call."""

from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traced
from frontdesk.escalation import Escalation, Reason, asks_for_person, asks_to_stop
from frontdesk.gateway import Completion
from frontdesk.pipeline.asking import ask, prompt_for
from frontdesk.pipeline.feelings import SURE, Feelings, read_feelings
from frontdesk.pipeline.language import Reading, read_language, settle_language
from frontdesk.pipeline.ruling import absence_of, gave_up, look, must
from frontdesk.pipeline.shedding import Extra, goes_without
from frontdesk.pipeline.signals import (
    SURE_INJECTION,
    SUSPECT_INJECTION,
    LocalSignals,
    read_signals,
)
from frontdesk.pipeline.turn import Triage, Triaged, Turn, Verdict
from frontdesk.prompts import as_data, fill

_SPAM = "It is spam."
_ABUSE = "It is abuse."


@traced("triage")
async def triage_turn(resources: Resources, turn: Turn) -> Triaged:
    """What the burst is and whether the agent answers it.

    Raises:
        ModelsUnavailable: no model could be asked.
    """
    signals = read_signals(turn.seen_text)
    feelings = await read_feelings(resources, turn.burst_text)
    seen = [*signals.as_trace(), *feelings.as_trace()]
    if local := triage_locally(turn, signals, feelings, resources.settings.worker.max_attempts):
        turn.trace.add(
            "triage", verdict=local.verdict, reason=local.reason, by="local checks", signals=seen
        )
        return local
    if await goes_without(resources, turn, Extra.TRIAGE):
        if feelings.anger >= SURE and (rule := look(turn, mood=-feelings.anger)):
            return _to_person(language_of(turn)[0], rule)
        return Triaged(Verdict.ANSWER, language_of(turn)[0], is_suspect=_is_suspect(signals))
    completion = await _ask(resources, turn)
    found = completion.parsed
    assert isinstance(found, Triage)
    triaged, language_source = judge(turn, signals, found)
    seen.append({"signal": "language", "value": triaged.language, "source": language_source})
    turn.trace.add(
        "triage",
        signals=seen,
        verdict=triaged.verdict,
        reason=triaged.reason,
        by="model",
        category=found.category,
        language=triaged.language,
        sentiment=found.sentiment,
        intent=found.intent,
        wants_person=found.wants_person,
        model=completion.model,
        cache_hit=completion.cache_hit,
        failed=completion.failures,
    )
    return triaged


def triage_locally(  # noqa: PLR0911  # One line a check reads best.
    turn: Turn, signals: LocalSignals, feelings: Feelings, max_attempts: int
) -> Triaged | None:
    """What needs no model: stop words, rules, spam, abuse, orders to the model,
    nothing readable. Or None."""
    texts = [m.text for m in turn.background.burst]
    language, _ = language_of(turn)
    if not turn.background.burst:
        return Triaged(Verdict.IGNORE, language, "The contact took it back.")
    config = turn.agent.config
    stop_words = {word.casefold() for word in config.stop_words}
    # Counted at the claim, so a burst that kills its worker is counted too.
    if turn.claim.attempts > max_attempts:
        return _to_person(language, gave_up(turn.claim))
    if any(asks_to_stop(text) or text.strip().casefold() in stop_words for text in texts):
        return Triaged(Verdict.IGNORE, language, "The contact opted out.", opts_out=True)
    if turn.claim.is_stale:
        # Whatever kept it waiting; WhatsApp's window is closed as well.
        late = Escalation(Reason.RULE, "The contact wrote more than a day ago.")
        return _to_person(language, late)
    if not config.answers_enabled:
        off = Escalation(Reason.RULE, "The agent's answers are switched off.")
        return _to_person(language, off)
    if not config.answers_when_closed and absence_of(turn, language):
        return _to_person(language, Escalation(Reason.RULE, "It is outside business hours."))
    # That no pattern finds a wish for a person does not mean there is none.
    wants_person = feelings.wants_person >= SURE
    asked_for_person = wants_person or any(asks_for_person(text) for text in texts) or None
    if rule := look(turn, asked_for_person=asked_for_person):
        return _to_person(language, rule)
    if unwanted := _unwanted(turn, signals, feelings, language):
        return unwanted
    if not any(any(c.isalnum() for c in text) for text in texts):
        if any(m.seen for m in turn.background.burst):
            return None
        if any(m.has_media for m in turn.background.burst):
            return _to_person(language, must(turn, nothing_readable=True))
        return Triaged(Verdict.IGNORE, language, "There is nothing to answer in it.")
    return None


def _unwanted(
    turn: Turn, signals: LocalSignals, feelings: Feelings, language: str
) -> Triaged | None:
    if signals.spam:
        return Triaged(Verdict.IGNORE, language, _SPAM)
    if signals.injection >= SURE_INJECTION:
        return Triaged(Verdict.REFUSE, language, "It gives the agent orders of its own.")
    # Later in a thread an insult may be all that is left of a wish.
    is_abuse = signals.abuse or feelings.abuse >= SURE
    if is_abuse and not any(m.author == "contact" for m in turn.background.history):
        return Triaged(Verdict.REFUSE, language, _ABUSE)
    return None


def judge(turn: Turn, signals: LocalSignals, found: Triage) -> tuple[Triaged, str]:
    """The verdict on what the model said of a burst, and by what its language was told."""
    language, source = language_of(turn, found.language.lower()[:2] or None)
    escalation = look(turn, asked_for_person=found.wants_person, mood=found.sentiment)
    verdict, reason = Verdict.ANSWER, ""
    if found.category == "spam":
        verdict, reason, escalation = Verdict.IGNORE, _SPAM, None
    elif found.category == "abuse":
        verdict, reason, escalation = Verdict.REFUSE, _ABUSE, None
    elif escalation is not None:
        verdict, reason = Verdict.PERSON, escalation.rule
    elif found.category == "thanks":
        # Every bubble is billed, and nobody waits for an answer to a thank-you.
        verdict, reason = Verdict.IGNORE, "The contact only says thanks."
    triaged = Triaged(
        verdict=verdict,
        language=language,
        reason=reason,
        sentiment=found.sentiment,
        escalation=escalation,
        is_suspect=_is_suspect(signals),
    )
    return triaged, source


def _is_suspect(signals: LocalSignals) -> bool:
    return signals.injection >= SUSPECT_INJECTION


async def _ask(resources: Resources, turn: Turn) -> Completion:
    config = turn.agent.config
    prompt = fill(
        await prompt_for(resources, turn, "triage"),
        {"company_name": config.company_name, "languages": ", ".join(config.languages)},
    )
    return await ask(
        resources,
        turn,
        "triage",
        (
            {"role": "system", "content": prompt.text},
            {"role": "user", "content": f"<messages>\n{as_data(turn.seen_text)}\n</messages>"},
        ),
        Triage,
        prompt=prompt,
        max_output_tokens=300,
        cacheable=True,
        is_followed=True,
    )


def _to_person(language: str, escalation: Escalation) -> Triaged:
    return Triaged(Verdict.PERSON, language, escalation.rule, escalation=escalation)


def language_of(turn: Turn, said_by_model: str | None = None) -> tuple[str, str]:
    """The contact's language as far as it can be told, and by what."""
    offered = tuple(turn.agent.config.languages)
    now, known = turn.language, turn.claim.language
    before: Reading | None = None
    if known is not None and now.language != known:
        written = [m.text for m in turn.background.history if m.author == "contact" and m.text]
        before = read_language(written[-1], offered) if written else None
    return settle_language(known, offered, now, before, said_by_model)
