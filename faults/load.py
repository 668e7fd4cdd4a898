"""More than there is room for: one tenant's crowd, one contact's flood, and work that piles up."""

import asyncio
import statistics
import time
from pathlib import Path

from faults.scenario import Broken, Scenario
from faults.site import Site
from faults.tenants import Tenant
from frontdesk.simulator import Phone

_CROWD = 150
_CROWD_PAUSE_SECONDS = 8.0
_QUIET_MESSAGES = 20
_QUIET_PAUSE_SECONDS = 0.3
# By how much a crowd may raise a neighbour's median answer time.
_MOST_SLOWER = 0.2
_ROUNDS = 3
# As real ones take. With models that answer at once a crowd is a test of this machine's two cores,
# which web, workers, servers and simulator divide.
_MODEL_SECONDS = (1.0, 2.0)

_FLOOD = 5_000
_FLOOD_SECONDS = 50.0
_IN_ONE_WEBHOOK = 5
_MOST_FLOOD_ANSWERS = 60
_MOST_GROWTH_BYTES = 150 * 1024 * 1024

_WAITING = 24
_WAITED_SECONDS = 60.0


async def _crowd(site: Site) -> None:
    """A quiet tenant's contacts write alone, then while 150 of another tenant's write at once."""
    site.simulator.configure(model_latency_seconds=_MODEL_SECONDS)
    crowded, quiet, _ = site.tenants
    await _quiet_chat(site, quiet, messages=5)  # What is slow only once is not measured.
    slower, found = [], []
    for _ in range(_ROUNDS):
        alone = await _quiet_chat(site, quiet)
        beside = await _beside_a_crowd(site, crowded, quiet)
        slower.append(statistics.median(beside) / statistics.median(alone) - 1)
        found.append(f"{_times(beside)} beside a crowd, {_times(alone)} alone")
        await site.drain()
    if statistics.median(slower) > _MOST_SLOWER:
        raise Broken(f"answers took {'; '.join(found)}")


async def _beside_a_crowd(site: Site, crowded: Tenant, quiet: Tenant) -> list[float]:
    crowd = [site.phone(crowded) for _ in range(_CROWD)]
    writing = asyncio.create_task(_write_on(site, crowd))
    try:
        return await _quiet_chat(site, quiet)
    finally:
        writing.cancel()


async def _write_on(site: Site, crowd: list[Phone]) -> None:
    """All of a crowd write within a second, again and again."""
    while True:
        for phone in crowd:
            site.say(phone)
            await asyncio.sleep(1 / len(crowd))
        await asyncio.sleep(_CROWD_PAUSE_SECONDS)


async def _quiet_chat(site: Site, tenant: Tenant, messages: int = _QUIET_MESSAGES) -> list[float]:
    """New contacts of a tenant write one message each; how many seconds each answer took."""
    said: dict[str, float] = {}
    for _ in range(messages):
        phone = site.phone(tenant)
        said[phone.contact.number] = time.time()
        site.say(phone)
        await asyncio.sleep(_QUIET_PAUSE_SECONDS)
    took: dict[str, float] = {}

    def all_answered() -> bool:
        for entry in site.simulator.whatsapp.log:
            if entry.number in said and entry.number not in took:
                took[entry.number] = entry.at - said[entry.number]
        return len(took) == len(said)

    await site.until(all_answered, 60, "contacts of a quiet tenant wait for an answer")
    return list(took.values())


def _times(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} s (at most {max(seconds):.2f})"


async def _flood(site: Site) -> None:
    """One contact writes 5,000 messages within a minute while other tenants' contacts write."""
    flooder = site.phone()
    grown = {worker.pid: -_memory_bytes(worker.pid) for worker in site.workers}
    others = asyncio.create_task(site.chat(contacts=12, over_seconds=_FLOOD_SECONDS / 2))
    began = time.monotonic()
    for number in range(0, _FLOOD, _IN_ONE_WEBHOOK):
        flooder.say_together(*(f"{number + n}?" for n in range(_IN_ONE_WEBHOOK)))
        await asyncio.sleep(began + _FLOOD_SECONDS * number / _FLOOD - time.monotonic())
    await others
    await site.drain()
    rows = await site.sql(
        "SELECT coalesce(ignored_reason, '') AS ignored, count(*) AS n FROM message m "
        "JOIN conversation k ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id "
        "JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id "
        "WHERE m.direction = 'in' AND c.wa_id = $1 GROUP BY 1",
        flooder.contact.number,
    )
    stored = {row["ignored"]: row["n"] for row in rows}
    if sum(stored.values()) != _FLOOD:
        raise Broken(f"{_FLOOD} messages were written and {sum(stored.values())} are stored")
    answers = len(flooder.replies)
    if not 1 <= answers <= _MOST_FLOOD_ANSWERS or set(stored) != {"", "rate_limited"}:
        raise Broken(f"a flood of {stored} got {answers} answers")
    for pid in grown:
        grown[pid] += _memory_bytes(pid)
    if max(grown.values()) > _MOST_GROWTH_BYTES:
        raise Broken(f"workers grew by {[n >> 20 for n in grown.values()]} MiB")


def _memory_bytes(pid: int) -> int:
    """What a process holds in memory of its own."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise Broken(f"process {pid} does not tell its memory")


async def _piled_up(site: Site) -> None:
    """Bursts have waited for a minute when the first worker with little room comes back."""
    phones = [site.phone(site.tenants[n % 2]) for n in range(_WAITING)]
    for phone in phones:
        site.say(phone)
    site.say(site.phone(), "I want to talk to a human being")
    await site.until(lambda: _received(site, _WAITING + 1), 20, "the messages are not received")
    for worker in site.workers:
        await site.terminate(worker)
    await site.clock.skip(_WAITED_SECONDS)
    site.start("worker")
    await site.drain()
    rows = await site.sql(
        'SELECT count(*) AS n FROM turn WHERE trace @> \'[{"stage": "shed"}]\'::jsonb'
    )
    if not rows[0]["n"]:
        raise Broken("no turn went without anything")


async def _received(site: Site, messages: int) -> bool:
    rows = await site.sql("SELECT count(*) AS n FROM message WHERE direction = 'in'")
    return int(rows[0]["n"]) == messages


SCENARIOS = (
    Scenario(
        name="crowd-of-one-tenant",
        point="a tenant's contacts all write at once",
        left="bursts over the tenant's share, due",
        follows="tenants take turns; a tenant has so many in hand and no more",
        outcome="once, late for that tenant; others at most a fifth slower",
        play=_crowd,
        alone=True,
    ),
    Scenario(
        name="flood-of-one-contact",
        point="a contact writes 5,000 messages in a minute",
        left="–",
        follows="all are stored and shown; what is over the limit is not answered",
        outcome="once for all others",
        play=_flood,
        alone=True,
    ),
    Scenario(
        name="work-piles-up",
        point="due work has waited for a minute",
        left="bursts, overdue",
        follows="answered without model triage, packets and typing; a wish for a person is heard",
        outcome="once, or a person",
        play=_piled_up,
        ends=("a person has it, requested",),
        most_to_person=1,
        # Time for all to be received before any is due, and room for few at a time.
        settings={
            "WORKER__DEBOUNCE_SECONDS": "5",
            "WORKER__CONVERSATIONS_AT_ONCE": "2",
            "WORKER__DRAIN_SECONDS": "1",
        },
    ),
)
