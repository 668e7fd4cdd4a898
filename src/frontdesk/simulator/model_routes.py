"""The scripted model over HTTP, as OpenAI and as Groq, with everything that can go wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from frontdesk.simulator.embeddings import DIMENSIONS, as_base64, vector_of
from frontdesk.simulator.faults import ModelFault, ModelFaultKind
from frontdesk.simulator.media import words_in
from frontdesk.simulator.model import Ask, read_ask
from frontdesk.simulator.scripting import ScriptedModel, completion
from frontdesk.simulator.wire import CutConnection, JSONAnswer, hang, read_json
from frontdesk.simulator.world import Json, World

_ERRORS = {
    400: ("invalid_request_error", "invalid_request", "The request is invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Invalid API Key"),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("tokens", "rate_limit_exceeded", "Rate limit reached. Please try again later."),
    503: ("server_error", "service_unavailable", "The engine is currently overloaded."),
}
_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"
_SHAPED = (
    ModelFaultKind.EMPTY_CHOICES,
    ModelFaultKind.NULL_CONTENT,
    ModelFaultKind.NO_USAGE,
    ModelFaultKind.LONG,
    ModelFaultKind.INVALID_JSON,
    ModelFaultKind.WRONG_SCHEMA,
    ModelFaultKind.DRIP,
)
_FILLER = "and so it goes on and on, "


class ModelRoutes:
    """Handlers of the two chat-completions addresses."""

    def __init__(self, world: World, model: ScriptedModel) -> None:
        self._world = world
        self._model = model

    def routes(self) -> list[Route]:
        """Both providers, same script."""
        return [
            Route("/openai/v1/chat/completions", self.openai, methods=["POST"]),
            Route("/groq/openai/v1/chat/completions", self.groq, methods=["POST"]),
            Route("/openai/v1/embeddings", self.embed, methods=["POST"]),
            Route("/openai/v1/audio/transcriptions", self.hear, methods=["POST"]),
            Route("/groq/openai/v1/audio/transcriptions", self.hear, methods=["POST"]),
        ]

    async def hear(self, request: Request) -> Response:
        """Write down a recording: the words that the phone put into its bytes, and that they are
        simulated."""
        if not request.headers.get("authorization", "").removeprefix("Bearer").strip():
            return _error(401)
        async with request.form() as form:
            file = form.get("file")
            if file is None or isinstance(file, str) or not form.get("model"):
                return _error(400)
            model, content = str(form["model"]), await file.read()
        fault = self._model.faults.draw("transcription", "text")
        await self._world.linger("model_latency_seconds")
        if fault and (answer := await self._fail(request, fault)):
            return answer
        words = words_in(content)
        text = f"{words} (simulated transcript)" if words else ""
        usage = {"type": "duration", "seconds": max(1, len(words.split()) // 2)}
        provider = "groq" if request.url.path.startswith("/groq") else "openai"
        self._model.bill(provider, model, usage)
        return JSONAnswer({"text": text, "usage": usage})

    async def embed(self, request: Request) -> Response:
        """Vectors of texts, in OpenAI's form; texts that share words are near each other."""
        if not request.headers.get("authorization", "").removeprefix("Bearer").strip():
            return _error(401)
        body = read_json(await request.body())
        texts = body.get("input") if isinstance(body, dict) else None
        texts = [texts] if isinstance(texts, str) else texts
        if not texts or not body.get("model") or not all(isinstance(text, str) for text in texts):
            return _error(400)
        fault = self._model.faults.draw("openai", "embedding")
        await self._world.linger("model_latency_seconds")
        if fault and (answer := await self._fail(request, fault)):
            return answer
        vectors = [vector_of(text, body.get("dimensions") or DIMENSIONS) for text in texts]
        wants_base64 = body.get("encoding_format") == "base64"
        tokens = sum(1 + len(text) // 4 for text in texts)
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": as_base64(vector) if wants_base64 else vector,
            }
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        self._model.bill("openai", body["model"], usage)
        return JSONAnswer({"object": "list", "data": data, "model": body["model"], "usage": usage})

    async def openai(self, request: Request) -> Response:
        """Complete as OpenAI."""
        return await self._counted(request, "openai")

    async def groq(self, request: Request) -> Response:
        """Complete as Groq."""
        return await self._counted(request, "groq")

    async def _counted(self, request: Request, provider: str) -> Response:
        model = self._model
        model.open_requests += 1
        model.most_open_requests = max(model.most_open_requests, model.open_requests)
        try:
            return await self._complete(request, provider)
        finally:
            model.open_requests -= 1

    async def _complete(self, request: Request, provider: str) -> Response:
        body = read_json(await request.body())
        authorization = request.headers.get("authorization", "")
        if not authorization.removeprefix("Bearer").strip():
            return _error(401)
        if not isinstance(body, dict) or not body.get("messages") or not body.get("model"):
            return _error(400)
        ask = read_ask(body)
        self._model.record(provider, body, ask, authorization)
        fault = self._model.faults.draw(provider, ask.schema_name or "text")
        await self._world.linger("model_latency_seconds")
        said: Json | str | None = None
        if fault is None or fault.kind in _SHAPED:
            scripted = self._model.say(ask)
            if isinstance(scripted, ModelFault):
                fault = scripted
            else:
                said = scripted
        if fault and (answer := await self._fail(request, fault)):
            return answer
        return self._answer(provider, body, ask, said, fault)

    async def _fail(self, request: Request, fault: ModelFault) -> Response | None:
        match fault.kind:
            case ModelFaultKind.STATUS:
                return _error(fault.http_status or 500, fault.retry_after_seconds)
            case ModelFaultKind.HTML:
                return Response(_PAGE, fault.http_status or 200, media_type="text/html")
            case ModelFaultKind.HANG:
                await hang(self._world, request, fault.seconds)
                return CutConnection()
            case ModelFaultKind.DROP:
                return CutConnection()
        return None

    def _answer(
        self,
        provider: str,
        body: Json,
        ask: Ask,
        said: Json | str | None,
        fault: ModelFault | None,
    ) -> Response:
        kind = fault.kind if fault else None
        said = _spoiled(said, fault)
        settings = self._world.settings
        whole = completion(ask, said, settings.model_service_tier, self._world.now())
        # What is spoiled on its way was made all the same.
        self._model.bill(provider, ask.model, whole["usage"])
        if kind is ModelFaultKind.EMPTY_CHOICES:
            whole["choices"] = []
        if kind is ModelFaultKind.NULL_CONTENT:
            whole["choices"][0]["message"] = {"role": "assistant", "content": None}
        if kind is ModelFaultKind.NO_USAGE:
            del whole["usage"]
        if fault and kind is ModelFaultKind.DRIP:
            content = orjson.dumps(whole)
            return StreamingResponse(
                self._drip(content, fault.seconds),
                media_type="application/json",
                headers={"content-length": str(len(content))},
            )
        if body.get("stream"):
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return StreamingResponse(_stream(whole, with_usage), media_type="text/event-stream")
        return JSONAnswer(whole)

    async def _drip(self, content: bytes, seconds: float) -> AsyncIterator[bytes]:
        pause = seconds / max(len(content), 1)
        for index in range(len(content)):
            if self._world.closing:
                return
            yield content[index : index + 1]
            await asyncio.sleep(pause)


def _spoiled(said: Any, fault: ModelFault | None) -> Any:
    """The answer as the fault leaves it."""
    if fault is None:
        return said
    if fault.kind is ModelFaultKind.LONG:
        text = (_FILLER * (fault.characters // len(_FILLER) + 1))[: fault.characters]
        return {**said, "text": text} if isinstance(said, dict) and "text" in said else text
    if fault.kind is ModelFaultKind.INVALID_JSON:
        return '{"text": "This sentence has no end, and neither has'
    if fault.kind is ModelFaultKind.WRONG_SCHEMA:
        return {"answer": ["not", "what", "was", "asked", "for"], "confidence": "very"}
    return said


def _error(status: int, retry_after_seconds: float | None = None) -> Response:
    kind, code, message = _ERRORS.get(
        status, ("server_error", "internal_error", "The server had an error.")
    )
    headers = {}
    if retry_after_seconds is not None:
        headers["retry-after"] = f"{retry_after_seconds:g}"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONAnswer({"error": error}, status, headers=headers)


async def _stream(whole: Json, with_usage: bool) -> AsyncIterator[bytes]:
    """The same completion as server-sent chunks."""
    head = {key: whole[key] for key in ("id", "created", "model", "system_fingerprint")}
    head["object"] = "chat.completion.chunk"
    deltas: list[tuple[Json, str | None]] = []
    for choice in whole["choices"]:
        message = choice["message"]
        deltas.append(({"role": "assistant", "content": ""}, None))
        text = message.get("content") or ""
        deltas += [({"content": text[at : at + 40]}, None) for at in range(0, len(text), 40)]
        for index, call in enumerate(message.get("tool_calls") or []):
            deltas.append(({"tool_calls": [{"index": index, **call}]}, None))
        deltas.append(({}, choice["finish_reason"]))
    for delta, finish in deltas:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        yield b"data: " + orjson.dumps({**head, "choices": choices}) + b"\n\n"
    if with_usage and "usage" in whole:
        yield b"data: " + orjson.dumps({**head, "choices": [], "usage": whole["usage"]}) + b"\n\n"
    yield b"data: [DONE]\n\n"
