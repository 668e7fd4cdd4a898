"""A turn's trace, line by line, in words that people understand."""

import pytest

from frontdesk.pipeline.sentences import (
    failure_words,
    guard_findings_of,
    rules_of,
    steps_of,
)


def told(**line: object) -> str:
    [step] = steps_of([line])
    return step.text


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (
            {"stage": "load", "messages": 2, "history": 1, "waited_seconds": 1.25, "attempt": 1},
            "2 messages of the contact came together, after 1 earlier one. They had waited 1.2 seconds.",
        ),
        (
            {"stage": "load", "messages": 1, "history": 0, "waited_seconds": 0, "attempt": 3},
            "1 message of the contact came together, after no earlier ones. They had waited 0.0 seconds. "
            "It was attempt 3.",
        ),
        (
            {"stage": "triage", "verdict": "ignore", "by": "local checks", "reason": "It is spam."},
            "It needs no answer, say local checks. It is spam.",
        ),
        (
            {
                "stage": "triage",
                "verdict": "person",
                "by": "model",
                "model": "groq/m",
                "category": "complaint",
                "language": "de",
                "sentiment": -0.8,
                "wants_person": True,
                "failed": ["openai/x: timeout"],
            },
            "A person should have it, says groq/m. Seen as a complaint, in de, angry (-0.8), asking for a "
            "person. openai/x was tried first: it took too long.",
        ),
        (
            {
                "stage": "prompt",
                "prompt": "reply 1.2.0",
                "history": 3,
                "is_whole": False,
                "sources": ["Shipping", "Returns"],
                "omitted": ["Terms"],
            },
            "The model was asked with the prompt reply 1.2.0. It was shown 3 earlier messages, not all of "
            "them: there was no room. Found in the knowledge: Shipping; Returns. Left out, as it did not "
            "fit: Terms.",
        ),
        (
            {
                "stage": "reply",
                "model": "groq/m",
                "action": "reply",
                "confidence": 0.9,
                "reasoning": "The facts say so.",
                "sources": ["Shipping"],
            },
            "groq/m answered, 90% sure. The facts say so. It named as its facts: Shipping.",
        ),
        (
            {"stage": "reply", "error": "No model answered before the deadline."},
            "No model answered. No model answered before the deadline.",
        ),
        (
            {"stage": "tool", "tool": "find_order", "arguments": "{}", "status": "timed_out"},
            "The tool find_order was called with {}: timed_out.",
        ),
        ({"stage": "escalate", "reason": None}, "No rule asked for a person."),
        (
            {"stage": "escalate", "reason": "money", "rule": "It is about money."},
            "A rule asked for a person (money). It is about money.",
        ),
        (
            {"stage": "guard", "problem": "it is in another language"},
            "The check of the answer found: it is in another language.",
        ),
        (
            {"stage": "guard", "problem": None, "repaired": True},
            "The check of the answer found nothing wrong after the repair.",
        ),
        ({"stage": "something_new", "seconds": 1}, "Something new."),
    ],
)
def test_a_line_is_told_in_plain_words(line: dict[str, object], text: str):
    assert told(**line) == text


@pytest.mark.parametrize(
    ("line", "is_trouble"),
    [
        ({"stage": "guard", "problem": "it is empty"}, True),
        ({"stage": "guard", "problem": None}, False),
        ({"stage": "reply", "failed": ["a/b: timeout"]}, True),
        ({"stage": "reply", "failed": []}, False),
        ({"stage": "tool", "status": "failed"}, True),
        ({"stage": "tool", "status": "ok"}, False),
        ({"stage": "shed", "left_out": "typing"}, True),
    ],
)
def test_trouble_is_marked(line: dict[str, object], is_trouble: bool):
    [step] = steps_of([line])
    assert step.is_trouble is is_trouble


def test_each_rule_that_fired_is_told_once_and_silence_has_its_reason():
    trace = [
        {"stage": "triage", "verdict": "person", "reason": "It is about money."},
        {"stage": "escalate", "reason": None, "rule": "No rule fired."},
        {"stage": "escalate", "reason": "money", "rule": "It is about money."},
        {"stage": "packet", "reason": "money", "rule": "It is about money."},
    ]
    assert rules_of(trace) == ("It is about money.",)


def test_all_that_the_check_found_is_told_in_order():
    trace = [{"stage": "guard", "problem": "too long"}, {"stage": "guard", "problem": None}]
    assert guard_findings_of(trace) == ("too long",)


def test_an_error_that_is_not_known_is_told_as_it_is():
    assert failure_words("out_of_coffee") == "out of coffee"
