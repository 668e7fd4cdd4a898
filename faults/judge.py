"""Playing a scenario and judging it by what WhatsApp really took."""

import time
import traceback
from collections import defaultdict
from typing import Any

from faults import traffic
from faults.scenario import Broken, Result, Scenario, Tally, broken_promises
from faults.site import Site
from frontdesk.observability import check_invariants

# What became of each message, as the database tells it: its place, and whether a person has it.
_FATES = """
SELECT m.wamid, m.conversation_id, m.seq,
    k.status = 'WITH_HUMAN' OR t.outcome = 'handoff'
    OR EXISTS (SELECT 1 FROM outbound o WHERE o.tenant_id = t.tenant_id AND o.turn_id = t.id
               AND o.state IN ('failed', 'needs_attention')) AS with_person
FROM message m
JOIN conversation k ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id
LEFT JOIN turn t ON t.tenant_id = m.tenant_id AND t.conversation_id = m.conversation_id
    AND m.seq BETWEEN t.from_seq AND t.to_seq
WHERE m.direction = 'in'
"""


async def run(site: Site, scenario: Scenario, seed: int) -> Result:
    """Play a scenario on the site and judge it. Nothing of it is left afterwards."""
    began = time.monotonic()
    broken: list[str] = []
    try:
        await site.begin(f"{seed}:{scenario.name}", scenario.settings)
        try:
            await scenario.play(site)
            await site.drain()
        except Broken as error:
            broken.append(str(error))
        except Exception as error:  # The other scenarios are still worth playing.
            traceback.print_exc()
            broken.append(f"{type(error).__name__}: {error}")
        drained = time.monotonic() - site.written_at + site.clock.skipped_seconds
        tally = await count(site)
        broken += broken_promises(scenario, tally, site.most_twice)
        broken += await broken_invariants(site)
    finally:
        await site.end()
    wall = time.monotonic() - began
    return Result(scenario, tally, drained, wall, tuple(broken), tuple(site.notes))


async def count(site: Site) -> Tally:
    """Compare what was written with WhatsApp's accept log and with the record of outcomes."""
    answers: dict[str, int] = defaultdict(int)
    accepted = [(entry, traffic.codes_in(entry.text)) for entry in site.simulator.whatsapp.log]
    replies = [(entry, codes) for entry, codes in accepted if codes]
    for _, codes in replies:
        for code in codes:
            answers[code] += 1
    fates = {row["wamid"]: row for row in await site.sql(_FATES)}
    without = [written for code, written in site.written.items() if not answers[code]]
    shown = [w for w in without if w.wamid in fates and fates[w.wamid]["with_person"]]
    return Tally(
        messages=len(site.written),
        replies=len(replies),
        to_person=len(shown),
        unanswered=tuple(w.code for w in without if w not in shown),
        twice=tuple(code for code in site.written if answers[code] > 1),
        out_of_order=_out_of_order(site, [codes for _, codes in replies], fates),
    )


def _out_of_order(site: Site, replies: list[tuple[str, ...]], fates: dict[str, Any]) -> int:
    """Answers that came after one to a later message; a repeated answer is not counted again."""
    newest: dict[Any, int] = defaultdict(int)
    seen: set[tuple[str, ...]] = set()
    found = 0
    for codes in replies:
        places = [fates[site.written[c].wamid] for c in codes if c in site.written]
        places = [place for place in places if place is not None and place["seq"] is not None]
        if not places:
            continue
        conversation_id = places[0]["conversation_id"]
        last = max(place["seq"] for place in places)
        found += last < newest[conversation_id] and codes not in seen
        newest[conversation_id] = max(last, newest[conversation_id])
        seen.add(codes)
    return found


async def broken_invariants(site: Site) -> list[str]:
    """The invariants of the database that do not hold, in words."""
    async with site.resources.db.system() as connection:
        results = await check_invariants(connection)
    return [
        f"{result.name}: {result.broken}, such as {result.examples[0]}"
        for result in results
        if not result.ok
    ]
