"""Bodies nobody should send, at the webhook and at the API: a clear answer, and nobody else hurt."""

import asyncio
import copy
import json
import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import httpx
import pytest
from tests.conftest import APP_SECRET
from tests.desk import ORIGIN, Desk, Person
from tests.feed.live import serving

from frontdesk.messaging import signature

WEBHOOK = "/webhooks/whatsapp"
MEBIBYTE = 1024 * 1024


def _signed(body: bytes) -> dict[str, str]:
    return {"x-hub-signature-256": signature(body, APP_SECRET.encode())}


async def _post(desk: Desk, *payloads: Any) -> list[int]:
    """Post these bodies side by side; their answer codes."""
    bodies = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in payloads]
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=desk.app), base_url=ORIGIN
    ) as client:
        answers = await asyncio.gather(
            *(client.post(WEBHOOK, content=body, headers=_signed(body)) for body in bodies)
        )
    return [answer.status_code for answer in answers]


def _change(desk: Desk, **value: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550001111", "phone_number_id": desk.phone_number_id}
    whole = {"messaging_product": "whatsapp", "metadata": metadata, **value}
    return {"id": desk.waba_id, "changes": [{"field": "messages", "value": whole}]}


def _body(*entries: Any) -> dict[str, Any]:
    return {"object": "whatsapp_business_account", "entry": list(entries)}


def _text(desk: Desk, wamid: str, number: str, text: str, age_seconds: int = 0) -> dict[str, Any]:
    """A message as it stands in `messages`; the phone knows of it, so that it can be answered."""
    at = int(desk.simulator.world.now()) - age_seconds
    message = {
        "from": number,
        "id": f"wamid.{desk.phone_number_id}.{wamid}",
        "timestamp": str(at),
        "type": "text",
        "text": {"body": text},
    }
    desk.simulator.whatsapp.notice(_body(_change(desk, messages=[message])))
    return message


async def _second(desk: Desk) -> Desk:
    return await Desk.make(desk.app, desk.resources, desk.dispatcher, desk.simulator)


async def test_the_same_body_ten_times_at_once_is_one_message(desk: Desk) -> None:
    message = _text(desk, "ten", "4915550001", "How long does delivery take?")
    body = _body(_change(desk, messages=[message]))
    assert await _post(desk, *[body] * 10) == [200] * 10
    await desk.work_until_idle()
    assert len(await desk.sql("SELECT 1 FROM message WHERE direction = 'in'")) == 1
    assert len(desk.phone().replies) == 1


async def test_a_message_known_by_its_id_is_not_told_again_by_another_body(desk: Desk) -> None:
    message = _text(desk, "one", "4915550001", "How long does delivery take?")
    other = {**message, "text": {"body": "Can I return a lamp?"}}
    grown = {**message, "context": {"forwarded": True}, "future": [1]}
    bodies = [_body(_change(desk, messages=[m])) for m in (message, other, grown)]
    together = _body(*(_change(desk, messages=[m]) for m in (message, other)))
    assert await _post(desk, *bodies, together) == [200] * 4
    await desk.work_until_idle()
    assert await _post(desk, bodies[1]) == [200]
    await desk.work_until_idle()
    assert len(await desk.sql("SELECT 1 FROM message WHERE direction = 'in'")) == 1
    assert len(desk.phone().replies) == 1


async def test_two_messages_of_a_new_contact_at_once_open_one_conversation(desk: Desk) -> None:
    numbers = [f"49155530{place:02}" for place in range(8)]
    bodies = [
        _body(_change(desk, messages=[_text(desk, f"{number}-{text}", number, text)]))
        for number in numbers
        for text in ("How long does delivery take?", "Can I return a lamp?")
    ]
    assert set(await _post(desk, *bodies)) == {200}
    await desk.work_until_idle()
    assert len(await desk.sql("SELECT 1 FROM contact")) == len(numbers)
    rows = await desk.sql("SELECT inbound_seq FROM conversation")
    assert [row["inbound_seq"] for row in rows] == [2] * len(numbers)
    assert all(desk.phone(number).replies for number in numbers)


async def test_a_thousand_updates_of_three_tenants_in_one_body_reach_each_its_own(
    desk: Desk,
) -> None:
    desks = [desk, await _second(desk), await _second(desk)]
    entries: list[Any] = []
    for place in range(997):
        owner = desks[place % 3]
        # Three days old: stored and shown, and not answered.
        message = _text(owner, f"old-{place}", f"4915554{place:04}", f"Note {place}", 3 * 86_400)
        entries.append(_change(owner, messages=[message]))
    for one in desks:
        question = _text(one, "now", "4915550001", "How long does delivery take?")
        entries.append(_change(one, messages=[question]))
    entries[500]["changes"][0]["value"] = "poison"
    assert await _post(desk, _body(*entries)) == [200]
    await desk.work_until_idle()
    counts = [len(await d.sql("SELECT 1 FROM message WHERE direction = 'in'")) for d in desks]
    assert counts == [334, 333, 332], "all but the one nobody can read"
    for owner, one in enumerate(desks):
        texts = await one.sql("SELECT text FROM message WHERE ignored_reason = 'stale'")
        assert {int(row["text"].removeprefix("Note ")) % 3 for row in texts} == {owner}
        assert len(one.phone().replies) == 1
    for one in desks[1:]:
        await one.aclose()


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="an entry list that is empty"),
        pytest.param([{}], id="an empty entry"),
        pytest.param([{"id": "1", "changes": []}], id="no change"),
        pytest.param([{"changes": [{"field": "messages", "value": {}}]}], id="an empty value"),
        pytest.param([{"changes": [{"field": "from_the_future", "value": {"x": 1}}]}], id="field"),
    ],
)
async def test_a_body_with_nothing_for_us_is_acknowledged_and_done(
    desk: Desk, admin_sql: Any, entries: list[Any]
) -> None:
    body = json.dumps({**_body(*entries), "for": str(desk.id)}).encode()
    assert await _post(desk, body) == [200]
    await desk.work_until_idle()
    state = await admin_sql.fetchval("SELECT state FROM webhook_event WHERE body = $1", body)
    assert state == "done"


async def test_a_message_of_a_type_nobody_knows_yet_is_kept_and_shown(desk: Desk) -> None:
    message = _text(desk, "new", "4915550001", "")
    hologram = {**message, "type": "hologram", "hologram": {"id": "7", "depth": 3}}
    assert await _post(desk, _body(_change(desk, messages=[hologram]))) == [200]
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT type FROM message WHERE direction = 'in'")
    assert row["type"]


@pytest.mark.parametrize(
    "nasty", [pytest.param("\x00", id="a NUL"), pytest.param("\ud83d", id="a lone surrogate")]
)
async def test_what_postgres_can_not_keep_is_left_out_of_a_text_that_is_answered(
    desk: Desk, nasty: str
) -> None:
    message = _text(desk, "nasty", "4915550001", f"How long does{nasty} delivery take?")
    assert await _post(desk, _body(_change(desk, messages=[message]))) == [200]
    await desk.work_until_idle()
    (row,) = await desk.sql("SELECT text FROM message WHERE direction = 'in'")
    assert nasty not in row["text"]
    assert row["text"].endswith("delivery take?")
    assert len(desk.phone().replies) == 1


NASTY: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**40,
    1e308,
    "",
    "\x00",
    "\ud83d",
    "x" * 5_000,
    "99999999999999999999",
    [],
    {},
    [[[[]]]],
    {"\x00": {"\ud83d": "\x00"}},
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything inside a JSON value."""
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, part in items:
        yield (*path, key)
        yield from _places(part, (*path, key))


def _with(value: Any, path: tuple[Any, ...], nasty: Any) -> Any:
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = nasty
    return changed


async def test_nonsense_at_any_place_of_a_body_costs_nobody_else_a_message(
    desk: Desk, admin_sql: Any
) -> None:
    message = _text(desk, "base", "4915550099", "Can I return a lamp?")
    contact = {"profile": {"name": "Zoë", "username": "@zoe"}, "wa_id": "4915550099"}
    status = {
        "id": "wamid.nobody",
        "status": "delivered",
        "timestamp": message["timestamp"],
        "recipient_id": "4915550099",
        "biz_opaque_callback_data": f"{desk.id}.1",
        "pricing": {"billable": True, "category": "service", "type": "regular"},
        "errors": [{"code": 131000, "title": "x", "error_data": {"details": "y"}}],
    }
    whole = _body(_change(desk, contacts=[contact], messages=[message], statuses=[status]))
    first = await admin_sql.fetchval("SELECT coalesce(max(id), 0) FROM webhook_event")
    bodies = [_with(whole, path, nasty) for path in _places(whole) for nasty in NASTY]
    good = _text(desk, "good", "4915550001", "How long does delivery take?")
    bodies.insert(len(bodies) // 2, _body(_change(desk, messages=[good])))
    assert set(await _post(desk, *bodies)) == {200}
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 1
    rows = await admin_sql.fetch(
        "SELECT state, last_error FROM webhook_event WHERE id > $1 AND state <> 'done' "
        "AND waits = 0",
        first,
    )
    assert {row["last_error"] for row in rows} <= {"unreadable: without entry"}, rows


async def _half(port: int, head: str, part: bytes) -> bytes:
    """Begin a request, send a part of its body and go away; what came back until then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + part)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_half_a_body_is_no_webhook_and_costs_the_server_nothing(
    desk: Desk, admin_sql: Any
) -> None:
    body = json.dumps(_body(), indent=3).encode()
    head = f"x-hub-signature-256: {_signed(body)['x-hub-signature-256']}\r\n"
    before = await admin_sql.fetchval("SELECT count(*) FROM webhook_event")
    failures = desk.resources.metrics.requests.labels("POST", WEBHOOK, "500")
    failed = failures._value.get()
    async with serving(desk.app) as url:
        port = int(url.rpartition(":")[2])
        answers = [
            await _half(port, f"{head}Content-Length: {len(body) + 9}", body),
            await _half(port, f"{head}Content-Length: {len(body)}", body[:-1]),
            await _half(port, f"{head}Transfer-Encoding: chunked", b"400\r\n" + body),
            await _half(port, f"{head}Transfer-Encoding: chunked", b"zz\r\n" + body),
        ]
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/livez")).status_code == 200
    assert not any(re.match(rb"HTTP/1.1 (200|5\d\d)", answer) for answer in answers), answers
    assert failures._value.get() == failed, "who goes away is no failure of ours"
    assert await admin_sql.fetchval("SELECT count(*) FROM webhook_event") == before


@pytest.mark.parametrize("declared", [True, False])
async def test_two_hundred_megabytes_are_refused_while_they_are_sent(
    desk: Desk, declared: bool
) -> None:
    size, piece = 200 * MEBIBYTE, b"x" * (MEBIBYTE // 4)
    framing = f"Content-Length: {size}" if declared else "Transfer-Encoding: chunked"
    sent = 0
    async with serving(desk.app) as url:
        port = int(url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST {WEBHOOK} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        answering = asyncio.create_task(reader.readuntil(b"\r\n"))
        while not answering.done() and sent < size:
            writer.write(piece if declared else b"%x\r\n%b\r\n" % (len(piece), piece))
            sent += len(piece)
            await writer.drain()
        assert (await answering).split()[1] == b"413"
        writer.transport.abort()
    # The limit, and what sockets and buffers hold.
    assert sent <= desk.resources.settings.limits.webhook_body_bytes + 16 * MEBIBYTE


# The API

RAW = (
    b"",
    b"\x00",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"NaN",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": "\xff\xfe"}',
    b'{"\\ud83d": 1}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"9" * 5_000,
    b'{"a": ' + b"9" * 5_000 + b"}",
)


async def _operations(desk: Desk) -> dict[str, Any]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=desk.app), base_url=ORIGIN
    ) as client:
        schema: dict[str, Any] = (await client.get("/openapi.json")).json()
    return schema


async def _ids(desk: Desk) -> dict[str, str]:
    """Ids of things there are, by the name of the parameter."""
    await desk.say("How long does delivery take?")
    (turn,) = await desk.sql("SELECT id FROM turn")
    (message,) = await desk.sql("SELECT id FROM message WHERE direction = 'out'")
    return {
        "conversation_id": (await desk.conversation())["id"],
        "agent_id": str(desk.agent_id),
        "channel_id": str(desk.channel_id),
        "user_id": str(desk.people[1].id),
        "turn_id": str(turn["id"]),
        "message_id": str(message["id"]),
    }


def _path(path: str, ids: dict[str, str]) -> str:
    nobody = "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"
    return re.sub(r"\{([^}]*)\}", lambda name: ids.get(name[1], nobody), path)


async def _refused(person: Person, method: str, path: str, **request: Any) -> None:
    """Send it; the answer is a problem of the client's making, or plainly fine."""
    answer = await person.http.request(method, path, **request)
    told = f"{method} {path} {str(request)[:300]}: {answer.status_code} {answer.text[:500]}"
    assert answer.status_code < 500, told
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json", told
        assert answer.json()["request_id"], told


async def test_no_body_makes_any_route_of_the_api_fail(desk: Desk) -> None:
    admin, ids = await desk.admin(), await _ids(desk)
    schema, shares = await _operations(desk), cycle(range(_SHARES))
    headers = {"Content-Type": "application/json", "If-Match": "*"}
    for path, operations in schema["paths"].items():
        for method in operations.keys() & {"post", "put", "patch", "delete"}:
            if not path.startswith("/api/") or path.endswith("/sign-out"):
                continue
            await desk.resources.redis.flushdb()  # The rate limit is not what this is about.
            # All of them where text comes from people; elsewhere it is the same reader.
            for raw in RAW if path.endswith("/messages") else RAW[::4]:
                await _refused(admin, method, _path(path, ids), content=raw, headers=headers)
            body = operations[method].get("requestBody")
            for value in _nonsense(schema, body, shares) if body else ():
                raw = json.dumps(value).encode()
                await _refused(admin, method, _path(path, ids), content=raw, headers=headers)
    await admin.get("/me")


# Each field gets one of so many parts of the nonsense; over all routes every kind of it comes often.
_SHARES = 3


def _nonsense(schema: dict[str, Any], body: Any, shares: Iterator[int]) -> Iterator[Any]:
    """For each field the route declares: the fields it has, and nonsense in this one."""
    if "application/json" not in body["content"]:
        return  # A file, of which nothing is read but what its first bytes say.
    shape = body["content"]["application/json"]["schema"]
    shape = schema["components"]["schemas"].get(shape.get("$ref", "").rpartition("/")[2], shape)
    fields = shape.get("properties", {})
    usual = {name: field.get("examples", ["x"])[0] for name, field in fields.items()}
    for name in fields:
        for nasty in NASTY[next(shares) :: _SHARES]:
            yield {**usual, name: nasty}


async def test_no_query_makes_any_route_of_the_api_fail(desk: Desk) -> None:
    admin, ids = await desk.admin(), await _ids(desk)
    schema, shares = await _operations(desk), cycle(range(_SHARES))
    nasties = ("", "%00", "%ff%fe", "%ed%a0%bd", "9" * 400, "-1", "1e400", "NaN", "%27;--", "[]")
    for path, operations in schema["paths"].items():
        if not path.startswith("/api/") or "get" not in operations or path == "/api/v1/feed":
            continue
        await desk.resources.redis.flushdb()
        names = [p["name"] for p in operations["get"].get("parameters", []) if p["in"] == "query"]
        for name in names:
            for nasty in nasties[next(shares) :: _SHARES]:
                await _refused(admin, "GET", f"{_path(path, ids)}?{name}={nasty}")
        for nasty in nasties[1:] if "{" in path else ():
            await _refused(admin, "GET", re.sub(r"\{[^}]*\}", nasty, path))


def _is_needed(parameter: dict[str, Any]) -> bool:
    return parameter["in"] == "query" and parameter.get("required", False)


async def test_five_megabytes_and_other_types_are_refused_by_every_route(desk: Desk) -> None:
    admin = await desk.admin()
    large = b'{"text": "' + b"x" * 5 * MEBIBYTE + b'"}'
    schema, ids = await _operations(desk), await _ids(desk)
    for path, operations in schema["paths"].items():
        for method in operations.keys() & {"post", "put", "patch"}:
            if not path.startswith("/api/"):
                continue
            needed = [p["name"] for p in operations[method].get("parameters", []) if _is_needed(p)]
            place = f"{_path(path, ids)}?{'&'.join(f'{name}={ids[name]}' for name in needed)}"
            await desk.resources.redis.flushdb()
            json_type = {"Content-Type": "application/json"}
            if not path.endswith("/files"):  # Those take more, and no JSON at all.
                answer = await admin.http.request(method, place, content=large, headers=json_type)
                assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
            for other in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
                answer = await admin.http.request(
                    method, place, content=b"{}", headers={"Content-Type": other}
                )
                assert answer.status_code == 415, (path, other)
