"""The invariants: they hold while the desk works, and each notices what breaks it."""

from typing import Any

import pytest
from tests.desk import Desk

from frontdesk.observability import check_invariants
from frontdesk.observability.invariants import INVARIANTS

# What each rule must notice: a statement that breaks it for one tenant.
BREAKS = {
    "one_outcome": "UPDATE message SET ignored_reason = 'x' WHERE direction = 'in' AND {mine}",
    "turns_cover_what_is_handled": "UPDATE conversation SET handled_seq = 0 WHERE {mine}",
    "turns_without_gaps": "UPDATE turn SET from_seq = 0 WHERE {mine}",
    "replied_was_sent": "UPDATE outbound SET turn_id = NULL WHERE {mine}",
    "sent_once": "UPDATE outbound SET attempt = 0 WHERE {mine}",
    "nothing_forgotten": "UPDATE outbound SET state = 'pending', "
    "due_at = now() - interval '11 minutes' WHERE {mine}",
    "nothing_put_off_for_ever": "UPDATE outbound SET state = 'pending', "
    "due_at = now() + interval '1 minute', created_at = now() - interval '25 hours' WHERE {mine}",
    "webhooks_are_received": "INSERT INTO webhook_event (source, body, due_at, received_at) "
    "VALUES ('whatsapp', '', now() + interval '1 hour', now() - interval '11 minutes')",
    "waiting_has_an_owner": "UPDATE conversation SET status = 'WITH_HUMAN' WHERE {mine}",
    "places_are_counted": "INSERT INTO availability (tenant_id, user_id, presence, open_conversations) "
    "SELECT tenant_id, user_id, 'away', 1 FROM membership WHERE {mine}",
    "states_are_known": "UPDATE outbound SET state = 'lost' WHERE {mine}",
    "feed_has_no_gaps": "DELETE FROM feed_event WHERE seq = 2 AND {mine}",
}


async def _broken(connection: Any) -> dict[str, int]:
    """How often each rule is broken; other tests may have left something, so compare."""
    return {result.name: result.broken for result in await check_invariants(connection)}


async def test_every_invariant_holds_while_a_desk_works(desk: Desk) -> None:
    async with desk.resources.db.system() as connection:
        before = await _broken(connection)
        await desk.say("Hello!", "When does it ship?")
        await desk.say("I want to talk to a person", number="4915550002")
        assert await _broken(connection) == before


@pytest.mark.parametrize("name", [invariant.name for invariant in INVARIANTS])
async def test_a_broken_invariant_is_noticed_with_an_example(
    desk: Desk, admin_sql: Any, name: str
) -> None:
    await desk.say("When does it ship?")
    undone = admin_sql.transaction(isolation="repeatable_read")
    await undone.start()
    try:
        before = await _broken(admin_sql)
        changed = await admin_sql.execute(BREAKS[name].format(mine=f"tenant_id = '{desk.id}'"))
        after = {result.name: result for result in await check_invariants(admin_sql)}
    finally:
        await undone.rollback()
    assert not changed.endswith(" 0"), "the test broke nothing"
    assert after[name].broken > before[name]
    assert after[name].examples
