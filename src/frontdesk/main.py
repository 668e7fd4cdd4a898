"""The web process: every route of every context, around one set of open resources."""

import gc
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from frontdesk.agent_config.routes import router as agent_config
from frontdesk.billing.routes import router as billing
from frontdesk.conversation.routes import router as conversation
from frontdesk.core.again import Again
from frontdesk.core.api import Allow, Problem, install_error_handlers
from frontdesk.core.asgi import Edge
from frontdesk.core.logging import configure_logging
from frontdesk.core.masking import Masking
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings
from frontdesk.core.shortcut import Shortcut
from frontdesk.core.tracing import tracing
from frontdesk.escalation.routes import router as escalation
from frontdesk.evaluation.routes import router as evaluation
from frontdesk.feed import PAYLOADS, ErasedPayload
from frontdesk.feed import hub as feed_hub
from frontdesk.feed.routes import router as feed
from frontdesk.gateway import check_models
from frontdesk.gateway.routes import router as gateway
from frontdesk.identity import authenticate, authenticate_key
from frontdesk.identity.routes import router as identity
from frontdesk.knowledge.routes import router as knowledge
from frontdesk.learning.routes import router as learning
from frontdesk.messaging.routes import WHATSAPP_WEBHOOK
from frontdesk.messaging.routes import router as messaging
from frontdesk.observability import Check, check_drills, record_refusal
from frontdesk.observability.routes import router as observability
from frontdesk.pipeline.routes import router as pipeline
from frontdesk.privacy.routes import router as privacy
from frontdesk.prompts.routes import router as prompts
from frontdesk.subscriptions import SUBSCRIPTIONS

# Routers are asked in turn for whatever takes no shortcut.
ROUTERS: tuple[APIRouter, ...] = (
    messaging,
    conversation,
    escalation,
    feed,
    agent_config,
    prompts,
    knowledge,
    learning,
    billing,
    gateway,
    evaluation,
    identity,
    pipeline,
    privacy,
    observability,
)

# As they are: of a router that it includes FastAPI works out each route again, which for all of
# them takes a second of every start, and looks at it in two steps at every request.
ROUTES: list[BaseRoute] = [route for router in ROUTERS for route in router.routes]

# What `/readyz` looks at besides what the lowest context can know.
MORE_CHECKS: dict[str, Check] = {"models": check_models, "drills": check_drills}

# What takes a file instead of JSON; each checks its type and size itself.
FILE_PATHS = re.compile(r"/api/v1/(conversations/[^/]+|knowledge)/files")
# Of the API, not of the code: what is under /api/v1 grows and does not break.
API_VERSION = "1.0.0"
_DESCRIPTION = """
A multi-tenant WhatsApp support desk: an AI agent answers around the clock, people take over with
the whole context.

Sign in with `POST /api/v1/auth/sign-in`; the session lives in an HttpOnly cookie. Requests that
change something must come from this site: send `Origin` (browsers do). Programs send
`Authorization: Bearer` with an API key instead, where an operation lists it. Every error is
`application/problem+json` with a stable `code` and the `request_id`, which is also in the header
`X-Request-ID`. Lists answer `{items, next_cursor}`.
"""
_TAGS = {
    "auth": "Signing in and out.",
    "tenants": "The platform's side: tenants, their plans, and acting as one. For super admins.",
    "users": "Who belongs to the tenant, and as what.",
    "api keys": "Keys with which programs call this API.",
    "agents": "The AI agents a tenant configures.",
    "prompts": "Versioned prompts and their labels.",
    "knowledge": "What the AI agents know.",
    "channels": "Connected WhatsApp numbers.",
    "conversations": "Threads with contacts: the inbox, messages, takeover and release.",
    "contacts": "Who writes: their card, fields, opt-out, and contacts that are one person.",
    "desk tools": "Tags, priorities, notes, saved replies and drafts.",
    "copilot": "What models write for people, who send it or not, and what became of drafts.",
    "satisfaction": "What contacts thought of answers and of closed conversations.",
    "human agents": "Taking over, answering, giving back, and who is available for it.",
    "feed": "Live events of a tenant, as server-sent events.",
    "models": "Which models are asked for what, and your own keys for them.",
    "usage": "What was used and what it cost.",
    "prices": "What models and WhatsApp messages cost. For super admins.",
    "budgets": "How much models may cost, and what happens then.",
    "drills": "Outages simulated for one tenant, to see what its contacts would.",
    "billing": "The subscription, invoices, and what was metered for them.",
    "dead letters": "Work that will not go on by itself: try it again, or let it go.",
    "privacy": "Exports, erasures, and how long things are kept.",
    "evaluation": "Cases, runs and their gate; cases from production; what a change would do.",
    "observability": "Model calls and the audit log.",
    "webhooks": "What WhatsApp and Stripe call; signed, not signed in.",
    "health": "For orchestrators and Prometheus.",
}


def create_app(settings: Settings, resources: Resources | None = None) -> FastAPI:
    """The web application.

    Args:
        settings: of this process.
        resources: open ones that the caller closes; without them the application opens its own
            when it starts and closes them when it ends.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if resources is not None:
            yield
            return
        async with (
            open_resources(settings, SUBSCRIPTIONS) as opened,
            tracing(settings.tracing, opened.metrics, service="frontdesk-web"),
        ):
            app.state.resources = opened
            feed_hub(opened).start()
            # What start-up made stays: the collector need not walk it again at every request.
            gc.collect()
            gc.freeze()
            # With thousands of streams open each event makes so many objects that at the default
            # thresholds the collector would take more time than the event.
            gc.set_threshold(50_000, 50, 100)
            yield

    app = FastAPI(
        title="Frontdesk",
        version=API_VERSION,
        description=_DESCRIPTION.strip(),
        lifespan=lifespan,
        routes=ROUTES,
        docs_url="/docs" if settings.web.docs else None,
        openapi_url="/openapi.json" if settings.web.docs else None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        # A redirect would be built from the Host header, which anyone can set.
        redirect_slashes=False,
        servers=[{"url": "/", "description": "This deployment"}],
        openapi_tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
        # Spans and metrics are ours; FastAPI's would tell of exceptions with all their words.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    if resources is not None:
        app.state.resources = resources
    app.state.authenticate = authenticate
    app.state.authenticate_key = authenticate_key
    app.add_middleware(Masking)
    app.state.record_refusal = record_refusal
    app.state.more_checks = MORE_CHECKS
    app.add_middleware(Again, file_paths=FILE_PATHS)
    app.add_middleware(Shortcut, route=WHATSAPP_WEBHOOK)
    app.add_middleware(
        Edge,
        public_url=settings.web.public_url,
        allowed_origins=settings.web.allowed_origins,
        json_body_bytes=settings.limits.json_body_bytes,
        file_paths=FILE_PATHS,
    )
    if settings.web.allowed_origins:
        # Around the edge: a page must be able to read its refusals too.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.web.allowed_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Idempotency-Key", "If-Match", "Last-Event-ID", "X-Request-ID"],
            expose_headers=["ETag", "Retry-After", "X-Request-ID"],
        )
    install_error_handlers(app)
    app.openapi = _described(app, settings)  # type: ignore[method-assign]  # FastAPI's own way.
    return app


# How long a client may leave what was sent to it unread.
UNREAD_SECONDS = 30


def serve(settings: Settings) -> None:
    """Run the web process until SIGTERM or SIGINT; open requests get their time to end."""
    configure_logging(settings.log, hash_key=settings.security.session_secret.get_secret_value())
    config = uvicorn.Config(
        create_app(settings),
        host=settings.web.host,
        port=settings.web.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.web.trusted_proxies,
        limit_concurrency=settings.web.max_connections,
        # Longer than the minute that most proxies keep their own end open: who closes first
        # must be the one that sends, or a request meets a closing connection.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.web.graceful_shutdown_seconds,
    )
    listening = config.bind_socket()
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # Accepted connections inherit it. A client that never reads would otherwise keep its socket
        # for ever: uvicorn waits for what is unsent.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    uvicorn.Server(config).run(sockets=[listening])


def _described(app: FastAPI, settings: Settings) -> Callable[[], dict[str, Any]]:
    """FastAPI's description of the API, with our errors and callers in it; made once."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
                servers=app.servers,
            )
            _declare_problems(schema)
            _declare_events(schema)
            _declare_callers(schema, app, settings)
            app.openapi_schema = schema
        return app.openapi_schema

    return openapi


def _declare_problems(schema: dict[str, Any]) -> None:
    """Let every error be problem+json: FastAPI files its schema under application/json."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas.setdefault("Problem", Problem.model_json_schema())
    reference = {"$ref": "#/components/schemas/Problem"}
    for _, operation in _operations(schema):
        for status, response in operation["responses"].items():
            content = response.get("content", {})
            if status.startswith(("4", "5")) and _tells_problem(content):
                kept = content.get("application/problem+json", {})
                response["content"] = {"application/problem+json": {**kept, "schema": reference}}


def _declare_events(schema: dict[str, Any]) -> None:
    """Let an event of the feed be one of its kinds, each with what it carries."""
    schemas = schema["components"]["schemas"]
    told: list[type[BaseModel]] = [*PAYLOADS.values(), ErasedPayload]
    references, declared = models_json_schema(
        [(payload, "serialization") for payload in told],
        ref_template="#/components/schemas/{model}",
    )
    # What the routes have described already stays as they describe it.
    schemas |= declared["$defs"] | schemas
    event = schemas["FeedEventPublic"]
    kinds = {}
    for kind, payload in sorted(PAYLOADS.items()):
        name = f"{payload.__name__}Event"
        kinds[kind] = f"#/components/schemas/{name}"
        carried = [references[payload, "serialization"], references[ErasedPayload, "serialization"]]
        schemas[name] = {
            **event,
            "title": kind,
            "description": payload.__doc__,
            "properties": {
                **event["properties"],
                "kind": {"const": kind, "type": "string"},
                "payload": {"anyOf": carried},
            },
        }
    schemas["FeedEventPublic"] = {
        "title": event["title"],
        "description": event["description"],
        "oneOf": [{"$ref": reference} for reference in kinds.values()],
        "discriminator": {"propertyName": "kind", "mapping": kinds},
    }


def _tells_problem(content: dict[str, Any]) -> bool:
    if "application/problem+json" in content:
        return True
    told = {media.get("schema", {}).get("$ref", "") for media in content.values()}
    return any(name.endswith(("/HTTPValidationError", "/Problem")) for name in told)


def _declare_callers(schema: dict[str, Any], app: FastAPI, settings: Settings) -> None:
    """Say which operations need the session cookie or a key: those that take a principal."""
    name = "frontdesk" if settings.web.insecure_cookies else "__Host-frontdesk"
    schema["components"]["securitySchemes"] = {
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": name,
            "description": "Set by `POST /api/v1/auth/sign-in`.",
        },
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key that has the scope named in brackets.",
        },
    }
    rules = {
        context.unique_id: rule
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute) and (rule := _rule(context.dependant))
    }
    for _, operation in _operations(schema):
        if rule := rules.get(operation["operationId"]):
            by_key: list[dict[str, list[str]]] = [{"key": [rule.scope]}] if rule.scope else []
            operation["security"] = [{"session": []}, *by_key]


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            yield path, operation


def _rule(dependant: Dependant) -> Allow | None:
    """Who may call an operation; None is anybody."""
    if isinstance(dependant.call, Allow):
        return dependant.call
    return next(filter(None, map(_rule, dependant.dependencies)), None)
