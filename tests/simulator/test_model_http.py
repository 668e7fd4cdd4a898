"""The model over HTTP: as OpenAI, as Groq, through LiteLLM, and with everything going wrong."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.desk import eventually

from frontdesk.simulator import ModelFault, ModelFaultKind, Simulator

from .test_model import SCHEMAS, SYSTEM

Json = dict[str, Any]
PATHS = ("/openai/v1/chat/completions", "/groq/openai/v1/chat/completions")


@pytest.fixture
async def models(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    """A client with an API key."""
    limits = httpx.Limits(max_connections=1200)
    async with httpx.AsyncClient(
        base_url=simulator.url, headers={"Authorization": "Bearer k"}, timeout=20, limits=limits
    ) as client:
        yield client


def request_for(text: str, name: str | None = "reply", **more: Any) -> Json:
    body: Json = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": text},
        ],
        **more,
    }
    if name:
        wanted = {"name": name, "schema": SCHEMAS[name], "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": wanted}
    return body


async def complete(models: httpx.AsyncClient, *args: Any, path: str = PATHS[0], **more: Any) -> Any:
    return await models.post(path, json=request_for(*args, **more))


def content(response: httpx.Response) -> Json:
    value: Json = json.loads(response.json()["choices"][0]["message"]["content"])
    return value


@pytest.mark.parametrize("path", PATHS)
async def test_a_completion_is_honest_about_being_scripted(
    models: httpx.AsyncClient, path: str
) -> None:
    response = await complete(models, "When are you open?", path=path)
    whole = response.json()
    assert whole["model"] == "gpt-4o-mini"
    assert whole["system_fingerprint"] == "scripted"
    assert whole["service_tier"] == "on_demand"
    usage = whole["usage"]
    assert usage["prompt_tokens"] > 100
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert "Monday to Friday" in content(response)["text"]
    again = content(await complete(models, "When are you open?", path=path))
    assert again == content(response)


async def test_prepared_answers_come_first(simulator: Simulator, models: httpx.AsyncClient) -> None:
    model = simulator.model
    model.replies.extend(["It ships on Monday.", {"confidence": 0.1, "action": "escalate"}])
    model.on("ELEPHANT", "We have two.", times=1)
    model.next("triage", {"sentiment": -1.0})
    first = content(await complete(models, "When?"))
    assert (first["text"], first["confidence"]) == ("It ships on Monday.", 0.95)
    assert content(await complete(models, "When are you open?"))["action"] == "escalate"
    assert content(await complete(models, "An elephant?"))["text"] == "We have two."
    assert content(await complete(models, "An elephant?"))["confidence"] == 0.2
    assert content(await complete(models, "Hi", "triage"))["sentiment"] == -1.0
    assert content(await complete(models, "Hi", "triage"))["sentiment"] == 0.2
    model.reply = "Always this."
    assert content(await complete(models, "Hi"))["text"] == "Always this."
    plain = await complete(models, "Hi", None)
    assert plain.json()["choices"][0]["message"]["content"] == "Always this."
    assert [r.messages[-1]["content"] for r in model.asked("triage")] == ["Hi", "Hi"]
    simulator.configure(record_model_requests=False)
    await complete(models, "Hi")
    assert (model.calls, len(model.requests)) == (9, 8)


async def test_scripted_tool_calls(simulator: Simulator, models: httpx.AsyncClient) -> None:
    call = {"name": "order_status", "arguments": {"order": 7}}
    simulator.model.replies.append({"tool_calls": [call]})
    choice = (await complete(models, "Where is it?")).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    function = choice["message"]["tool_calls"][0]["function"]
    assert (function["name"], json.loads(function["arguments"])) == ("order_status", {"order": 7})


async def test_a_forced_tool_is_answered_by_that_tool(models: httpx.AsyncClient) -> None:
    tool = {
        "type": "function",
        "function": {"name": "json_tool_call", "parameters": SCHEMAS["reply"]},
    }
    response = await complete(models, "When are you open?", None, tools=[tool])
    call = response.json()["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "json_tool_call"
    assert "Monday" in json.loads(call["arguments"])["text"]


async def test_streaming_gives_the_same_text(models: httpx.AsyncClient) -> None:
    whole = (await complete(models, "When are you open?", None)).json()
    response = await complete(
        models, "When are you open?", None, stream=True, stream_options={"include_usage": True}
    )
    lines = [line[6:] for line in response.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"] == whole["usage"]


async def test_bad_requests_and_keys(simulator: Simulator) -> None:
    async with httpx.AsyncClient(base_url=simulator.url) as client:
        assert (await client.post(PATHS[0], json=request_for("Hi"))).status_code == 401
        headers = {"Authorization": "Bearer k"}
        answer = await client.post(PATHS[1], content=b"{", headers=headers)
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_faults_hit_one_provider_or_one_kind_of_call(
    simulator: Simulator, models: httpx.AsyncClient
) -> None:
    faults = simulator.model.faults
    faults.next(ModelFault(ModelFaultKind.STATUS, 429, retry_after_seconds=2.5), only="groq")
    faults.share(ModelFault(ModelFaultKind.STATUS, 503), 1.0, only="triage")
    assert (await complete(models, "Hi")).status_code == 200
    limited = await complete(models, "Hi", path=PATHS[1])
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2.5")
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"
    assert (await complete(models, "Hi", path=PATHS[1])).status_code == 200
    assert (await complete(models, "Hi", "triage")).status_code == 503
    assert faults.taken == {"status": 2}


async def test_answers_that_are_no_answers(simulator: Simulator, models: httpx.AsyncClient) -> None:
    async def with_fault(kind: ModelFaultKind, **more: Any) -> httpx.Response:
        simulator.model.faults.next(ModelFault(kind, **more))
        response: httpx.Response = await complete(models, "When are you open?")
        return response

    def message(response: httpx.Response) -> Any:
        return response.json()["choices"][0]["message"]["content"]

    assert (await with_fault(ModelFaultKind.STATUS)).status_code == 500
    html = await with_fault(ModelFaultKind.HTML)
    assert (html.status_code, html.text[:6]) == (200, "<html>")
    assert (await with_fault(ModelFaultKind.HTML, http_status=502)).status_code == 502
    assert (await with_fault(ModelFaultKind.EMPTY_CHOICES)).json()["choices"] == []
    assert message(await with_fault(ModelFaultKind.NULL_CONTENT)) is None
    assert "usage" not in (await with_fault(ModelFaultKind.NO_USAGE)).json()
    long = json.loads(message(await with_fault(ModelFaultKind.LONG)))
    assert len(long["text"]) == 40_000
    assert "confidence" not in json.loads(
        message(await with_fault(ModelFaultKind.WRONG_SCHEMA))
    ) or (
        json.loads(message(await with_fault(ModelFaultKind.WRONG_SCHEMA)))["confidence"] == "very"
    )
    with pytest.raises(json.JSONDecodeError):
        json.loads(message(await with_fault(ModelFaultKind.INVALID_JSON)))
    drip = await with_fault(ModelFaultKind.DRIP, seconds=0.05)
    assert "Monday" in message(drip)
    for kind in (ModelFaultKind.DROP, ModelFaultKind.HANG):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            await with_fault(kind, seconds=0.02)
    simulator.model.on("open", ModelFault(ModelFaultKind.STATUS, 500), times=1)
    assert (await complete(models, "When are you open?")).status_code == 500
    assert (await complete(models, "When are you open?")).status_code == 200


async def test_a_call_that_is_held_up_goes_on_once_the_latency_is_another(
    simulator: Simulator, models: httpx.AsyncClient
) -> None:
    simulator.configure(model_latency_seconds=(300, 300))
    held = asyncio.create_task(complete(models, "When are you open?"))
    await eventually(lambda: simulator.model.open_requests)
    simulator.configure(model_latency_seconds=(0, 0))
    assert (await held).status_code == 200


async def test_a_thousand_calls_are_held_at_once(
    simulator: Simulator, models: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.configure(record_model_requests=False)
    all_are_there = asyncio.Event()

    async def takes_until_all_are_there(_: str) -> None:
        if simulator.model.open_requests == 1000:
            all_are_there.set()
        await all_are_there.wait()

    monkeypatch.setattr(simulator.world, "linger", takes_until_all_are_there)
    body = json.dumps(request_for("Hi", None)).encode()
    url = httpx.URL(simulator.url)
    head = (
        f"POST {PATHS[0]} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode()

    async def call() -> bytes:
        # Bare sockets: a thousand calls of httpx would measure httpx.
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(head + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    answers = await asyncio.gather(*(call() for _ in range(1000)))
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)
    assert simulator.model.most_open_requests == 1000
    assert simulator.model.open_requests == 0


@pytest.fixture(scope="module")
def litellm() -> Any:
    """LiteLLM with the settings that keep it offline."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOG", "ERROR")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its imports use what others have deprecated.
        import litellm

    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True
    setattr(litellm.types.utils.ModelResponse, "service_tier", None)  # noqa: B010 - not declared.
    return litellm


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(
    "model", ["groq/openai/gpt-oss-20b", "openai/gpt-4o-mini", "groq/unknown-model"]
)
async def test_litellm_gets_structured_answers(
    simulator: Simulator, litellm: Any, model: str
) -> None:
    simulator.configure(model_service_tier=None if model.startswith("groq/") else "on_demand")
    base = simulator.groq_url if model.startswith("groq/") else simulator.openai_url
    request = request_for("When are you open?")
    try:
        response = await litellm.acompletion(
            model=model,
            messages=request["messages"],
            response_format=request["response_format"],
            api_key="k",
            api_base=base,
            timeout=10,
            num_retries=0,
            max_retries=0,
            _skip_mcp_handler=True,
        )
        assert "Monday to Friday" in json.loads(response.choices[0].message.content)["text"]
        assert response.usage.prompt_tokens > 100
        assert response.system_fingerprint == "scripted"
        simulator.model.faults.next(ModelFault(ModelFaultKind.STATUS, 429, retry_after_seconds=3))
        with pytest.raises(litellm.RateLimitError) as limited:
            await litellm.acompletion(
                model=model,
                messages=request["messages"],
                api_key="k",
                api_base=base,
                num_retries=0,
                max_retries=0,
                _skip_mcp_handler=True,
            )
        assert limited.value.litellm_response_headers["retry-after"] == "3"
    finally:
        await litellm.close_litellm_async_clients()
        # It keeps the closed ones, of all who call models in this process.
        litellm.in_memory_llm_clients_cache.flush_cache()
    assert simulator.model.calls == 2
