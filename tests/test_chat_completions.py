"""`/v1` as a stock OpenAI client sees it, a worker behind it."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI
from tests.desk import ORIGIN, Desk

from frontdesk.core.callers import Scope
from frontdesk.gateway.door import Door
from frontdesk.simulator import ModelFault, ModelFaultKind

ASKED: Any = [
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": [{"type": "text", "text": "When are you open?"}]},
]


async def _key(desk: Desk, *scopes: Scope) -> str:
    made = await (await desk.admin()).post("/api-keys", {"name": "Bot", "scopes": list(scopes)})
    key: str = made["key"]
    return key


@pytest.fixture
async def client(desk: Desk, app: FastAPI) -> AsyncIterator[openai.AsyncOpenAI]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with openai.AsyncOpenAI(
        api_key=await _key(desk, Scope.MODELS_USE),
        base_url=f"{ORIGIN}/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport),
    ) as made:
        yield made


async def test_a_stock_client_gets_an_answer_that_is_recorded_and_priced(
    desk: Desk, client: openai.AsyncOpenAI
) -> None:
    answer = await client.chat.completions.create(model="default", messages=ASKED, max_tokens=200)
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    (call,) = await desk.sql(
        "SELECT feature, input_tokens, output_tokens, model_asked, user_id FROM llm_call"
    )
    assert call["feature"] == "api"
    assert (call["input_tokens"], call["output_tokens"]) == (
        answer.usage.prompt_tokens,
        answer.usage.completion_tokens,
    )
    assert call["model_asked"] == answer.model
    assert call["user_id"] == (await desk.admin()).id
    (entry,) = await desk.sql("SELECT feature, amount_usd FROM usage_entry")
    assert entry["feature"] == "api"
    assert entry["amount_usd"] > 0


async def test_a_stream_brings_the_same_answer_and_its_usage_last(
    client: openai.AsyncOpenAI,
) -> None:
    whole = await client.chat.completions.create(model="default", messages=ASKED)
    stream = await client.chat.completions.create(
        model="default", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == whole.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage


async def _asked(client: openai.AsyncOpenAI, stream: bool, **given: Any) -> tuple[str, str | None]:
    """The text of an answer and why it ended, whole or out of a stream."""
    call: Any = {"model": "default", "messages": ASKED, **given}
    if not stream:
        choice = (await client.chat.completions.create(**call)).choices[0]
        return choice.message.content or "", choice.finish_reason
    chunks = [c async for c in await client.chat.completions.create(stream=True, **call)]
    return (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks),
        chunks[-1].choices[0].finish_reason,
    )


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_cut_at_the_limit_is_given_as_it_is_and_paid_once(
    desk: Desk, client: openai.AsyncOpenAI, stream: bool, limit: str
) -> None:
    whole, _ = await _asked(client, stream)
    assert len(whole) > 14
    assert await _asked(client, stream, **{limit: 4}) == (whole[:14], "length")
    (call,) = await desk.sql("SELECT * FROM llm_call WHERE finish_reason = 'length'")
    assert call["outcome"] == "ok"
    assert json.loads(call["parameters"])["max_tokens"] == 4
    assert len(await desk.sql("SELECT 1 FROM usage_entry")) == 2


async def test_what_a_client_says_of_sampling_reaches_the_model_and_nothing_is_added(
    desk: Desk, client: openai.AsyncOpenAI, admin_sql: Any
) -> None:
    whole, _ = await _asked(client, False)
    asked = desk.simulator.model.requests[-1].body
    assert not {"temperature", "top_p", "seed", "stop"} & asked.keys()
    word = whole.split()[1]
    given = {"temperature": 0.3, "top_p": 0.5, "seed": 7, "stop": [word, "###"]}
    assert await _asked(client, False, **given) == (whole.split()[0] + " ", "stop")
    assert given.items() <= desk.simulator.model.requests[-1].body.items()
    # An answer may end before its first word.
    assert await _asked(client, True, stop=whole[0]) == ("", "stop")
    assert len(desk.simulator.model.requests) == 3

    # As recorded they go out again, and the text among them ends with the other texts.
    admin = await desk.admin()
    (call,) = await desk.sql("SELECT id FROM llm_call WHERE parameters ? 'seed'")
    await admin.post(f"/llm-calls/{call['id']}/replay", {}, status=202)
    await desk.work_until_idle()
    assert given.items() <= desk.simulator.model.requests[-1].body.items()
    days = desk.resources.settings.retention.llm_text_days + 1
    await admin_sql.execute(
        "UPDATE llm_call SET created_at = created_at - make_interval(days => $2) "
        "WHERE tenant_id = $1",
        desk.id,
        days,
    )
    await desk.work_until_idle()
    erased = await admin.get(f"/llm-calls/{call['id']}")
    assert erased["parameters"]["seed"] == 7
    assert "stop" not in erased["parameters"]


async def test_a_program_s_call_is_made_again_with_all_it_said_and_taken_as_it_was(
    desk: Desk, client: openai.AsyncOpenAI
) -> None:
    whole, _ = await _asked(client, False)
    assert await _asked(client, False, stop=whole[0]) == ("", "stop")
    ended = await _replayed(desk, await _last_call(desk))
    assert (ended["state"], ended["after"]["response"]) == ("done", "")
    # One that was made again is a program's still.
    again = await _replayed(desk, ended["after"]["id"])
    assert (again["state"], again["diff"]) == ("done", "")

    desk.simulator.model.reply = " " * 40
    assert await _asked(client, False, max_tokens=2) == ("", "length")
    cut = await _replayed(desk, await _last_call(desk))
    assert (cut["state"], cut["after"]["response"]) == ("done", "")

    desk.simulator.model.reply = None
    await _asked(client, False, temperature=0.3)
    # A model that knows no temperature: to leave it out would be another call.
    other = await _replayed(desk, await _last_call(desk), model="openai/gpt-5-mini")
    assert other["state"] == "failed"
    assert "temperature" in other["last_error"]


async def _last_call(desk: Desk) -> Any:
    (call,) = await desk.sql("SELECT id FROM llm_call ORDER BY id DESC LIMIT 1")
    return call["id"]


async def _replayed(desk: Desk, call_id: Any, **wish: Any) -> Any:
    admin = await desk.admin()
    queued = await admin.post(f"/llm-calls/{call_id}/replay", wish, status=202)
    await desk.work_until_idle()
    return await admin.get(f"/llm-replays/{queued['id']}")


async def test_models_are_listed_and_can_be_asked_for_by_name(client: openai.AsyncOpenAI) -> None:
    names = [model.id async for model in client.models.list()]
    assert names == ["default", "groq/openai/gpt-oss-20b", "openai/gpt-4o-mini"]
    answer = await client.chat.completions.create(model=names[2], messages=ASKED)
    assert answer.model == names[2]
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="gpt-17", messages=ASKED)
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, None),
        ({"n": 2}, "n"),
        ({"temperature": 3}, "temperature"),
        ({"extra_body": {"tools": []}}, "tools"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": "\x00"}, "stop.0"),
        ({"top_p": 1.5}, "top_p"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True}, "logprobs"),
    ],
)
async def test_what_can_not_be_asked_is_a_400_that_names_the_field(
    client: openai.AsyncOpenAI, change: dict[str, Any], param: str | None
) -> None:
    call: dict[str, Any] = {"model": "default", "messages": ASKED, **change}
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**call)
    assert refused.value.code == "invalid_request"
    assert param is None or refused.value.param == param


async def test_missing_messages_are_a_400_and_no_call(desk: Desk, app: FastAPI) -> None:
    key = await _key(desk, Scope.MODELS_USE)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        answer = await http.post(
            "/v1/chat/completions", json={}, headers={"Authorization": f"Bearer {key}"}
        )
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["code"], problem["error"]["param"]) == ("invalid_request", "messages")
    assert await desk.sql("SELECT 1 FROM llm_call") == []


async def test_a_key_without_the_scope_and_nobody_at_all_are_told_so(
    desk: Desk, client: openai.AsyncOpenAI
) -> None:
    other = await _key(desk, Scope.USAGE_READ)
    with pytest.raises(openai.PermissionDeniedError):
        await client.with_options(api_key=other).chat.completions.create(
            model="default", messages=ASKED
        )
    with pytest.raises(openai.AuthenticationError):
        await client.with_options(api_key="fd_live_wrong").models.list()


async def test_when_no_model_answers_the_client_hears_so_in_words_and_when_to_come_back(
    desk: Desk, client: openai.AsyncOpenAI
) -> None:
    desk.simulator.model.faults.share(ModelFault(ModelFaultKind.STATUS, http_status=503), 1.0)
    try:
        with pytest.raises(openai.InternalServerError) as down:
            await client.chat.completions.create(model="default", messages=ASKED)
        assert down.value.status_code == 503
        assert down.value.code == "models_unavailable"
        assert int(down.value.response.headers["retry-after"]) > 0
        stream = await client.chat.completions.create(model="default", messages=ASKED, stream=True)
        with pytest.raises(openai.APIError, match="No model"):
            [chunk async for chunk in stream]
    finally:
        desk.simulator.model.faults.clear()


async def test_the_same_idempotency_key_is_one_call_and_its_texts_are_gone_in_minutes(
    desk: Desk, client: openai.AsyncOpenAI
) -> None:
    once: Any = {"model": "default", "messages": ASKED, "extra_headers": {"Idempotency-Key": "k1"}}
    first = await client.chat.completions.create(**once)
    again = await client.chat.completions.create(**once)
    assert again == first
    assert len(await desk.sql("SELECT 1 FROM llm_call")) == 1
    with pytest.raises(openai.ConflictError):
        await client.chat.completions.create(**once | {"temperature": 1})
    await desk.sql("UPDATE chat_request SET due_at = now() RETURNING id")
    await desk.work_until_idle()
    assert await desk.sql("SELECT 1 FROM chat_request") == []


class Leaver:
    """A program that streams a completion and goes away when it has seen so many messages of it."""

    def __init__(self, app: FastAPI, key: str, leaves_after: int) -> None:
        self._app, self._leaves_after, self._left = app, leaves_after, asyncio.Event()
        self._body: bytes | None = json.dumps(
            {"model": "default", "messages": ASKED, "stream": True}
        ).encode()
        self._headers = [
            (b"authorization", f"Bearer {key}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(self._body)).encode()),
        ]
        self.seen = 0

    async def ask(self) -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1", "method": "POST", "scheme": "http",
            "path": "/v1/chat/completions", "raw_path": b"/v1/chat/completions",
            "query_string": b"", "root_path": "", "headers": self._headers,
            "client": ("127.0.0.1", 1), "server": ("testserver", 80), "state": {},
        }  # fmt: skip
        if self._leaves_after == 0:
            self._left.set()
        await self._app(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.seen += 1
        if self.seen >= self._leaves_after:
            self._left.set()
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(3))
async def test_each_billed_answer_is_counted_to_the_token_whenever_its_client_goes_away(
    desk: Desk, app: FastAPI, seed: int
) -> None:
    key, dice, model = await _key(desk, Scope.MODELS_USE), random.Random(seed), desk.simulator.model
    faults = (
        None, None, ModelFault(ModelFaultKind.STATUS), ModelFault(ModelFaultKind.NULL_CONTENT),
        ModelFault(ModelFaultKind.DROP),
    )  # fmt: skip
    model.faults.sequence([dice.choice(faults) for _ in range(10)])
    # At once, when the answer begins, amid its pieces, or never.
    programs = [Leaver(app, key, dice.choice((0, 1, 2, 4, 1_000))) for _ in range(12)]
    await asyncio.gather(*(program.ask() for program in programs))
    await desk.work_until_idle()
    await desk.resources.keep(Door).call_log.drain()
    assert any(program.seen < 4 for program in programs)
    entries = await desk.sql("SELECT input_tokens, output_tokens FROM usage_entry")
    assert len(model.billed) >= len(programs)
    assert Counter(tuple(entry) for entry in entries) == Counter(
        (answer.input_tokens, answer.output_tokens) for answer in model.billed
    )
