"""Playing a scenario and judging it by what WhatsApp really took."""

import time
import traceback
from collections import Counter, defaultdict
from typing import Any

from faults import traffic
from faults.scenario import Broken, Result, Scenario, Tally, broken_promises
from faults.site import Site
from frontdesk.observability import check_invariants

# What became of each message, as the database tells it, and its place. Only a person's are followed by
# what they are about: the reason of the handoff, or how the send of the reply ended.
_FATES = """
SELECT m.wamid, m.conversation_id, m.seq, CASE
    WHEN m.ignored_reason IS NOT NULL THEN 'ignored, ' || m.ignored_reason
    WHEN t.id IS NULL AND k.status = 'WITH_HUMAN' THEN 'a person has it, unanswered'
    WHEN t.id IS NULL THEN 'open'
    WHEN t.outcome = 'handoff' AND k.status = 'WITH_HUMAN'
        THEN 'a person has it, ' || coalesce(h.reason, 'why?')
    WHEN o.state = 'failed' AND k.status = 'WITH_HUMAN' THEN 'a person has it, the reply failed'
    WHEN o.state = 'needs_attention' THEN 'a person is asked whether the reply arrived'
    ELSE t.outcome || ', ' || coalesce(o.state, 'nothing sent') END AS fate
FROM message m
JOIN conversation k ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id
LEFT JOIN turn t ON t.tenant_id = m.tenant_id AND t.conversation_id = m.conversation_id
    AND m.seq BETWEEN t.from_seq AND t.to_seq
LEFT JOIN LATERAL (SELECT state FROM outbound WHERE tenant_id = t.tenant_id AND turn_id = t.id
    ORDER BY state IN ('failed', 'needs_attention') DESC LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT reason FROM handoff WHERE tenant_id = k.tenant_id
    AND conversation_id = k.id ORDER BY id DESC LIMIT 1) h ON true
WHERE m.direction = 'in'
"""
_WITH_PERSON = "a person "


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
        site.see_deaths()
        tally = await count(site)
        broken += broken_promises(scenario, tally, site.most_twice)
        broken += site.deaths
        broken += await broken_invariants(site)
    finally:
        await site.end()
    wall = time.monotonic() - began
    return Result(scenario, tally, drained, wall, tuple(broken), tuple(site.notes))


async def count(site: Site) -> Tally:
    """Compare what was written with WhatsApp's accept log and with the record of outcomes."""
    answers: Counter[str] = Counter()
    astray: list[str] = []
    accepted = [(entry, traffic.codes_in(entry.text)) for entry in site.simulator.whatsapp.log]
    replies = [(entry, codes) for entry, codes in accepted if codes]
    for entry, codes in replies:
        answers.update(codes)
        told = (entry.phone_number_id, entry.number)
        astray += [c for c in codes if c not in site.written or told != site.written[c].chat]
    rows = {row["wamid"]: row for row in await site.sql(_FATES)}
    fates = {
        written.code: rows[written.wamid]["fate"] if written.wamid in rows else "never received"
        for code, written in site.written.items()
        if not answers[code]
    }
    with_person = [code for code, fate in fates.items() if fate.startswith(_WITH_PERSON)]
    return Tally(
        messages=len(site.written),
        replies=len(replies),
        fates=Counter(fates.values()),
        to_person=len(with_person),
        unanswered=tuple(code for code in fates if code not in with_person),
        twice=tuple(code for code in site.written if answers[code] > 1),
        astray=tuple(astray),
        out_of_order=_out_of_order(site, [codes for _, codes in replies], rows),
    )


def _out_of_order(site: Site, replies: list[tuple[str, ...]], rows: dict[str, Any]) -> int:
    """Answers that came after one to a later message; a repeated answer is not counted again."""
    newest: dict[Any, int] = defaultdict(int)
    seen: set[tuple[str, ...]] = set()
    found = 0
    for codes in replies:
        written = [site.written[code] for code in codes if code in site.written]
        places = [rows[w.wamid] for w in written if rows[w.wamid]["seq"] is not None]
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
