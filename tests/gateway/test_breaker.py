"""The breaker: shared by processes through Redis, and local while Redis is down."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import pytest
from arq import ArqRedis
from pydantic import SecretStr

from frontdesk.core import ids
from frontdesk.core.redis import connect
from frontdesk.core.resources import Resources
from frontdesk.core.settings import RedisSettings
from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.breaker import Admission, Breaker, Circuit

from .conftest import Desk, MakeDesk

DOWN = Outcome.PROVIDER_DOWN


class Clock:
    """A clock that only goes when told to; of the process, Redis keeps its own."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def redis(desk: Desk) -> ArqRedis:
    return desk.resources.redis


@pytest.fixture
def model() -> str:
    return f"groq/{ids.new()}"


async def fail(breaker: Breaker, model: str, times: int, retry_after: float | None = None) -> None:
    for _ in range(times):
        admission = await breaker.admit(model)
        await breaker.settle(model, DOWN, admission, retry_after)


async def age(redis: ArqRedis, model: str, milliseconds: int) -> None:
    """Let the open time of a model's breaker have begun that much earlier."""
    key = f"platform:breaker:v1:{model}"
    for name in ("open", "probe"):
        if (value := await redis.hget(key, name)) is not None:
            await redis.hset(key, name, int(value) - milliseconds)


def is_left(wait_seconds: float, of_seconds: float, began: float) -> bool:
    """Whether that much is left of what was told since `began`, however long that is ago."""
    return of_seconds - (time.monotonic() - began) - 0.1 < wait_seconds <= of_seconds


async def test_five_failures_in_a_row_open_it_for_every_process(
    redis: ArqRedis, model: str
) -> None:
    one, other = Breaker(redis), Breaker(redis)
    await fail(one, model, 4)
    assert not (await one.admit(model)).is_open
    began = time.monotonic()
    await fail(one, model, 1)
    assert (await one.admit(model)).is_open
    admission = await other.admit(model)
    assert admission.is_open
    assert is_left(admission.wait_seconds, 30, began)


async def test_failures_of_two_processes_add_up(redis: ArqRedis, model: str) -> None:
    one, other = Breaker(redis), Breaker(redis)
    await fail(one, model, 3)
    await fail(other, model, 2)
    assert (await one.admit(model)).is_open


async def test_a_success_ends_the_row(redis: ArqRedis, model: str) -> None:
    breaker = Breaker(redis)
    await fail(breaker, model, 4)
    await breaker.settle(model, Outcome.OK, await breaker.admit(model), None)
    await fail(breaker, model, 4)
    assert not (await breaker.admit(model)).is_open


async def test_a_refusal_with_reasons_shows_that_the_provider_is_up(
    redis: ArqRedis, model: str
) -> None:
    breaker = Breaker(redis)
    for _ in range(8):
        await breaker.settle(model, Outcome.BAD_REQUEST, await breaker.admit(model), None)
    assert not (await breaker.admit(model)).is_open


async def test_one_call_probes_and_its_success_closes(redis: ArqRedis, model: str) -> None:
    clock = Clock()
    one, other = Breaker(redis, clock), Breaker(redis)
    await fail(one, model, 5)
    await age(redis, model, 30_000)
    clock.now += 30
    probe = await one.admit(model)
    assert probe.is_probe
    assert (await other.admit(model)).is_open
    await one.settle(model, Outcome.OK, probe, None)
    assert not (await Breaker(redis).admit(model)).is_open


async def test_a_probe_that_fails_opens_it_again(redis: ArqRedis, model: str) -> None:
    clock = Clock()
    breaker = Breaker(redis, clock)
    await fail(breaker, model, 5)
    await age(redis, model, 30_000)
    clock.now += 30
    began = time.monotonic()
    await breaker.settle(model, DOWN, await breaker.admit(model), None)
    assert is_left((await Breaker(redis).admit(model)).wait_seconds, 30, began)


async def test_late_answers_from_before_it_opened_change_nothing(
    redis: ArqRedis, model: str
) -> None:
    breaker = Breaker(redis)
    before = await breaker.admit(model)
    await fail(breaker, model, 5)
    await breaker.settle(model, Outcome.OK, before, None)
    assert (await Breaker(redis).admit(model)).is_open


async def test_a_retry_after_keeps_it_open_for_as_long(redis: ArqRedis, model: str) -> None:
    breaker = Breaker(redis)
    await fail(breaker, model, 4)
    began = time.monotonic()
    await breaker.settle(model, Outcome.RATE_LIMITED, await breaker.admit(model), 120)
    assert is_left((await Breaker(redis).admit(model)).wait_seconds, 120, began)


async def test_calls_that_go_well_cost_no_round_trip(redis: ArqRedis, model: str) -> None:
    clock = Clock()
    breaker = Breaker(redis, clock)

    async def commands() -> int:
        return int((await redis.info("stats"))["total_commands_processed"])

    await breaker.settle(model, Outcome.OK, await breaker.admit(model), None)
    before = await commands()
    for _ in range(100):
        await breaker.settle(model, Outcome.OK, await breaker.admit(model), None)
    assert await commands() - before < 50  # Other tests may use the same Redis meanwhile.


@pytest.fixture
async def no_redis() -> AsyncIterator[ArqRedis]:
    redis = connect(RedisSettings(url=SecretStr("redis://127.0.0.1:1/0"), socket_timeout_seconds=1))
    yield redis
    await redis.aclose(close_connection_pool=True)


async def test_without_redis_each_process_keeps_its_own(no_redis: ArqRedis, model: str) -> None:
    clock = Clock()
    breaker = Breaker(no_redis, clock)
    await fail(breaker, model, 5)
    admission = await breaker.admit(model)
    assert admission.is_open
    clock.now += 30
    assert (await breaker.admit(model)).is_probe
    assert (await breaker.admit(model)).is_open


async def test_a_probe_whose_caller_goes_away_makes_room_for_another(
    redis: ArqRedis, model: str
) -> None:
    clock = Clock()
    breaker = Breaker(redis, clock)
    await fail(breaker, model, 5)
    await age(redis, model, 30_000)
    clock.now += 30
    await breaker.withdraw(model, await breaker.admit(model))
    probe = await Breaker(redis).admit(model)
    assert probe.is_probe
    # One that is not the probe has nothing to give back.
    await breaker.withdraw(model, Admission())
    assert (await Breaker(redis).admit(model)).is_open


async def test_who_is_told_to_come_back_late_does_not_come_before(
    redis: ArqRedis, no_redis: ArqRedis, model: str
) -> None:
    for breaker in (Breaker(redis), Breaker(no_redis)):
        await breaker.settle(model, Outcome.RATE_LIMITED, await breaker.admit(model), 2)
        assert not (await breaker.admit(model)).is_open
        await breaker.settle(model, Outcome.RATE_LIMITED, await breaker.admit(model), 90)
        admission = await breaker.admit(model)
        assert admission.is_open
        assert 60 < admission.wait_seconds <= 90


async def test_an_emptied_redis_does_not_let_calls_through_at_once(
    redis: ArqRedis, model: str
) -> None:
    clock = Clock()
    breaker = Breaker(redis, clock)
    await fail(breaker, model, 5)
    await redis.delete(f"platform:breaker:v1:{model}")
    # By the clock of the process, which stands still.
    assert 29 < (await breaker.admit(model)).wait_seconds <= 30
    clock.now += 30
    assert await breaker.admit(model) == Admission()


@pytest.fixture
async def read_only(redis: ArqRedis, opened: Resources) -> AsyncIterator[ArqRedis]:
    """The same Redis, which takes no writes from us."""
    await redis.execute_command(
        "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@all", "-@write", "+eval", "+evalsha"
    )
    url = opened.settings.redis.url.get_secret_value().replace("://", "://reader:secret@")
    made = connect(RedisSettings(url=SecretStr(url), socket_timeout_seconds=1))
    yield made
    await made.aclose(close_connection_pool=True)
    await redis.execute_command("ACL", "DELUSER", "reader")


async def test_with_a_redis_that_takes_no_writes_each_process_keeps_its_own(
    read_only: ArqRedis, model: str
) -> None:
    clock = Clock()
    breaker = Breaker(read_only, clock)
    await fail(breaker, model, 5)
    clock.now += 2
    assert (await breaker.admit(model)).is_open
    clock.now += 30
    assert not (await breaker.admit(model)).is_open


ANOTHER_PROCESS = """
import asyncio, sys
from pydantic import SecretStr
from frontdesk.core.redis import connect
from frontdesk.core.resources import Resources
from frontdesk.core.settings import RedisSettings
from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.breaker import Breaker

async def main(url, model):
    redis = connect(RedisSettings(url=SecretStr(url)))
    breaker = Breaker(redis)
    print((await breaker.admit(model)).is_open)
    for _ in range(3):
        await breaker.settle(model, Outcome.TIMEOUT, await breaker.admit(model), None)
    print((await breaker.admit(model)).is_open)
    await redis.aclose(close_connection_pool=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_process_of_its_own_sees_and_adds_to_what_others_saw(
    redis: ArqRedis, model: str
) -> None:
    breaker = Breaker(redis)
    await fail(breaker, model, 2)
    known = redis.connection_pool.connection_kwargs
    url = f"redis://{known['host']}:{known['port']}/{known['db']}"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ANOTHER_PROCESS, url, model, stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert told.split() == [b"False", b"True"]
    # What was believed a moment ago is looked at again within a second.
    assert (await Breaker(redis).admit(model)).is_open


def test_failures_far_apart_do_not_open() -> None:
    circuit = Circuit()
    for minute in range(10):
        circuit.fail(minute * 61.0, 30, is_enough=False)
    assert circuit.admit(600) == Admission()


async def test_many_calls_at_once_open_it_once(make_desk: MakeDesk, model: str) -> None:
    breaker = Breaker(make_desk().resources.redis)
    admissions = await asyncio.gather(*(breaker.admit(model) for _ in range(20)))
    await asyncio.gather(*(breaker.settle(model, DOWN, item, None) for item in admissions))
    assert (await breaker.admit(model)).is_open
