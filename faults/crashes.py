"""kill -9 at the points of the failure matrix, twice in a row at each, and at random moments."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faults.scenario import Broken, Scenario
from faults.site import Site
from frontdesk.core.crash import CrashPlan

WEB_POINTS = ("before_accept", "after_accept")
WORKER_POINTS = (
    "before_receive_commit",
    "before_settle",
    "after_claim",
    "after_model",
    "before_decide_commit",
    "after_decide",
    "after_mark",
    "after_post",
    "after_finish",
)
# Behind these a piece of work never comes by again; at all others both deaths are of the same.
_ONCE = ("after_decide", "after_post", "after_finish")


def _dying_at(*points: str, times: int) -> Callable[[Site], Awaitable[None]]:
    async def play(site: Site) -> None:
        """So many processes in a row die at each point, of the same work, while contacts write."""
        again = times > 1 and not set(points) & set(_ONCE)
        plan = await site.arm(*points, times=times, again=again)
        await site.chat()
        await site.drain()
        happened(site, plan)
        if {"after_decide", "after_mark"} & set(points):
            await site.became_unknown(times)

    return play


def happened(site: Site, plan: CrashPlan) -> None:
    """See that as many died at each point as were to, each a process of the right kind."""
    deaths = plan.deaths()
    if not plan.is_fulfilled:
        raise Broken(
            f"processes died at {sorted(d.point for d in deaths)}, not {plan.times} at each"
        )
    for death in deaths:
        role = "web" if death.point in WEB_POINTS else "worker"
        if site.roles.get(death.pid) != role:
            raise Broken(f"what died at {death.point} was no {role}")


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
        "before_receive_commit",
        "worker-dies-receiving",
        point="worker before it commits what a tenant received",
        left="nothing of that tenant's part; the raw webhook, claimed",
        follows="claimed again after 10 s",
        outcome="once",
    ),
    _crash(
        "before_settle",
        "worker-dies-before-settling",
        point="worker when all is received and the webhook not settled",
        left="the messages; the raw webhook, claimed",
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
        point="worker after decide, before the POST left",
        left="`sending`, after 30 s `unknown`",
        follows="no status, and the channel is proven alive: sent again",
        outcome="once, about 90 s late",
    ),
    _crash(
        "after_mark",
        "worker-dies-before-post",
        point="worker after the mark, before the POST left",
        left="`sending`, after 30 s `unknown`",
        follows="no status, and the channel is proven alive: sent again",
        outcome="once, about 90 s late for each death",
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
