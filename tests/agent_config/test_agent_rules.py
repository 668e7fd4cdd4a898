from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from frontdesk.agent_config import AgentConfig
from frontdesk.agent_config.notices import AWAY_NOTICE, HANDOFF_NOTICE, QUEUE_NOTICE, WAIT_NOTICE
from frontdesk.agent_config.rules import complaints_about

NOW = datetime(2026, 11, 16, 3, 0, tzinfo=UTC)
NEVER = {"time_zone": "UTC", "week": {}}
MONDAYS = {"time_zone": "UTC", "week": {"monday": [{"start": "09:00", "end": "18:00"}]}}
LANGUAGES = {"en", "es", "pt", "it", "de", "fr", "ar", "hi"}


def config(**changes):
    return AgentConfig(company_name="Lumen & Oak", **changes)


def test_a_new_agent_needs_no_more_than_the_companys_name():
    made = config()
    assert made.languages == ("en",)
    assert (made.temperature, made.max_output_tokens, made.max_reply_characters) == (0.3, 800, 1000)
    assert (made.confidence_threshold, made.sentiment_threshold) == (0.4, -0.6)
    assert (made.auto_close_minutes, made.follow_up_minutes) == (24 * 60, None)
    assert complaints_about(made, enabled=True, now=NOW) == []


def test_both_notices_are_there_in_the_usual_languages():
    assert set(HANDOFF_NOTICE) == set(AWAY_NOTICE) == LANGUAGES
    assert set(QUEUE_NOTICE) == set(WAIT_NOTICE) == LANGUAGES


def test_a_notice_is_in_the_contacts_language_else_the_agents_else_english():
    made = config(languages=["de", "en"], handoff_notice={"es": "Un momento.", "en": "One moment."})
    assert made.notice_in(made.handoff_notice, "es") == "Un momento."
    assert made.notice_in(made.handoff_notice, "fr") == HANDOFF_NOTICE["fr"]
    assert made.notice_in(made.handoff_notice, "ja") == HANDOFF_NOTICE["de"]
    assert made.notice_in(made.away_notice, "ja") == AWAY_NOTICE["de"]
    assert config(languages=["ja"]).notice_in({}, "ko") == HANDOFF_NOTICE["en"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"languages": []},
        {"languages": ["english"]},
        {"languages": ["EN"]},
        {"temperature": 2.1},
        {"temperature": float("nan")},
        {"max_reply_characters": 4_001},
        {"max_output_tokens": 0},
        {"models": []},
        {"models": ["gpt-4o-mini"]},
        {"confidence_threshold": 1.5},
        {"sentiment_threshold": -2},
        {"escalation_keywords": [{"words": [], "reason": "x"}]},
        {"escalation_keywords": [{"words": ["\x00"], "reason": "x"}]},
        {"escalation_rules": [{"when": []}]},
        {"escalation_rules": [{"when": [{"sign": "vip"}]}]},
        {"escalation_rules": [{"when": [{"sign": "out_of_hours"}]}]},
        {"follow_up_minutes": 30},
        {"follow_up_text": "Still there?"},
        {"follow_up_minutes": 24 * 60, "follow_up_text": "Still there?"},
        {"follow_up_minutes": 60, "follow_up_text": "Still there?", "auto_close_minutes": 60},
        {"auto_close_minutes": 0},
        {"handoff_notice": {"en": ""}},
        {"tenant_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"},
        {"instructions": "x" * 8_001},
        {"company_name": "  "},
    ],
)
def test_what_breaks_a_limit_is_refused(wrong):
    with pytest.raises(ValidationError):
        AgentConfig(**{"company_name": "Lumen & Oak", **wrong})


def test_what_postgres_would_refuse_is_taken_out():
    assert config(instructions="a\x00b").instructions == "ab"


def test_words_and_languages_are_kept_once():
    assert config(languages=["en", "es", "en"]).languages == ("en", "es")


@pytest.mark.parametrize(
    ("changes", "code", "stops"),
    [
        ({"answers_enabled": False}, "answers_off", True),
        ({"confidence_threshold": 1}, "confidence_unreachable", True),
        ({"confidence_threshold": 0.85}, "confidence_high", False),
        ({"sentiment_threshold": 0}, "mood_too_strict", True),
        ({"escalation_keywords": [{"words": ["a"], "reason": "x"}]}, "keyword_short", False),
        ({"max_output_tokens": 200, "max_reply_characters": 1_000}, "tokens_few", False),
        ({"business_hours": NEVER}, "never_open", False),
        ({"business_hours": NEVER, "answers_when_closed": False}, "never_open", True),
        ({"business_hours": MONDAYS}, "closed_now", False),
        ({"business_hours": MONDAYS, "answers_when_closed": False}, "closed_now", True),
    ],
)
def test_an_agent_says_in_words_why_it_will_not_answer(changes, code, stops):
    found = complaints_about(config(**changes), enabled=True, now=NOW)
    assert [(complaint.code, complaint.stops_answers) for complaint in found] == [(code, stops)]
    assert found[0].message.endswith(".")


@pytest.mark.parametrize("hours", [NEVER, MONDAYS])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "the agent answers, people are away."),
        (
            {"answers_when_closed": False},
            "the agent does not answer, and all conversations wait for people.",
        ),
        (
            {"answers_when_closed": False, "when_closed": "callback"},
            "the agent does not answer, and contacts are asked for a number to be called at.",
        ),
        (
            {"answers_when_closed": False, "when_closed": "message"},
            "the agent does not answer, and contacts are asked to write again when you are open.",
        ),
    ],
)
def test_outside_its_hours_an_agent_says_what_becomes_of_who_writes(hours, changes, words):
    agent = config(business_hours=hours, **changes)
    (found,) = complaints_about(agent, enabled=True, now=NOW)
    assert found.message.endswith(f": {words}")


def test_a_disabled_agent_answers_nobody():
    found = complaints_about(config(), enabled=False, now=NOW)
    assert [complaint.code for complaint in found] == ["agent_disabled"]
