"""A message is one trace, from its webhook over two processes to its answer."""

import asyncio
import gzip
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import TraceFlags
from tests.desk import Desk

from frontdesk.core import tracing
from frontdesk.core.resources import Resources
from frontdesk.core.settings import TracingSettings
from frontdesk.core.trace_export import ShareOfTraces, headers_of, traces_url
from frontdesk.simulator import ModelFault, ModelFaultKind

UNSET, ERROR = 0, 2


class Span:
    """A span as the collector got it."""

    def __init__(self, sent: Any) -> None:
        self.name: str = sent.name
        self.trace_id: str = sent.trace_id.hex()
        self.id: str = sent.span_id.hex()
        self.parent_id: str = sent.parent_span_id.hex()
        self.status: int = sent.status.code
        self.seconds = (sent.end_time_unix_nano - sent.start_time_unix_nano) / 1e9
        self.attributes = {item.key: _value(item.value) for item in sent.attributes}
        self.events = list(sent.events)


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind)


class Collector:
    """An OTLP collector over real HTTP, which keeps what it gets."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Span] = []
        self.headers: dict[str, str] = {}
        self.raw = b""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()  # aiohttp unpacks it.
        body = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        self.raw += body
        self.headers = dict(request.headers)
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in of_resource.scope_spans:
                self.spans += map(Span, scope.spans)
        return web.Response(body=b"", content_type="application/x-protobuf")

    def of(self, name: str) -> Span:
        [found] = [span for span in self.spans if span.name == name]
        return found

    def parent(self, span: Span) -> str:
        return next((s.name for s in self.spans if s.id == span.parent_id), "")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
    yield made
    await runner.cleanup()


async def traced(desk: Desk, collector: Collector, text: str, **more: Any) -> list[str]:
    """What a contact is answered while traces go to the collector, all of which have arrived."""
    settings = TracingSettings(endpoint=collector.url, **more)
    async with tracing.tracing(settings, desk.resources.metrics, service="frontdesk-test"):
        replies = await desk.say(text)
    return replies


async def test_a_message_is_one_tree_from_webhook_to_send(desk: Desk, collector: Collector):
    question = f"When does it ship? {secrets.token_hex(6)}"
    assert await traced(desk, collector, question)
    sent = collector.of("send")
    tree = [span for span in collector.spans if span.trace_id == sent.trace_id]
    parents = {span.name: collector.parent(span) for span in tree}
    assert parents["POST /webhooks/whatsapp"] == ""
    assert parents["receive"] == "POST /webhooks/whatsapp"
    assert parents["turn"] == "receive"
    stages = ("load", "triage", "prompt", "reply", "guard", "decide")
    assert {stage: parents[stage] for stage in stages} == dict.fromkeys(stages, "turn")
    assert parents["retrieve"] == "prompt"
    assert (parents["model triage"], parents["model reply"]) == ("triage", "reply")
    chats = [span for span in tree if span.name == "chat groq/openai/gpt-oss-20b"]
    assert {collector.parent(span) for span in chats} == {"model triage", "model reply"}
    assert parents["send"] == "decide"
    assert {span.status for span in tree} == {UNSET}


async def test_the_trace_id_is_the_request_id_unless_the_client_chose_that(
    desk: Desk, collector: Collector
):
    chosen = "0af7651916cd43dd8448eb211c80319c"
    settings = TracingSettings(endpoint=collector.url)
    async with tracing.tracing(settings, desk.resources.metrics, service="frontdesk-test"):
        admin = await desk.admin()
        answer = await admin.http.get("/api/v1/agents")
        odd = await admin.http.get("/api/v1/agents", headers={"X-Request-ID": "order-77-checkout"})
        given = await admin.http.get("/api/v1/agents", headers={"X-Request-ID": chosen})
    ours, *theirs = [span for span in collector.spans if span.name == "GET /api/v1/agents"]
    assert ours.trace_id == answer.headers["x-request-id"]
    named = [odd.headers["x-request-id"], given.headers["x-request-id"]]
    assert named == ["order-77-checkout", chosen]
    # Its id decides whether a trace is kept: that is nobody's choice. It is found by the name.
    assert chosen not in [span.trace_id for span in theirs]
    assert [span.attributes["frontdesk.request_id"] for span in theirs] == named


async def test_a_model_s_span_speaks_the_genai_conventions(desk: Desk, collector: Collector):
    await traced(desk, collector, "When does it ship?")
    [reply] = [
        span
        for span in collector.spans
        if span.attributes.get("frontdesk.feature") == "reply" and span.name.startswith("chat ")
    ]
    told = reply.attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "groq"
    assert told["gen_ai.request.model"] == "groq/openai/gpt-oss-20b"
    assert told["gen_ai.usage.input_tokens"] > 0
    assert told["gen_ai.usage.output_tokens"] > 0
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert told["gen_ai.conversation.id"] == (await desk.conversation())["id"]
    assert told["frontdesk.tenant_id"] == str(desk.id)


async def test_no_words_and_no_numbers_are_in_a_span(desk: Desk, collector: Collector):
    secret = f"lamp {secrets.token_hex(8)}"
    await traced(desk, collector, f"When does my {secret} ship?")
    assert collector.spans
    assert secret.encode() not in collector.raw
    assert b"4915550001" not in collector.raw
    assert b"ship" not in collector.raw
    assert b"gen_ai.input.messages" not in collector.raw


async def test_words_are_in_spans_when_the_settings_want_them(desk: Desk, collector: Collector):
    await traced(desk, collector, "When does my lamp ship?", content=True)
    asked = [
        span.attributes["gen_ai.input.messages"]
        for span in collector.spans
        if "gen_ai.input.messages" in span.attributes
    ]
    assert any("When does my lamp ship?" in told for told in asked)


async def test_what_goes_wrong_is_told_by_its_kind(desk: Desk, collector: Collector):
    desk.simulator.model.faults.next(ModelFault(ModelFaultKind.STATUS), only="reply")
    await traced(desk, collector, "When does it ship?")
    failed = [span for span in collector.spans if span.status == ERROR]
    assert [span.attributes["error.type"] for span in failed] == ["provider_down"]
    assert not any(span.events for span in collector.spans)


async def test_a_person_s_reply_is_part_of_their_request(desk: Desk, collector: Collector):
    await desk.say("I want to talk to a human being.")
    thread = await desk.conversation()
    ana = await desk.ana()
    settings = TracingSettings(endpoint=collector.url)
    async with tracing.tracing(settings, desk.resources.metrics, service="frontdesk-test"):
        await ana.post(f"/conversations/{thread['id']}/take-over")
        await ana.post(f"/conversations/{thread['id']}/messages", {"text": "Ana here."})
        await desk.work_until_idle()
    asked = collector.of("POST /api/v1/conversations/{conversation_id}/messages")
    assert collector.parent(collector.of("send")) == asked.name


async def test_a_collector_that_is_away_harms_nothing(desk: Desk, resources: Resources):
    settings = TracingSettings(endpoint="http://127.0.0.1:9")
    tracing.start_tracing(settings, resources.metrics, service="frontdesk-test")
    try:
        assert await desk.say("When does it ship?")
    finally:
        await asyncio.to_thread(tracing.stop_tracing)
    lost = resources.metrics.registry.get_sample_value("frontdesk_spans_total", {"outcome": "lost"})
    assert lost


async def test_nothing_is_carried_while_traces_are_off(desk: Desk):
    await desk.say("When does it ship?")
    [row] = await desk.sql(
        "SELECT k.traceparent, o.traceparent AS sent FROM conversation k "
        "JOIN outbound o ON o.conversation_id = k.id"
    )
    assert (row["traceparent"], row["sent"]) == (None, None)


async def test_what_is_not_sampled_stays_out_in_every_process(desk: Desk, collector: Collector):
    assert await traced(desk, collector, "When does it ship?", sample_share=0)
    assert collector.spans == []
    [row] = await desk.sql("SELECT traceparent FROM conversation")
    assert int(row["traceparent"][-2:], 16) & TraceFlags.SAMPLED == 0


@pytest.mark.parametrize("share", [0.25, 0.75])
def test_a_share_of_traces_is_chosen_by_the_random_bits_of_their_ids(share: float):
    from frontdesk.core import ids

    sampler = ShareOfTraces(share)
    chosen = [
        sampler.should_sample(None, ids.new().int, "x").decision.is_sampled() for _ in range(4_000)
    ]
    assert abs(sum(chosen) / len(chosen) - share) < 0.05


def test_an_endpoint_is_the_address_before_the_protocol_s_path():
    assert traces_url("http://localhost:4318") == "http://localhost:4318/v1/traces"
    assert traces_url("https://x.example/otel/") == "https://x.example/otel/v1/traces"
    assert traces_url("https://x.example/v1/traces") == "https://x.example/v1/traces"
    assert headers_of("Authorization=Basic%20eDp5,x-team=a%2Cb") == {
        "Authorization": "Basic eDp5",
        "x-team": "a,b",
    }
