"""The worker: every kind of due work, the sweep that finds it, and the bell that hastens it.

`frontdesk worker` runs all of it and outlives Redis. `arq frontdesk.worker.WorkerSettings` runs the
same under arq's own command, which ends when Redis does and is restarted by its supervisor.
"""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import uvloop

from frontdesk import gateway, pipeline
from frontdesk.billing import work as billing_work
from frontdesk.conversation import work as conversation_work
from frontdesk.core import redis as redis_client
from frontdesk.core.errors import Unavailable
from frontdesk.core.logging import configure_logging
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings, load_settings
from frontdesk.core.tracing import tracing
from frontdesk.core.work import (
    Dispatcher,
    Due,
    RedisBell,
    WorkerBell,
    arq_options,
    hear_for_ever,
)
from frontdesk.escalation import work as escalation_work
from frontdesk.evaluation import work as evaluation_work
from frontdesk.feed import announce_commits
from frontdesk.feed import work as feed_work
from frontdesk.gateway import work as gateway_work
from frontdesk.identity import work as identity_work
from frontdesk.knowledge import work as knowledge_work
from frontdesk.learning import work as learning_work
from frontdesk.messaging import SENDING_DEADLINE_SECONDS
from frontdesk.messaging import work as messaging_work
from frontdesk.observability import Drills, Outage, beat
from frontdesk.observability import work as observability_work
from frontdesk.pipeline import work as pipeline_work
from frontdesk.privacy import work as privacy_work
from frontdesk.subscriptions import SUBSCRIPTIONS

log = structlog.get_logger(__name__)

SERVICE = "frontdesk-worker"
HEARTBEAT_SECONDS = 5
# A model call may overrun its deadline by the time it takes to write it down.
LEASE_MARGIN_SECONDS = 15


def due_kinds(settings: Settings) -> tuple[Due, ...]:
    """Every kind of due work there is; a kind that is not listed here is never done."""
    return (
        *pipeline_work.pipeline_work(settings),
        billing_work.RELEASE,
        billing_work.STRIPE_ACCOUNT,
        billing_work.STRIPE_EVENT,
        billing_work.STRIPE_PRUNE,
        billing_work.STRIPE_BATCH,
        billing_work.STRIPE_CHECK,
        billing_work.BOOKS,
        conversation_work.FIRE_TIMER,
        conversation_work.SUMMARISE,
        conversation_work.SURVEY,
        conversation_work.KEEP_COMMITMENT,
        escalation_work.ASSIGN,
        escalation_work.BACKTEST,
        escalation_work.RETURN,
        escalation_work.IDLE,
        escalation_work.AWAY_RETURN,
        escalation_work.OVERDUE,
        escalation_work.BRIDGE,
        knowledge_work.INGEST,
        evaluation_work.RUN,
        evaluation_work.COLLECT,
        evaluation_work.CANARY,
        learning_work.LEARN,
        *gateway_work.gateway_work(settings),
        identity_work.PRUNE,
        identity_work.SEND_MAIL,
        privacy_work.EXPORT,
        privacy_work.ERASURE,
        *observability_work.observability_work(settings),
        *feed_work.feed_work(settings),
        *messaging_work.messaging_work(settings),
    )


def check_times(settings: Settings) -> None:
    """Refuse to start with times that would let two workers do the same thing.

    Raises:
        ValueError: the model's deadline does not fit the lease, or a send its own deadline.
    """
    lease, deadline = settings.worker.lease_seconds, settings.llm.deadline_seconds
    margin = pipeline.PACKET_DEADLINE_SECONDS + LEASE_MARGIN_SECONDS
    if deadline + margin > lease:
        raise ValueError(
            f"LLM__DEADLINE_SECONDS ({deadline:g}) must be at least {margin} less "
            f"than WORKER__LEASE_SECONDS ({lease:g})"
        )
    if settings.whatsapp.send_timeout_seconds * 2 > SENDING_DEADLINE_SECONDS:
        raise ValueError(
            f"WHATSAPP__SEND_TIMEOUT_SECONDS must be at most {SENDING_DEADLINE_SECONDS / 2:g}"
        )


@asynccontextmanager
async def working(resources: Resources, *, sweeps: bool = True) -> AsyncIterator[Dispatcher]:
    """Do due work in this process until the block ends, then drain. Rings stay local first."""
    settings = resources.settings
    check_times(settings)
    dispatcher = Dispatcher(resources, due_kinds(settings))
    others = RedisBell(resources.redis)
    others.is_mute_for = lambda tenant_id: bool(
        resources.keep(Drills).find(tenant_id, Outage.REDIS)
    )
    resources.db.bell = WorkerBell(dispatcher, others)
    announce_commits(resources)
    tasks = [asyncio.create_task(_beat_for_ever(resources, dispatcher))]
    if sweeps:
        tasks += [
            asyncio.create_task(dispatcher.sweep_for_ever(kind, settings.worker.sweep_seconds))
            for kind in dispatcher.kinds
        ]
    try:
        yield dispatcher
    finally:
        for task in tasks:
            task.cancel()
        await dispatcher.drain(settings.worker.drain_seconds)
        # Only others can work now.
        resources.db.bell = others
        await pipeline.give_back(resources)
        await others.aclose()


def serve(settings: Settings) -> None:
    """Run the worker process until SIGTERM or SIGINT."""
    uvloop.run(run(settings))


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then let what is in hand end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        open_resources(settings, SUBSCRIPTIONS) as resources,
        tracing(settings.tracing, resources.metrics, service=SERVICE),
    ):
        await warm(resources)
        async with working(resources) as dispatcher, _status_server(resources):
            ear = redis_client.connect(settings.redis)
            listener = asyncio.create_task(hear_for_ever(ear, dispatcher))
            gc.collect()
            gc.freeze()
            # A model's answer is thousands of objects; at the default thresholds the collector
            # would look at each of those in hand several times.
            gc.set_threshold(20_000, 20, 50)
            log.info("worker_started", kinds=list(dispatcher.kinds))
            await stop.wait()
            log.info("worker_draining", busy=dispatcher.busy)
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener
            await ear.aclose(close_connection_pool=True)
        await gateway.close(resources)


async def warm(resources: Resources) -> None:
    """Load what is slow to load before the first message needs it."""
    await asyncio.gather(gateway.warm(), pipeline.warm(resources))


async def _beat_for_ever(resources: Resources, dispatcher: Dispatcher) -> None:
    name = f"{socket.gethostname()}:{os.getpid()}"
    while True:
        try:
            async with resources.db.system() as connection:
                await beat(connection, name, dispatcher.busy)
            await resources.keep(Drills).refresh()
        except Unavailable as error:
            log.warning("heartbeat_missed", error=str(error))
        except Exception:  # While versions are replaced a table may be older, or a word newer.
            log.exception("heartbeat_missed")
        await asyncio.sleep(HEARTBEAT_SECONDS)


@asynccontextmanager
async def _status_server(resources: Resources) -> AsyncIterator[None]:
    """`/livez` and `/metrics` of this worker on loopback, when a port is set."""
    port = resources.settings.worker.http_port
    if port == 0:
        yield
        return
    import uvicorn
    from prometheus_client import make_asgi_app

    metrics = make_asgi_app(resources.metrics.registry)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/metrics":
            await metrics(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

    config = uvicorn.Config(
        app, host="127.0.0.1", port=port, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    # Not serve(), which would take the signals from the worker.
    task = asyncio.create_task(server._serve())
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def _start(ctx: dict[str, Any]) -> None:
    settings = load_settings()
    configure_logging(settings.log)
    stack = contextlib.AsyncExitStack()
    resources = await stack.enter_async_context(open_resources(settings, SUBSCRIPTIONS))
    await stack.enter_async_context(tracing(settings.tracing, resources.metrics, service=SERVICE))
    await warm(resources)
    stack.push_async_callback(gateway.close, resources)
    ctx["dispatcher"] = await stack.enter_async_context(working(resources))
    ctx["stack"] = stack


async def _stop(ctx: dict[str, Any]) -> None:
    await ctx["stack"].aclose()


def _arq_settings() -> dict[str, Any]:
    """What `arq frontdesk.worker.WorkerSettings` runs. arq's own worker is not woken by pub/sub, so
    it polls often instead."""
    return {
        **arq_options(),
        "redis_pool": redis_client.connect(load_settings().redis),
        "on_startup": _start,
        "on_shutdown": _stop,
        "poll_delay": 0.05,
    }


def __getattr__(name: str) -> Any:
    # Made when arq asks for it: importing this module must not read settings.
    if name == "WorkerSettings":
        return _arq_settings()
    raise AttributeError(name)
