"""What every part of the simulator shares: its settings, its clock and its background tasks."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import uuid4

Json = dict[str, Any]
"""A JSON object as it crosses the wire: its keys are the provider's, not ours."""

Range = tuple[float, float]
"""Lowest and highest value of a seeded draw; equal ends make it fixed."""


@dataclass(frozen=True)
class SimulatorSettings:
    """How the outside world behaves. Every value can be changed while it runs (`configure`)."""

    app_secret: str
    """Signs the webhooks, as the app secret of the Meta app does."""
    webhook_url: str | None = None
    """Where webhooks go; while None they wait and are posted once it is set."""
    verify_token: str = ""
    """What the subscription handshake presents as `hub.verify_token`."""
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free port."""
    seed: int = 1
    """Of every draw: latencies, shares of faults, doubled and reversed statuses."""

    clock_offset_seconds: float = 0.0
    """Added to the clock behind timestamps, the service window and media expiry."""
    send_latency_seconds: Range = (0.0, 0.0)
    status_delay_seconds: Range = (0.02, 0.06)
    """Between acceptance and `sent`, and between one status and the next."""
    status_doubled_share: float = 0.0
    status_reversed_share: float = 0.0
    status_dropped_share: float = 0.0
    status_early_share: float = 0.0
    """Share of sends whose `sent` status is delivered before the send is answered."""
    retry_pauses_seconds: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    """Pauses between attempts of one webhook; the last one repeats (Meta: growing pauses)."""
    retry_for_seconds: float = 7 * 24 * 3600.0
    webhook_timeout_seconds: float = 10.0
    inbound_in_order: bool = True
    """First attempts of one thread's messages follow each other; Meta promises no order."""

    window_errors: Literal["sync", "async"] = "sync"
    """Whether 131047 answers the send or comes as a `failed` status: Meta does both."""
    pair_limit: bool = False
    """Enforce 1 message per 6 seconds to one contact, 45 in advance (131056)."""
    throughput_limit: int | None = None
    """Sends a second per business number (Meta: 80, coexistence 20), or no limit (130429)."""
    strict_channels: bool = False
    """Refuse sends from numbers nobody registered; otherwise they register themselves."""
    free_service_messages: int = 1000
    """Delivered service messages per number that are priced as free."""

    model_latency_seconds: Range = (0.0, 0.0)
    model_service_tier: str | None = "on_demand"
    """None leaves the key out of answers, which Groq may do."""
    model_gullible: bool = False
    """The model obeys whatever a message, a document or the thread tells it (`gullible.py`)."""
    record_model_requests: bool = True

    stripe_webhook_url: str | None = None
    """Where Stripe's events go; while None they are not posted."""
    stripe_webhook_secret: str = "whsec_simulated"  # noqa: S105  # Of nobody.
    """Signs them, as the secret of the webhook endpoint does."""
    stripe_key: str = "sk_test_simulated"
    """What calls of Stripe's API must carry."""


class World:
    """The settings in force, the simulated clock, one source of chance and the running tasks."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self.settings = settings
        self.closing = False
        self.chance = seeded(settings.seed)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._changed: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def configure(self, **changes: Any) -> SimulatorSettings:
        """Change settings while running; raises TypeError for a name that is not a setting."""
        self.settings = replace(self.settings, **changes)
        if "seed" in changes:
            self.chance = seeded(self.settings.seed)
        for name in changes.keys() & self._changed.keys():
            self._changed.pop(name).set()
        return self.settings

    def now(self) -> float:
        """The simulated time in Unix seconds."""
        return time.time() + self.settings.clock_offset_seconds

    def draw(self, between: Range) -> float:
        """A seeded value between two ends."""
        low, high = between
        return low if low >= high else self.chance.uniform(low, high)

    def happens(self, share: float) -> bool:
        """Whether something that happens in `share` of all cases happens now."""
        return share > 0 and self.chance.random() < share

    async def sleep(self, seconds: float) -> None:
        """Wait, or not at all for nothing: a turn of the loop would reorder what is instant."""
        if seconds > 0:
            await asyncio.sleep(seconds)

    async def linger(self, name: str) -> None:
        """Wait for what the setting of this name draws, or until `configure` is given another."""
        seconds = self.draw(getattr(self.settings, name))
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed[name].wait()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run work in the background until it ends or the simulator closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # The loop keeps only weak references to tasks.
        task.add_done_callback(self._tasks.discard)
        return task

    @property
    def is_busy(self) -> bool:
        """Whether background work is left."""
        return bool(self._tasks)

    async def cancel_tasks(self) -> None:
        """Stop all background work and wait until it has stopped."""
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self, timeout_seconds: float = 10.0) -> None:
        """Wait until no background work is left; raises TimeoutError if some stays."""
        async with asyncio.timeout(timeout_seconds):
            while self._tasks:
                await asyncio.wait(set(self._tasks))


def seeded(seed: int) -> random.Random:
    """A source of chance that repeats itself."""
    return random.Random(seed)  # noqa: S311 - for repeatable tests, not for secrets.


def random_digits(length: int) -> str:
    """An id of that many digits. Not seeded: receivers keep ids across restarts of ours."""
    return str(uuid4().int)[:length].rjust(length, "7")
