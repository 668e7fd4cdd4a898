"""The control API under `/_sim`: what a test, the demo and the terminal phone do to the world."""

import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, fields

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontdesk.simulator.faults import (
    ModelFault,
    ModelFaultKind,
    SendFault,
    SendFaultKind,
    plan_fault,
)
from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.handset import Phone
from frontdesk.simulator.simulator import Simulator
from frontdesk.simulator.threads import Contact, Template
from frontdesk.simulator.webhooks import VALID, Posting
from frontdesk.simulator.wire import JSONAnswer, read_json
from frontdesk.simulator.world import Json, SimulatorSettings

_LONGEST_WAIT_SECONDS = 30.0
_SLICE_SECONDS = 0.5
_SHOWN = 200  # Records a list returns unless asked for more.
_SECRETS = ("app_secret", "stripe_webhook_secret", "stripe_key")  # Not shown over HTTP.
_FIXED = ("host", "port", *_SECRETS)  # Not changed over HTTP.

Handler = Callable[[Request], Awaitable[Response]]


class Misuse(ValueError):
    """The control API was called with something that makes no sense."""


class ControlRoutes:
    """Handlers of `/_sim`, each listed with its one-line help."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "", self.describe),
            ("GET", "/settings", self.show_settings),
            ("PATCH", "/settings", self.change_settings),
            ("GET", "/channels", self.list_channels),
            ("POST", "/channels", self.register_channel),
            ("POST", "/signups", self.sign_up),
            ("GET", "/threads", self.list_threads),
            ("PATCH", "/phones/{number}", self.change_contact),
            ("POST", "/phones/{number}/messages", self.write),
            ("GET", "/phones/{number}/thread", self.show_thread),
            ("GET", "/sends", self.list_sends),
            ("GET", "/webhooks", self.list_webhooks),
            ("POST", "/webhooks", self.post_webhook),
            ("POST", "/webhooks/subscribe", self.subscribe),
            ("GET", "/calls", self.list_calls),
            ("POST", "/tokens/expire", self.expire_token),
            ("GET", "/faults", self.show_faults),
            ("POST", "/faults/sends", self.plan_send_fault),
            ("POST", "/faults/model", self.plan_model_fault),
            ("POST", "/faults/accounts", self.plan_refusal),
            ("DELETE", "/faults", self.clear_faults),
            ("GET", "/model", self.show_model),
            ("POST", "/model/answers", self.prepare_answer),
            ("GET", "/model/requests", self.list_model_requests),
            ("POST", "/reset", self.reset),
        )

    def routes(self, more: Sequence[tuple[str, str, Handler]] = ()) -> list[Route]:
        """The table and `more` of it as routes, and a 404 for the rest: the Graph API's would match it."""
        self._table += tuple(more)
        return [
            *(
                Route(f"/_sim{path}", _guarded(handler), methods=[method], name=handler.__name__)
                for method, path, handler in self._table
            ),
            Route("/_sim/", self.describe, methods=["GET"]),
            Route("/_sim/{rest:path}", _unknown),
        ]

    async def describe(self, request: Request) -> Response:
        """This list."""
        routes = [
            {
                "method": method,
                "path": f"/_sim{path}",
                "help": (handler.__doc__ or "").strip().splitlines()[0],
            }
            for method, path, handler in self._table
        ]
        addresses = {
            "graph": f"{self._simulator.url}/v26.0",
            "openai": self._simulator.openai_url,
            "groq": self._simulator.groq_url,
            "stripe": self._simulator.stripe_url,
        }
        return JSONAnswer({"simulator": "frontdesk", "addresses": addresses, "routes": routes})

    async def show_settings(self, request: Request) -> Response:
        """The settings in force, without the secrets."""
        shown = asdict(self._simulator.settings)
        for secret in _SECRETS:
            del shown[secret]
        return JSONAnswer(shown)

    async def change_settings(self, request: Request) -> Response:
        """Change settings: {"webhook_url": …, "status_delay_seconds": [0, 0], …}."""
        body = await _object(request)
        known = {field.name for field in fields(SimulatorSettings)} - set(_FIXED)
        if unknown := set(body) - known:
            raise Misuse(f"not changeable: {', '.join(sorted(unknown))}")
        changes = {
            name: tuple(value) if isinstance(value, list) else value for name, value in body.items()
        }
        self._simulator.configure(**changes)
        return await self.show_settings(request)

    async def list_channels(self, request: Request) -> Response:
        """The business numbers."""
        channels = self._simulator.whatsapp.channels.values()
        return JSONAnswer({"items": [_without_secrets(asdict(channel)) for channel in channels]})

    async def register_channel(self, request: Request) -> Response:
        """Register a number: {"phone_number_id", "waba_id", "display_phone_number", …}."""
        body = await _object(request)
        if "templates" in body:
            body["templates"] = tuple(Template(**template) for template in body["templates"])
        channel = self._simulator.register_channel(str(body.pop("phone_number_id")), **body)
        return JSONAnswer(_without_secrets(asdict(channel)), 201)

    async def sign_up(self, request: Request) -> Response:
        """Embedded Signup: {"phone_number_id", "waba_id", "token_days", …}; a code for 30 s."""
        body = await _object(request)
        how = _taken(body, "token_days", "scopes", "app_id")
        channel, code = self._simulator.sign_up(
            body.pop("phone_number_id", None), known=body, **how
        )
        return JSONAnswer({"code": code, **_without_secrets(asdict(channel))}, 201)

    async def list_threads(self, request: Request) -> Response:
        """All chats, with their last message."""
        threads = self._simulator.whatsapp.threads.values()
        items = [
            {
                "phone_number_id": thread.channel.phone_number_id,
                "number": thread.contact.number,
                "name": thread.contact.name,
                "messages": len(thread.bubbles),
                "last": thread.bubbles[-1].text if thread.bubbles else "",
            }
            for thread in threads
        ]
        return JSONAnswer({"items": items})

    async def change_contact(self, request: Request) -> Response:
        """Change a contact: {"name", "username", "number_hidden", "online", "chat_open", …}."""
        body = await _object(request)
        online, chat_open = body.pop("online", None), body.pop("chat_open", None)
        if unknown := set(body) - set(Contact.__dataclass_fields__) - {"channel"}:
            raise Misuse(f"a contact has no {', '.join(sorted(unknown))}")
        phone = self._phone(request, body)
        actions = {
            (True, "online"): phone.come_online,
            (False, "online"): phone.go_offline,
            (True, "chat"): phone.open_chat,
            (False, "chat"): phone.close_chat,
        }
        for state, name in ((online, "online"), (chat_open, "chat")):
            if state is not None:
                actions[bool(state), name]()
        return JSONAnswer(asdict(phone.contact))

    async def write(self, request: Request) -> Response:
        """Write: {"type": "text", "text": …}, tap, react, edit, revoke, image, … or a batch."""
        body = await _object(request)
        wait = bool(body.pop("wait", False))
        how = _taken(body, "quote", "sent_at", "wamid", "copies", "signature", "retry")
        known = _taken(body, "channel", "name", "number_hidden")
        posting = _write(self._phone(request, known), body, how)
        if wait:
            await posting
        return JSONAnswer({"wamids": posting.wamids, "delivered": posting.delivered}, 202)

    async def show_thread(self, request: Request) -> Response:
        """A chat: ?channel=…; with ?after=<version>&wait_seconds=… once it looks different."""
        phone = self._phone(request, {})
        query = request.query_params
        wait = min(float(query.get("wait_seconds", 0)), _LONGEST_WAIT_SECONDS)
        after = int(query.get("after", -1))
        # In slices: neither a caller that has gone nor the end of the world may be waited out.
        while wait > 0 and phone.thread.version == after and not self._simulator.world.closing:
            await phone.thread.wait_until(
                lambda: phone.thread.version != after, min(wait, _SLICE_SECONDS)
            )
            wait -= _SLICE_SECONDS
            if await request.is_disconnected():
                break
        return JSONAnswer(phone.thread.view(self._simulator.world.now()))

    async def list_sends(self, request: Request) -> Response:
        """Accepted sends in order: ?phone_number_id=…&limit=…&skip=…"""
        wanted = request.query_params.get("phone_number_id")
        items = [
            accepted.view()
            for accepted in self._simulator.whatsapp.log
            if wanted in (None, accepted.phone_number_id)
        ]
        return JSONAnswer(_page(request, items))

    async def list_webhooks(self, request: Request) -> Response:
        """Posted webhooks with their attempts, in order: ?limit=…&skip=…"""
        postings = self._simulator.webhooks.postings
        return JSONAnswer(_page(request, [posting.view() for posting in postings]))

    async def post_webhook(self, request: Request) -> Response:
        """Post a body: {"payload": {…}} or {"raw": "…"} or {"raw_base64"}, "signature", "copies"."""
        body = await _object(request)
        if "payload" in body:
            payload = body["payload"]
        elif "raw_base64" in body:
            payload = base64.b64decode(body["raw_base64"])
        else:
            payload = str(body.get("raw", "")).encode()
        posting = self._simulator.post(
            payload,
            signature=body.get("signature", VALID),
            copies=int(body.get("copies", 1)),
            retry=bool(body.get("retry", False)),
        )
        await posting
        return JSONAnswer(posting.view())

    async def subscribe(self, request: Request) -> Response:
        """Do the verification handshake with the webhook address."""
        return JSONAnswer({"verified": await self._simulator.webhooks.subscribe()})

    async def list_calls(self, request: Request) -> Response:
        """Account calls that were answered: register, subscribed_apps, block_users, …"""
        return JSONAnswer(_page(request, self._simulator.whatsapp.calls))

    async def expire_token(self, request: Request) -> Response:
        """Let a token be refused with 190 from now on: {"token": …}."""
        self._simulator.whatsapp.expired_tokens.add(str((await _object(request))["token"]))
        return JSONAnswer({"expired": True})

    async def show_faults(self, request: Request) -> Response:
        """Everything planned to go wrong, and how often it did."""
        kinds = {"sends": list(SendFaultKind), "model": list(ModelFaultKind)}
        return JSONAnswer(
            {
                "sends": self._simulator.whatsapp.faults.describe(),
                "model": self._simulator.model.faults.describe(),
                "kinds": kinds,
            }
        )

    async def plan_send_fault(self, request: Request) -> Response:
        """Plan: {"kind", "code", …, "times": n, or "share": 0..1 with "for_seconds"; "only"}."""
        body = await _object(request)
        plan_fault(self._simulator.whatsapp.faults, SendFault, body)
        return await self.show_faults(request)

    async def plan_model_fault(self, request: Request) -> Response:
        """Plan: {"kind", "http_status", …, "times", or "share" with "for_seconds"; "only": "groq"}."""
        body = await _object(request)
        plan_fault(self._simulator.model.faults, ModelFault, body)
        return await self.show_faults(request)

    async def plan_refusal(self, request: Request) -> Response:
        """Refuse account calls: {"edge": "register", "code": 133006, "details", "times"}."""
        self._simulator.whatsapp.accounts.refuse(**await _object(request))
        return JSONAnswer({"planned": True})

    async def clear_faults(self, request: Request) -> Response:
        """Let everything go well again."""
        self._simulator.whatsapp.faults.clear()
        self._simulator.model.faults.clear()
        self._simulator.stripe.faults.clear()
        return await self.show_faults(request)

    async def show_model(self, request: Request) -> Response:
        """Calls so far, open now, most ever open at once."""
        model = self._simulator.model
        return JSONAnswer(
            {
                "calls": model.calls,
                "open_requests": model.open_requests,
                "most_open_requests": model.most_open_requests,
                "latency_seconds": self._simulator.settings.model_latency_seconds,
                "recording": self._simulator.settings.record_model_requests,
                "reply": model.reply if isinstance(model.reply, str | dict) else None,
            }
        )

    async def prepare_answer(self, request: Request) -> Response:
        """Script: {"answer": text or object, "schema": "reply", "when": substring, "times": n}."""
        body = await _object(request)
        model, answer = self._simulator.model, body["answer"]
        schema = body.get("schema", "reply")
        if "when" in body:
            model.on(str(body["when"]), answer, schema=schema, times=body.get("times"))
        elif "times" in body or schema != "reply" or answer is None:
            model.next(schema, answer, int(body.get("times", 1)))
        else:
            model.replies.append(answer)
        return JSONAnswer({"prepared": True}, 201)

    async def list_model_requests(self, request: Request) -> Response:
        """Recorded model calls in order: ?schema=…&limit=…&skip=…"""
        wanted = request.query_params.get("schema")
        items = [
            recorded.view()
            for recorded in self._simulator.model.requests
            if wanted in (None, recorded.schema_name)
        ]
        return JSONAnswer(_page(request, items))

    async def reset(self, request: Request) -> Response:
        """Forget chats, logs, faults and scripts; numbers and settings stay."""
        await self._simulator.reset()
        return JSONAnswer({"reset": True})

    def _phone(self, request: Request, known: Json) -> Phone:
        channel = known.pop("channel", None) or request.query_params.get("channel")
        return self._simulator.phone(request.path_params["number"], channel=channel, **known)


def _write(phone: Phone, body: Json, how: Json) -> Posting:
    """What the body's `type` says, done on the phone."""
    kind = body.get("type", "text")
    writers: dict[str, Callable[[], Posting]] = {
        "text": lambda: (
            phone.say_together(*body["texts"], **how)
            if "texts" in body
            else phone.say(body["text"], **how)
        ),
        "image": lambda: phone.send_image(
            body.get("caption"), shows=str(body.get("shows", "")), **_file(body), **how
        ),
        "audio": lambda: phone.send_audio(
            str(body.get("words", "")),
            voice=bool(body.get("voice", True)),
            **_file(body),
            **how,
        ),
        "document": lambda: phone.send_document(
            body.get("filename", "file.pdf"),
            caption=body.get("caption"),
            **{"content": b"%PDF-1.4\n", **_file(body), **how},
        ),
        "location": lambda: phone.send_location(
            **{name: body[name] for name in ("latitude", "longitude", "name") if name in body},
            **how,
        ),
        "share_number": lambda: phone.share_number(**how),
        "tap": lambda: phone.tap(str(body["button"]), **how),
        "reaction": lambda: phone.react(body.get("emoji", "👍"), body.get("message_id"), **how),
        "edit": lambda: phone.edit(str(body["message_id"]), str(body["text"]), **how),
        "revoke": lambda: phone.revoke(str(body["message_id"]), **how),
        "message": lambda: phone.write(body["message"], **how),
    }
    if kind not in writers:
        raise Misuse(f"unknown type {kind!r}; known are {', '.join(writers)}")
    return writers[kind]()


def _file(body: Json) -> Json:
    """The file of a message, when one was given."""
    given = {"mime_type": body["mime_type"]} if "mime_type" in body else {}
    if "content_base64" in body:
        given["content"] = base64.b64decode(body["content_base64"])
    return given


def _page(request: Request, items: list[Json]) -> Json:
    skip = int(request.query_params.get("skip", 0))
    limit = int(request.query_params.get("limit", _SHOWN))
    return {"items": items[skip : skip + limit], "total": len(items)}


def _without_secrets(channel: Json) -> Json:
    return {name: value for name, value in channel.items() if name not in ("token", "pin")}


async def _unknown(request: Request) -> Response:
    return JSONAnswer({"error": "no such route; GET /_sim lists them"}, 404)


def _taken(body: Json, *names: str) -> Json:
    """Those keys of a body that are there, taken out of it."""
    return {name: body.pop(name) for name in names if name in body}


async def _object(request: Request) -> Json:
    body = read_json(await request.body() or b"{}")
    if not isinstance(body, dict):
        raise Misuse("the body must be a JSON object")
    return body


def _guarded(handler: Handler) -> Handler:
    """Answer misuse with 400 and what was wrong; a typing mistake is no reason for a 500."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except (Misuse, LookupError, TypeError, ValueError, GraphError) as error:
            return JSONAnswer({"error": f"{type(error).__name__}: {error}"}, 400)

    return guarded
