"""Promises in a message of the business, read off its words."""

import re
from datetime import date, timedelta

from frontdesk.simulator.facts import split_sentences
from frontdesk.simulator.packet import is_promise, shorten
from frontdesk.simulator.world import Json

_MESSAGE = re.compile(r"<message>\s*(.*?)\s*</message>", re.DOTALL)
# Days are reckoned from it, as the script knows no clock.
_SAID_ON = re.compile(r"sent on \w+, (\d{4}-\d\d-\d\d)")
_CLOCK = re.compile(r"\b(\d{1,2}):(\d\d)\b")
_DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_AHEAD = {"today": 0, "tomorrow": 1, "heute": 0, "morgen": 1, "hoy": 0, "mañana": 1}
_POLITE = re.compile(
    r"\b(?:happy|glad|pleased) to\b|\bask a colleague\b|\bbring in\b", re.IGNORECASE
)


def found_promises(content: str, system: str) -> Json:
    """The sentences that promise something, with the day they name."""
    block, said_on = _MESSAGE.search(content), _SAID_ON.search(system)
    today = date.fromisoformat(said_on.group(1)) if said_on else date(2026, 1, 1)
    sentences = split_sentences(block.group(1) if block else content)
    return {
        "promises": [
            {"text": shorten(each), "due_date": _day(each, today), "due_time": _time(each)}
            for each in sentences
            if is_promise(each) and "?" not in each and not _POLITE.search(each)
        ]
    }


def _day(sentence: str, today: date) -> str | None:
    for word in re.findall(r"\w+", sentence.lower()):
        if word in _AHEAD:
            return (today + timedelta(days=_AHEAD[word])).isoformat()
        if word in _DAYS:
            days = (_DAYS.index(word) - today.weekday()) % 7 or 7
            return (today + timedelta(days=days)).isoformat()
    return None


def _time(sentence: str) -> str | None:
    found = _CLOCK.search(sentence)
    return f"{int(found.group(1)):02}:{found.group(2)}" if found else None
