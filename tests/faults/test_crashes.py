"""kill -9 at the points of the failure matrix: one reply each, none lost, none twice."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
from tests.conftest import LateApp
from tests.desk import eventually
from tests.faults.site import Site

from frontdesk.simulator import Simulator

pytestmark = pytest.mark.timeout(120)


WORKER_POINTS = (
    "during_receive",
    "after_claim",
    "after_model",
    "before_decide_commit",
    "after_decide",
    "after_post",
    "after_finish",
)


@pytest.mark.parametrize("point", WORKER_POINTS)
async def test_a_worker_killed_at_any_point_answers_once(site: Site, point: str) -> None:
    phone = site.desk.phone()
    doomed = site.start_worker(crash_at=point)
    phone.say("How long does delivery take?")
    await site.died(doomed)
    await site.let_time_pass()
    site.start_worker()
    await eventually(lambda: phone.replies, seconds=40)
    await _settled(site)
    assert len(phone.replies) == 1, phone.replies
    assert "3 to 5 working days" in phone.replies[0]
    await _no_gaps(site)


@pytest.mark.parametrize("point", ["before_accept", "after_accept"])
async def test_a_web_process_killed_while_it_accepts_loses_and_doubles_nothing(
    site: Site, world: tuple[Simulator, LateApp], point: str
) -> None:
    simulator, way_in = world
    before = simulator.settings.webhook_url
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    way_in.inner = transport = httpx.AsyncHTTPTransport()
    simulator.configure(webhook_url=f"http://127.0.0.1:{port}/webhooks/whatsapp")
    try:
        doomed = site.start_web(port, crash_at=point)
        phone = site.desk.phone()
        phone.say("How long does delivery take?")  # Delivered again until it is taken.
        await site.died(doomed)
        site.start_web(port)
        site.start_worker()
        await eventually(lambda: phone.replies, seconds=40)
        await _settled(site)
        assert len(phone.replies) == 1
    finally:
        await simulator.settle()
        simulator.configure(webhook_url=before)
        await transport.aclose()


async def test_a_send_that_never_left_is_repeated_once_the_channel_is_proven_alive(
    site: Site,
) -> None:
    phone = site.desk.phone()
    doomed = site.start_worker(crash_at="after_mark")
    phone.say("How long does delivery take?")
    await site.died(doomed)
    await site.let_time_pass()
    site.start_worker()
    await eventually(lambda: _states(site, "unknown"), seconds=40)
    await site.let_time_pass()
    await asyncio.sleep(1.5)
    assert phone.replies == [], "without evidence nothing is sent again"
    other = site.desk.phone("4915550002")
    other.say("When are you open?")
    await eventually(lambda: other.replies, seconds=20)
    await site.let_time_pass(sends_moved_back_seconds=20)
    await eventually(lambda: phone.replies, seconds=20)
    await _settled(site)
    assert len(phone.replies) == 1


async def test_two_workers_killed_at_the_same_point_still_answer_once(site: Site) -> None:
    phone = site.desk.phone()
    for number in (1, 2):
        doomed = site.start_worker(crash_at="after_claim")
        if number == 1:
            phone.say("How long does delivery take?")
        await site.died(doomed)
        site.marker("after_claim").unlink()
        await site.let_time_pass()
    site.start_worker()
    await eventually(lambda: phone.replies, seconds=40)
    await _settled(site)
    assert len(phone.replies) == 1


async def _states(site: Site, state: str) -> list[Any]:
    return await site.desk.sql("SELECT id FROM outbound WHERE state = $1", state)


async def _settled(site: Site) -> None:
    """Whatever could still be sent has had its time."""
    await eventually(
        lambda: site.desk.sql(
            "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbound WHERE state <> 'sent')"
        ),
        seconds=20,
    )
    await asyncio.sleep(0.5)


async def _no_gaps(site: Site) -> None:
    rows = await site.desk.sql("SELECT from_seq, to_seq, outcome FROM turn ORDER BY from_seq")
    assert [(row["from_seq"], row["to_seq"], row["outcome"]) for row in rows] == [(1, 1, "replied")]
