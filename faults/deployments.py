"""Workers stopped in good order, replaced while they work, and paused for longer than a lease."""

import asyncio
import signal

from faults.scenario import Broken, Scenario
from faults.site import Site

_LEASE_SECONDS = 90.0  # WORKER__LEASE_SECONDS by default.
_PAUSE_AFTER_MARK_SECONDS = 6.0  # A worker gives a marked send up after 5.


async def _replaced_while_thinking(site: Site) -> None:
    """Both workers are told to end while models think for them."""
    site.simulator.configure(model_latency_seconds=(1.0, 2.0))
    writing = asyncio.create_task(site.chat())
    await _thinking(site)
    for worker in site.workers:
        await site.replace(worker)
    await writing


async def _six_deployments(site: Site) -> None:
    """Conversations go on while every process is replaced six times."""
    site.simulator.configure(model_latency_seconds=(0.3, 1.0))
    phones = [site.phone(tenant) for tenant in site.tenants]
    for _ in range(6):
        for phone in phones:
            site.say(phone)
        await _thinking(site)
        for member in (site.web, *site.workers):
            await site.replace(member)


async def _paused_with_a_draft(site: Site) -> None:
    """Both workers pause with drafts in hand, and wake when others have answered long since."""
    plan = await site.arm("after_model", times=2, how=signal.SIGSTOP)
    paused = site.workers
    await site.chat(bursts=1)
    await site.until(lambda: plan.is_fulfilled, 60, "the workers did not pause")
    site.start("worker")
    # A worker that paused in the middle of a statement keeps its locks until Postgres ends that.
    await site.until(
        lambda: site.clock.skip(2 * _LEASE_SECONDS), 60, "a paused worker keeps its locks"
    )
    await site.drain()
    turns = await _count(site, "turn")
    for worker in paused:
        site.go_on(worker)
    # Work in hand ends first, so the drafts have been offered and refused by then.
    for worker in paused:
        await site.terminate(worker)
    calls = await _count(site, "llm_call WHERE feature = 'reply'")
    if calls <= turns or await _count(site, "turn") != turns:
        raise Broken(f"no draft was thrown away: {calls} drafts for {turns} turns")


async def _paused_before_the_post(site: Site) -> None:
    """A worker pauses between mark and POST, and wakes when the send is another's again."""
    plan = await site.arm("after_mark", times=1, how=signal.SIGSTOP)
    paused = site.workers
    await site.chat(contacts=6)
    await site.until(lambda: plan.is_fulfilled, 60, "no worker paused")
    woken = asyncio.get_running_loop().time() + _PAUSE_AFTER_MARK_SECONDS
    await site.drain()
    await asyncio.sleep(woken - asyncio.get_running_loop().time())
    for worker in paused:
        site.go_on(worker)
    for worker in paused:
        await site.replace(worker)


async def _thinking(site: Site) -> None:
    await site.until(lambda: site.simulator.model.open_requests, 60, "no model was asked")


async def _count(site: Site, rows: str) -> int:
    return int((await site.sql(f"SELECT count(*) AS n FROM {rows}"))[0]["n"])


SCENARIOS = (
    Scenario(
        name="workers-replaced-thinking",
        point="SIGTERM while a model thinks",
        left="the turn in hand",
        follows="it ends within the drain; nothing new is taken",
        outcome="once",
        play=_replaced_while_thinking,
    ),
    Scenario(
        name="drain-too-short",
        point="SIGTERM, and the model takes longer than the drain",
        left="a lease",
        follows="claimed again when it ends; the model is paid twice",
        outcome="once, late",
        play=_replaced_while_thinking,
        settings={"WORKER__DRAIN_SECONDS": "0.2"},
    ),
    Scenario(
        name="six-deployments",
        point="six deployments of all processes during one conversation",
        left="the turns in hand",
        follows="they end within the drain, new processes take the next; Meta delivers again what "
        "came while there was no web process",
        outcome="once",
        play=_six_deployments,
    ),
    Scenario(
        name="worker-paused-two-leases",
        point="a slow worker wakes after its lease has ended",
        left="an old token",
        follows="decide refuses its draft",
        outcome="once",
        play=_paused_with_a_draft,
        fast=True,
    ),
    Scenario(
        name="worker-paused-before-post",
        point="a worker wakes between mark and POST, after more than 5 s",
        left="`sending`, after 30 s `unknown`",
        follows="it does not send; once the channel is proven alive another does",
        outcome="once, about 90 s late",
        play=_paused_before_the_post,
    ),
)
