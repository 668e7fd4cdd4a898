"""kill -9 at the points of the failure matrix, twice in a row at each, and at random moments."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faults.scenario import Broken, Scenario
from faults.site import Site

WEB_POINTS = ("before_accept", "after_accept")
WORKER_POINTS = (
    "during_receive",
    "after_claim",
    "after_model",
    "before_decide_commit",
    "after_decide",
    "after_mark",
    "after_post",
    "after_finish",
)


def _dying_at(*points: str, times: int) -> Callable[[Site], Awaitable[None]]:
    async def play(site: Site) -> None:
        """So many processes in a row die at each point while contacts write."""
        plan = await site.arm(*points, times=times)
        await site.chat()
        await site.drain()
        if not plan.is_fulfilled:
            raise Broken(f"{plan.deaths()} processes died at {', '.join(points)}")

    return play


async def _at_random(site: Site) -> None:
    """Any process dies at any moment, for as long as contacts write."""
    writing = asyncio.create_task(site.chat(contacts=24, bursts=3, over_seconds=10))
    while not writing.done():
        await asyncio.sleep(site.chance.uniform(0.3, 1.0))
        site.kill(site.chance.choice([site.web, *site.workers]))
    await writing


def _crash(dies_at: str, name: str, **row: Any) -> Scenario:
    return Scenario(name=name, play=_dying_at(dies_at, times=2), **row)


SCENARIOS = (
    _crash(
        "before_accept",
        "web-dies-before-commit",
        point="web, before the commit",
        left="nothing",
        follows="Meta delivers again",
        outcome="once",
    ),
    _crash(
        "after_accept",
        "web-dies-before-200",
        point="web, after the commit, before the 200",
        left="the raw webhook",
        follows="Meta delivers again; the message is known",
        outcome="once",
    ),
    _crash(
        "during_receive",
        "worker-dies-receiving",
        point="worker while it receives",
        left="nothing of a tenant's part, or all of it",
        follows="claimed again after 10 s; known messages are skipped",
        outcome="once",
    ),
    _crash(
        "after_claim",
        "worker-dies-after-claim",
        point="worker after its claim",
        left="a lease",
        follows="claimed again when it ends, after 90 s",
        outcome="once, late",
    ),
    _crash(
        "after_model",
        "worker-dies-thinking",
        point="worker while it thinks",
        left="a lease",
        follows="claimed again when it ends; the model is paid twice",
        outcome="once, late",
    ),
    _crash(
        "before_decide_commit",
        "worker-dies-deciding",
        point="worker before decide commits",
        left="the lease",
        follows="the same",
        outcome="once, late",
    ),
    _crash(
        "after_decide",
        "worker-dies-after-decide",
        point="worker after decide",
        left="an outbound row, pending",
        follows="the sweep sends it",
        outcome="once",
    ),
    _crash(
        "after_mark",
        "worker-dies-before-post",
        point="worker after the mark, before the POST left",
        left="`sending`, after 30 s `unknown`",
        follows="no status, and the channel is proven alive: sent again",
        outcome="once, about 90 s late",
    ),
    _crash(
        "after_post",
        "worker-dies-after-post",
        point="worker after the POST, before it is written down",
        left="`sending`",
        follows="WhatsApp's status settles it",
        outcome="once",
    ),
    _crash(
        "after_finish",
        "worker-dies-after-finish",
        point="worker after it is written down",
        left="`sent`",
        follows="–",
        outcome="once",
    ),
    Scenario(
        name="dies-at-every-point",
        point="web and workers, once at each of the points above",
        left="all of the above",
        follows="all of the above",
        outcome="once, late",
        play=_dying_at(*WEB_POINTS, *WORKER_POINTS, times=1),
        fast=True,
    ),
    Scenario(
        name="kills-at-random",
        point="any process, at random moments",
        left="any of the above",
        follows="any of the above",
        outcome="once, late",
        play=_at_random,
    ),
)
