"""Timers of a conversation: a follow-up in the silence, and the close after a longer one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from frontdesk.agent_config import load_agent
from frontdesk.conversation.models import Actor, Status, TimerKind
from frontdesk.conversation.snoozing import wake
from frontdesk.conversation.threads import Locked, NewMessage, close, lock, send_message
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.messaging import is_open

TIMER = "conversation.timer"
_LEASE_SECONDS = 30


@dataclass(frozen=True)
class NewTimer:
    """Something to do when the contact stays silent for so long."""

    kind: TimerKind
    after_minutes: float


async def set_timers(tx: Transaction, thread: Locked, timers: Sequence[NewTimer]) -> None:
    """Replace a conversation's timers. A message of the contact, a takeover or a close ends them.

    A person's snooze stays: it is not the agent's to end.
    """
    await tx.sql.execute(
        "WITH ended AS (DELETE FROM timer WHERE conversation_id = $1 AND kind <> ALL($4) "
        "AND kind <> 'snooze') "
        "INSERT INTO timer (id, conversation_id, kind, epoch, due_at) "
        "SELECT id, $1, kind, $2, now() + make_interval(secs => seconds) "
        "FROM unnest($3::uuid[], $4::text[], $5::float8[]) AS wanted (id, kind, seconds) "
        "ON CONFLICT (tenant_id, conversation_id, kind) DO UPDATE SET id = excluded.id, "
        "epoch = excluded.epoch, due_at = excluded.due_at, attempts = 0",
        thread.id,
        thread.epoch,
        [ids.new() for _ in timers],
        [timer.kind for timer in timers],
        [timer.after_minutes * 60 for timer in timers],
    )


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Timers that have come due, oldest first, and every tenant's first before anyone's second."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM timer WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def fire(resources: Resources, tenant_id: UUID, timer_id: UUID) -> None:
    """Do what a timer is for, once: the timer row goes in the same transaction as its effect.

    A timer whose conversation has moved on since (another epoch, a waiting message) does nothing.
    """
    async with resources.db.hot(tenant_id) as tx:
        timer = await tx.sql.fetchrow(
            "UPDATE timer SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2) "
            "WHERE id = $1 AND due_at <= now() RETURNING conversation_id, kind, epoch",
            timer_id,
            _LEASE_SECONDS,
        )
        if timer is None:
            return
        agent_id = await tx.sql.fetchval(
            "SELECT agent_id FROM conversation WHERE id = $1", timer["conversation_id"]
        )
    if timer["kind"] == TimerKind.SNOOZE:
        async with resources.db.hot(tenant_id) as tx:
            await wake(tx, timer["conversation_id"], by=Actor.SYSTEM, timer_id=timer_id)
        return
    agent = await load_agent(resources, tenant_id, agent_id)
    async with resources.db.hot(tenant_id) as tx:
        thread = await lock(tx, timer["conversation_id"])
        on_its_way = await tx.sql.fetchval(
            "SELECT 1 FROM outbound WHERE conversation_id = $1 "
            "AND state IN ('pending', 'sending', 'unknown') LIMIT 1",
            thread.id,
        )
        if on_its_way:
            return  # The silence counts from an answer that has arrived; looked at again soon.
        deleted = await tx.sql.fetchval("DELETE FROM timer WHERE id = $1 RETURNING id", timer_id)
        moved_on = thread.epoch != timer["epoch"] or thread.inbound_seq > thread.handled_seq
        if deleted is None or moved_on or thread.status is not Status.ACTIVE:
            return
        if timer["kind"] == TimerKind.FOLLOW_UP:
            await _follow_up(tx, thread, agent.config.follow_up_text)
            return
        await close(tx, thread, by=Actor.SYSTEM, reason="silence")
        if agent.config.close_text and is_open(thread.last_inbound_at, thread.now):
            # After the close, which withdraws what has not left, and in the epoch it begins.
            goodbye = NewMessage(text=agent.config.close_text, author=Actor.SYSTEM)
            await send_message(tx, thread, goodbye, epoch=thread.epoch + 1)


async def _follow_up(tx: Transaction, thread: Locked, text: str | None) -> None:
    # Outside the window only a template could go, and a nudge is not worth one.
    opted_out = await tx.sql.fetchval(
        "SELECT opted_out_at FROM contact WHERE id = $1", thread.contact_id
    )
    if text and opted_out is None and is_open(thread.last_inbound_at, thread.now):
        await send_message(tx, thread, NewMessage(text=text, author=Actor.SYSTEM))
