"""Running the simulator: as a process of its own, or inside a test's event loop."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import uvicorn

from frontdesk.simulator.app import create_app
from frontdesk.simulator.simulator import Simulator
from frontdesk.simulator.wire import Protocol
from frontdesk.simulator.world import SimulatorSettings

_STARTED_LOOK_SECONDS = 0.005
_BACKLOG = 2048  # A thousand calls may knock in the same instant.

logger = logging.getLogger("frontdesk.simulator")


class _Server(uvicorn.Server):
    """uvicorn, telling the simulator first, so that whatever hangs lets go."""

    def __init__(self, config: uvicorn.Config, simulator: Simulator, *, signals: bool) -> None:
        super().__init__(config)
        self._simulator = simulator
        self._signals = signals

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals() if self._signals else contextlib.nullcontext():
            yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._simulator.world.closing = True
        await super().shutdown(sockets)


def _server(simulator: Simulator, *, signals: bool) -> tuple[_Server, socket.socket]:
    settings = simulator.settings
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named protocol: asyncio sets TCP_NODELAY only then, and without it each answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    simulator.url = f"http://{host}:{listener.getsockname()[1]}"
    config = uvicorn.Config(
        create_app(simulator),
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return _Server(config, simulator, signals=signals), listener


@asynccontextmanager
async def running(
    settings: SimulatorSettings, client: httpx.AsyncClient | None = None
) -> AsyncIterator[Simulator]:
    """The simulator listening in this event loop, with `.url` set; stopped on leaving.

    Raises:
        OSError: the port is taken.
    """
    simulator = Simulator(settings, client)
    server, listener = _server(simulator, signals=False)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if serving.done():
                serving.result()
                raise OSError(f"{simulator.url} could not be served")
            await asyncio.sleep(_STARTED_LOOK_SECONDS)
        yield simulator
    finally:
        await simulator.aclose()
        server.should_exit = True
        await serving
        listener.close()


async def serve(
    settings: SimulatorSettings,
    *,
    prepare: Callable[[Simulator], None] | None = None,
    signals: bool = True,
) -> None:
    """Serve until the process is told to stop, or the task is cancelled.

    Args:
        prepare: called once with the simulator before it answers: to register numbers.
        signals: whether SIGINT and SIGTERM end it; False leaves them to the caller.

    Raises:
        OSError: the port is taken.
    """
    simulator = Simulator(settings)
    if prepare is not None:
        prepare(simulator)
    server, listener = _server(simulator, signals=signals)
    logger.info("simulator listens on %s", simulator.url)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        # Shielded: a cancelled caller must still see the sockets closed in an orderly way.
        await asyncio.shield(serving)
    finally:
        await simulator.aclose()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
        listener.close()
