"""The outside world of the pipeline rows: the simulator, and contacts who write in a set rhythm.

It answers each question on standard input with a line of JSON on standard output. A contact's time
runs from pressing "send" to the moment WhatsApp takes the reply.
"""

import asyncio
import gc
import itertools
import sys
from collections import defaultdict
from typing import Any

import httpx
import orjson
from redis.asyncio import Redis

from benchmarks.load import Connection
from frontdesk.simulator import Phone, Simulator, SimulatorSettings, running

# Each has its answer in the facts of the agent, so none goes to a person.
QUESTIONS = (
    "Hello! How long does delivery take?",
    "Can I return a lamp within 30 days?",
    "When is the shop open on Monday?",
    "And how many working days until you ship?",
)
_PATIENCE_SECONDS = 90.0
_FIRST_NUMBER = 4915500000000


class LeanTransport(httpx.AsyncBaseTransport):
    """The way of the webhooks: httpx's own pool looks at every connection for every request, which
    would make the outside world the slowest part of all."""

    def __init__(self) -> None:
        self._free: dict[tuple[str, int], list[Connection]] = defaultdict(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Post on a connection nobody uses, over a new one if there is none."""
        place = (request.url.host, request.url.port or 80)
        connection = await self._connection(place)
        head = b"".join(b"%b: %b\r\n" % (name, value) for name, value in request.headers.raw)
        target = request.url.raw_path
        whole = b"POST %b HTTP/1.1\r\n%b\r\n%b" % (target, head, request.content)
        good = await connection.post(whole)
        self._free[place].append(connection)
        return httpx.Response(200 if good else 503)

    async def _connection(self, place: tuple[str, int]) -> Connection:
        free = self._free[place]
        while free:
            connection = free.pop()
            if connection.is_open:  # A server closes what has been idle for long.
                return connection
        loop = asyncio.get_running_loop()
        return (await loop.create_connection(Connection, *place))[1]

    async def aclose(self) -> None:
        """Close all connections."""
        for free in self._free.values():
            for connection in free:
                connection.close()


class Outside:
    """The simulator with the contacts of one benchmark."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._numbers = itertools.count(_FIRST_NUMBER)
        self._channels: list[str] = []

    async def answer(self, question: dict[str, Any]) -> Any:
        """Do what the question's `do` names, with the rest of it as arguments."""
        return await getattr(self, question.pop("do"))(**question)

    async def know(self, channels: list[dict[str, str]]) -> dict[str, Any]:
        """Register the business numbers contacts write to."""
        for channel in channels:
            self._simulator.register_channel(**channel)
            self._channels.append(channel["phone_number_id"])
        return {}

    async def behave(self, **settings: Any) -> dict[str, Any]:
        """Change the simulator's settings."""
        latency = settings.pop("model_latency_seconds", None)
        if latency is not None:
            settings["model_latency_seconds"] = (latency, latency)
        self._simulator.configure(**settings)
        return {}

    async def saturate(self, contacts: int, each: int) -> dict[str, Any]:
        """So many contacts who write their next message as soon as the last one is answered."""
        await self._begin()
        phones = [self._phone() for _ in range(contacts)]
        waits: list[float] = []
        began = self._now()

        async def chat(phone: Phone, first: int) -> None:
            for number in range(first, first + each):
                wait = await self._ask(phone, number)
                waits.append(wait)

        async with asyncio.TaskGroup() as group:
            for first, phone in enumerate(phones):
                group.create_task(chat(phone, first))
        return await self._end(began, waits, contacts * each)

    async def pace(self, per_second: float, seconds: float) -> dict[str, Any]:
        """New contacts at a steady rate, a message each."""
        await self._begin()
        count = int(per_second * seconds)
        phones = [self._phone() for _ in range(count)]
        waits: list[float] = []
        loop = asyncio.get_running_loop()
        began, began_loop = self._now(), loop.time()

        async def chat(phone: Phone, number: int) -> None:
            waits.append(await self._ask(phone, number))

        async with asyncio.TaskGroup() as group:
            for number, phone in enumerate(phones):
                due = began_loop + number / per_second
                await asyncio.sleep(max(0.0, due - loop.time()))
                group.create_task(chat(phone, number))
        return await self._end(began, waits, count)

    async def tell(self, messages: int, redis_url: str) -> dict[str, Any]:
        """One new contact with so much to say, each time a fact and a question.

        Frontdesk sends one contact 45 messages at once and then one in six seconds, as WhatsApp has
        it: so that this ends today, it is made to forget in Redis what it has sent.
        """
        await self._begin()
        phone = self._phone()
        began = self._now()
        waits = []
        async with Redis.from_url(redis_url) as redis:
            for number in range(messages):
                told = f"My order {number} is A-{10_000 + number}. "
                waits.append(await self._ask(phone, number, told))
                if number % 40 == 39:
                    await redis.flushdb()
        return await self._end(began, waits, messages)

    async def flood(self, contacts: int) -> dict[str, Any]:
        """So many new contacts at once, a message each; also how many calls were open at most."""
        result = await self.saturate(contacts, 1)
        model = self._simulator.model
        return {**result, "most_open": model.most_open_requests, "calls": model.calls}

    async def most_open(self) -> dict[str, Any]:
        """How many model calls were open at most since the last time, and how many there were."""
        model = self._simulator.model
        told = {"most_open": model.most_open_requests, "calls": model.calls}
        await self._begin()
        return told

    async def _begin(self) -> None:
        await self._simulator.reset()
        gc.collect()

    async def _ask(self, phone: Phone, number: int, told: str = "") -> float:
        asked_at = self._now()
        before = len(phone.replies)
        phone.say(told + QUESTIONS[number % len(QUESTIONS)])
        if not await phone.thread.wait_until(
            lambda: len(phone.thread.replies) > before, _PATIENCE_SECONDS
        ):
            raise TimeoutError(f"no reply within {_PATIENCE_SECONDS:g} seconds")
        return phone.thread.replies[before].at - asked_at

    async def _end(self, began: float, waits: list[float], count: int) -> dict[str, Any]:
        """What happened, once the last status webhook has been taken."""
        log = self._simulator.whatsapp.log
        seconds = max(accepted.at for accepted in log) - began
        await self._simulator.settle(30)
        if len(log) != count:
            raise RuntimeError(f"{count} messages got {len(log)} replies")
        return {"messages": count, "seconds": seconds, "waits": waits}

    def _phone(self) -> Phone:
        number = next(self._numbers)
        return self._simulator.phone(
            str(number), channel=self._channels[number % len(self._channels)]
        )

    def _now(self) -> float:
        return self._simulator.world.now()


async def serve(app_secret: str) -> None:
    """Run the simulator, say where, and answer questions until standard input ends."""
    settings = SimulatorSettings(
        app_secret=app_secret, record_model_requests=False, retry_pauses_seconds=(0.05,)
    )
    loop = asyncio.get_running_loop()
    async with (
        httpx.AsyncClient(transport=LeanTransport()) as client,
        running(settings, client) as simulator,
    ):
        outside = Outside(simulator)
        told: Any = {
            "url": simulator.url,
            "groq": simulator.groq_url,
            "openai": simulator.openai_url,
        }
        while True:
            print(orjson.dumps(told).decode(), flush=True)
            # In a thread: the simulator goes on while nobody asks.
            line = await loop.run_in_executor(None, sys.stdin.readline)
            if not line:
                return
            try:
                told = await outside.answer(orjson.loads(line))
            except Exception as error:
                told = {"error": f"{type(error).__name__}: {_cause(error)}"}


def _cause(error: BaseException) -> BaseException:
    return _cause(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def main() -> None:
    """Be the outside world; the app secret is the argument."""
    import uvloop

    uvloop.run(serve(sys.argv[1]))


if __name__ == "__main__":
    main()
