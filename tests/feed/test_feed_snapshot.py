"""What the feed tells is all a client needs: events upon a snapshot make the next snapshot."""

from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.desk import Desk, Person
from tests.feed.console import Console

_NUMBERS = ("4915550001", "4915550002")
_QUESTIONS = ("How long does delivery take?", "I want a person", "STOP", "Can I return a lamp?")
_LATER = "2099-01-01T09:00:00Z"
Act = Callable[[Desk, Person, str, dict[str, Any]], Awaitable[object]]


def _put(what: str, body: Any) -> Act:
    return lambda desk, who, number, row: who.http.put(
        f"/api/v1/conversations/{row['id']}/{what}", json=body
    )


def _post(what: str, body: Any = None) -> Act:
    return lambda desk, who, number, row: who.http.post(
        f"/api/v1/conversations/{row['id']}/{what}", json=body
    )


def _delete(what: str) -> Act:
    return lambda desk, who, number, row: who.http.delete(
        f"/api/v1/conversations/{row['id']}/{what}"
    )


def _say(text: str) -> Act:
    return lambda desk, who, number, row: desk.say(text, number=number)


def _presence(presence: str) -> Act:
    return lambda desk, who, number, row: who.http.put(
        "/api/v1/me/availability", json={"presence": presence, "max_conversations": 1}
    )


async def _take_back(desk: Desk, who: Person, number: str, row: dict[str, Any]) -> None:
    (wamid,) = desk.phone(number).say("Oh, I meant").wamids
    await desk.work_until_idle()
    desk.phone(number).revoke(wamid)


async def _read(desk: Desk, who: Person, number: str, row: dict[str, Any]) -> None:
    newest = (await who.get(f"/conversations/{row['id']}/messages", limit=2))["items"][-1]
    path = f"/api/v1/conversations/{row['id']}/read-mark"
    await who.http.put(path, json={"message_id": newest["id"]})


async def _unwrite(desk: Desk, who: Person, number: str, row: dict[str, Any]) -> None:
    for note in (await who.get(f"/conversations/{row['id']}/notes"))[:1]:
        await who.http.delete(f"/api/v1/notes/{note['id']}")


# What is refused where it makes no sense changes nothing, and has nothing to tell.
ACTS: dict[str, Act] = {
    **{f"say {text}": _say(text) for text in _QUESTIONS},
    "change name": lambda desk, who, number, row: desk.say("Hi", number=number, name="Zoë Quick"),
    "take back": _take_back,
    "take over": _post("take-over"),
    "reply": _post("messages", {"text": "It ships today."}),
    "release": _post("release"),
    "close": _post("close", {"reason": "done"}),
    "reopen": _post("reopen"),
    "tag": _put("tags", {"tags": ["vip", "refund"]}),
    "untag": _put("tags", {"tags": []}),
    "urgent": _put("priority", {"priority": "urgent"}),
    "snooze": _put("snooze", {"until": _LATER}),
    "wake": _delete("snooze"),
    "write a note": _post("notes", {"text": "Ask Ben."}),
    "delete a note": _unwrite,
    "draft": _put("draft", {"text": "Let me look"}),
    "discard": _delete("draft"),
    "read": _read,
    "come online": _presence("online"),
    "go away": _presence("away"),
}
_WHERE_BY = st.tuples(st.sampled_from(_NUMBERS), st.sampled_from(("ana", "ben")))


async def _rested(desk: Desk) -> None:
    """As if everybody had paused: a console asks at a person's pace, and this test at none."""
    if keys := await desk.resources.redis.keys(f"limit:{desk.id}:user:*"):
        await desk.resources.redis.delete(*keys)


# One desk for all: each history goes on where the one before it ended.
@settings(max_examples=2, suppress_health_check=list(HealthCheck))
@given(
    names=st.permutations(sorted(ACTS)),
    where_by=st.lists(_WHERE_BY, min_size=len(ACTS), max_size=len(ACTS)),
)
async def test_a_client_that_applies_events_holds_what_a_fresh_snapshot_holds(
    desk: Desk, names: list[str], where_by: list[tuple[str, str]]
) -> None:
    people = {"ana": await desk.ana(), "ben": await desk.ben()}
    if not await desk.sql("SELECT 1 FROM conversation LIMIT 1"):
        for number in _NUMBERS:
            await desk.say("Hello", number=number)
    await _rested(desk)
    clients = [await Console.loaded(person) for person in people.values()]
    history = list(zip(names, where_by, strict=True))
    for name, (number, by) in history:
        await ACTS[name](desk, people[by], number, await desk.conversation(number))
    await desk.work_until_idle()
    for client in clients:
        await client.catch_up()
        await _rested(desk)
        fresh = await Console.loaded(client.person)
        assert client.view() == fresh.view(), history
        assert client.counts() == await client.person.get("/views")
