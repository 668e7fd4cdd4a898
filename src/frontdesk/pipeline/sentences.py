"""What a turn's trace says, in sentences for people: pure, a line of the trace at a time.

A trace is read years after it was written, so what a line does not hold is left out, and a stage that
is not known here is told by its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]
_MOST_TITLES = 6

_VERDICTS = {
    "answer": "The agent should answer it",
    "ignore": "It needs no answer",
    "refuse": "It is nothing this desk answers",
    "person": "A person should have it",
}
_OUTCOMES = {
    "reply": "The answer was sent",
    "hand_off": "People were given the conversation",
    "ignore": "Nothing was answered",
    "refuse": "The contact was told what the desk is for",
}
_FAILURES = {
    "rate_limited": "its provider had us wait",
    "provider_down": "its provider did not work",
    "timeout": "it took too long",
    "configuration": "its key or name was refused",
    "context_overflow": "the prompt was too long for it",
    "content_filter": "its provider refuses such content",
    "bad_request": "it refused the request",
    "garbage": "its answer could not be used",
    "cancelled": "nobody waited for it any more",
    "not_masked": "what is personal could not be masked, so nothing was sent",
    "breaker_open": "it had failed too often just before and was left alone",
    "over_budget": "a budget was too small for it",
}


@dataclass(frozen=True)
class Step:
    """A stage of a turn in words. `is_trouble`: something went otherwise than it should."""

    stage: str
    text: str
    seconds: float | None = None
    is_trouble: bool = False


def steps_of(trace: Sequence[Line]) -> tuple[Step, ...]:
    """Every line of a trace as a step, in order."""
    return tuple(_step(line) for line in trace)


def rules_of(trace: Sequence[Line]) -> tuple[str, ...]:
    """The rules that fired, in words, each once: why a person got it, or why it got no answer."""
    found = [line["rule"] for line in trace if line.get("reason") and line.get("rule")]
    found += [
        line["reason"]
        for line in trace
        if line["stage"] == "triage" and line.get("verdict") != "answer" and line.get("reason")
    ]
    return tuple(dict.fromkeys(found))


def guard_findings_of(trace: Sequence[Line]) -> tuple[str, ...]:
    """What the check of the answer found, in order; nothing when it found nothing or never ran."""
    return tuple(
        line["problem"] for line in trace if line["stage"] == "guard" and line.get("problem")
    )


def failure_words(outcome: str) -> str:
    """Why an attempt at a model came to nothing, as a clause."""
    return _FAILURES.get(outcome, outcome.replace("_", " "))


def _step(line: Line) -> Step:
    stage = str(line["stage"])
    tell = _TELLERS.get(stage)
    trouble = bool(line.get("failed") or line.get("error") or line.get("problem"))
    trouble |= stage == "tool" and line.get("status") != "ok"
    text = tell(line) if tell else stage.replace("_", " ").capitalize()
    return Step(stage, _sentences(text), line.get("seconds"), trouble or stage == "shed")


def _sentences(*parts: str) -> str:
    told = [part.strip() for part in parts if part and part.strip()]
    return " ".join(part if part[-1] in ".!?" else f"{part}." for part in told)


def _load(line: Line) -> str:
    messages, waited = line.get("messages", 0), line.get("waited_seconds") or 0
    return _sentences(
        f"{_some(messages, 'message')} of the contact came together, "
        f"after {_some(line.get('history', 0), 'earlier one')}",
        f"They had waited {waited:.1f} seconds",
        f"It was attempt {line['attempt']}" if line.get("attempt", 1) > 1 else "",
    )


def _hand_back(line: Line) -> str:
    note = f", with the note “{line['note']}”" if line.get("note") else ""
    return f"People had given the conversation back{note}"


def _triage(line: Line) -> str:
    said = [
        f"a {line['category']}" if line.get("category") else "",
        f"in {line['language']}" if line.get("language") else "",
        _mood(line.get("sentiment")),
        f"wanting: {line['intent']}" if line.get("intent") else "",
        "asking for a person" if line.get("wants_person") else "",
    ]
    seen = ", ".join(filter(None, said))
    by = line.get("model") or line.get("by", "the checks")
    signals = [
        f"{item.get('signal')} ({item.get('value')}, by {item.get('source')})"
        for item in line.get("signals") or ()
        if item.get("signal") != "language"
    ]
    return _sentences(
        f"{_VERDICTS.get(str(line.get('verdict')), 'It was looked at')}, say {by}"
        if by == "local checks"
        else f"{_VERDICTS.get(str(line.get('verdict')), 'It was looked at')}, says {by}",
        str(line.get("reason") or ""),
        f"Seen as {seen}" if seen else "",
        f"Signals: {', '.join(signals)}" if signals else "",
        _fallback(line),
    )


def _mood(sentiment: float | None) -> str:
    if sentiment is None:
        return ""
    word = "angry" if sentiment <= -0.5 else "happy" if sentiment >= 0.5 else "calm"
    return f"{word} ({sentiment:+.1f})"


def _prompt(line: Line) -> str:
    sources = line.get("sources") or []
    return _sentences(
        f"The model was asked with the prompt {line.get('prompt', 'that was in use')}",
        f"It was shown {_some(line.get('history', 0), 'earlier message')}"
        + ("" if line.get("is_whole", True) else ", not all of them: there was no room"),
        f"and {_some(line['remembered'], 'fact')} remembered of this conversation"
        if line.get("remembered")
        else "",
        f"Looked up was “{line['looked_up']}”" if line.get("looked_up") else "",
        f"Found in the knowledge: {_titles(sources)}" if sources else "No knowledge fitted",
        f"The search says: {'; '.join(line['why'])}" if line.get("why") else "",
        f"Left out, as it did not fit: {'; '.join(line['omitted'])}" if line.get("omitted") else "",
    )


def _rewrite(line: Line) -> str:
    if line.get("error"):
        return "No model could write the question out, so it was looked up as it was asked"
    return f"The question was written out for the search as “{line.get('question')}”"


def _rerank(line: Line) -> str:
    if line.get("error"):
        return "No model could put what was found into order"
    return f"A model kept of what was found: {'; '.join(line.get('kept') or ()) or 'nothing'}"


def _titles(sources: Sequence[str]) -> str:
    more = len(sources) - _MOST_TITLES
    return "; ".join(sources[:_MOST_TITLES]) + (f"; and {more} more" if more > 0 else "")


def _reply(line: Line) -> str:
    if line.get("error"):
        return _sentences("No model answered", str(line["error"]))
    by = line.get("model", "The model")
    if line.get("tools"):
        return _sentences(f"{by} wanted tools called: {', '.join(line['tools'])}", _fallback(line))
    action = {"reply": "answered", "escalate": "wanted a person to take over", "close": "ended it"}
    sure = f", {line['confidence']:.0%} sure" if line.get("confidence") is not None else ""
    kept = ", from the answers kept of before" if line.get("cache_hit") else ""
    sources = line.get("sources")
    return _sentences(
        f"{by} {action.get(str(line.get('action')), 'answered')}{sure}{kept}",
        str(line.get("reasoning") or ""),
        f"It named as its facts: {'; '.join(sources)}" if sources else "It named no facts",
        _fallback(line),
    )


def _repair(line: Line) -> str:
    return _sentences("The draft could not be sent, so the model was asked once more", _reply(line))


def _fallback(line: Line) -> str:
    failures = [str(item).partition(": ") for item in line.get("failed") or ()]
    told = [f"{model} was tried first: {failure_words(why)}" for model, _, why in failures]
    return _sentences(*told)


def _tool(line: Line) -> str:
    http = f", HTTP {line['http_status']}" if line.get("http_status") else ""
    return f"The tool {line.get('tool')} was called with {line.get('arguments')}: {line.get('status')}{http}"


def _escalate(line: Line) -> str:
    if not line.get("reason"):
        return "No rule asked for a person"
    return _sentences(f"A rule asked for a person ({line['reason']})", str(line.get("rule") or ""))


def _guard(line: Line) -> str:
    if line.get("problem"):
        return f"The check of the answer found: {line['problem']}"
    again = " after the repair" if line.get("repaired") else ""
    return f"The check of the answer found nothing wrong{again}"


def _packet(line: Line) -> str:
    if line.get("error"):
        return "No model could write the packet for people"
    facts = _some(line.get("facts", 0), "fact")
    return f"People got a packet with {facts}, written by {line.get('written_by')}"


def _shed(line: Line) -> str:
    age = line.get("oldest_due_seconds")
    return f"It went without {line.get('left_out')}, as work had piled up ({age} seconds)"


def _budget(line: Line) -> str:
    return _sentences(str(line.get("reason") or ""), f"So it went on with: {line.get('step')}")


def _decide(line: Line) -> str:
    outcome = str(line.get("outcome"))
    return _sentences(_OUTCOMES.get(outcome, outcome), str(line.get("reason") or ""))


def _tools(line: Line) -> str:
    end, steps = str(line.get("end")).replace("_", " "), _some(line.get("steps", 0), "call")
    return f"Work with tools ended ({end}) after {steps}"


def _some(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


_TELLERS: dict[str, Callable[[Line], str]] = {
    "load": _load,
    "hand_back": _hand_back,
    "triage": _triage,
    "prompt": _prompt,
    "rewrite": _rewrite,
    "rerank": _rerank,
    "reply": _reply,
    "repair": _repair,
    "tool": _tool,
    "tools": _tools,
    "escalate": _escalate,
    "guard": _guard,
    "packet": _packet,
    "shed": _shed,
    "budget": _budget,
    "decide": _decide,
}
