"""Timers of a conversation: follow-ups in the silence, and the close after a longer one."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record

from frontdesk.agent_config import AgentConfig, AgentSnapshot, load_agent, masking_of
from frontdesk.conversation.closing import (
    SILENCE,
    Judged,
    Verdict,
    judge_by_rule,
    judge_silence,
    load_silence,
)
from frontdesk.conversation.events import SilenceNeedsPerson
from frontdesk.conversation.models import Actor, Status, TimerKind
from frontdesk.conversation.people import is_opted_out
from frontdesk.conversation.snoozing import wake
from frontdesk.conversation.threads import Locked, NewMessage, close, lock, send_message
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.events import publish
from frontdesk.core.resources import Resources
from frontdesk.messaging import is_open

TIMER = "conversation.timer"
# Longer than a model may think about a silence.
_LEASE_SECONDS = 30
SETTLED = "settled"


@dataclass(frozen=True)
class NewTimer:
    """Something to do when the contact stays silent for so long.

    Args:
        cause: who wants it; of a close by the agent nobody asks once more whether it should be.
        step: which of several it is.
    """

    kind: TimerKind
    after_minutes: float
    cause: Actor = Actor.SYSTEM
    step: int = 1


async def set_timers(tx: Transaction, thread: Locked, timers: Sequence[NewTimer]) -> None:
    """Replace a conversation's timers. A message of the contact, a takeover or a close ends them.

    A person's snooze stays: it is not the agent's to end.
    """
    ended = (
        "WITH ended AS (DELETE FROM timer WHERE conversation_id = $1 AND kind <> ALL($4) "
        "AND kind <> 'snooze') "
    )
    await _insert(tx, thread, timers, before=ended)


async def add_timers(tx: Transaction, thread: Locked, timers: Sequence[NewTimer]) -> None:
    """Set timers besides those of other kinds that a conversation has."""
    await _insert(tx, thread, timers)


async def _insert(
    tx: Transaction, thread: Locked, timers: Sequence[NewTimer], *, before: str = ""
) -> None:
    await tx.sql.execute(
        f"{before}INSERT INTO timer (id, conversation_id, kind, epoch, due_at, cause, step) "  # noqa: S608  # Ours.
        "SELECT id, $1, kind, $2, now() + make_interval(secs => seconds), cause, step "
        "FROM unnest($3::uuid[], $4::text[], $5::float8[], $6::text[], $7::int[]) "
        "AS wanted (id, kind, seconds, cause, step) "
        "ON CONFLICT (tenant_id, conversation_id, kind) DO UPDATE SET id = excluded.id, "
        "epoch = excluded.epoch, due_at = excluded.due_at, cause = excluded.cause, "
        "step = excluded.step, attempts = 0",
        thread.id,
        thread.epoch,
        [ids.new() for _ in timers],
        [timer.kind for timer in timers],
        [timer.after_minutes * 60 for timer in timers],
        [timer.cause for timer in timers],
        [timer.step for timer in timers],
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
            "UPDATE timer t SET attempts = t.attempts + 1, due_at = now() + make_interval(secs => $2) "
            "FROM conversation k WHERE t.id = $1 AND t.due_at <= now() "
            "AND k.tenant_id = t.tenant_id AND k.id = t.conversation_id "
            "RETURNING t.id, t.conversation_id, t.kind, t.epoch, t.cause, t.step, k.agent_id",
            timer_id,
            _LEASE_SECONDS,
        )
    if timer is None:
        return
    if timer["kind"] == TimerKind.SNOOZE:
        async with resources.db.hot(tenant_id) as tx:
            await wake(tx, timer["conversation_id"], by=Actor.SYSTEM, timer_id=timer_id)
        return
    agent = await load_agent(resources, tenant_id, timer["agent_id"])
    judged = None
    if timer["kind"] == TimerKind.AUTO_CLOSE:
        judged = await _judge(resources, tenant_id, timer, agent)
        if judged is None:
            return
    async with resources.db.hot(tenant_id) as tx:
        thread = await _lock_if_silent(tx, timer)
        if thread is None:
            return
        if judged is None:
            await _follow_up(tx, thread, agent.config, timer["step"])
        else:
            await _end_silence(tx, thread, agent.config, judged)


# The silence counts from an answer that has arrived; until then the timer is looked at again soon.
_ON_ITS_WAY = """
SELECT 1 FROM outbound WHERE conversation_id = $1 AND state IN ('pending', 'sending', 'unknown') LIMIT 1
"""


async def _lock_if_silent(tx: Transaction, timer: Record) -> Locked | None:
    """The locked conversation of a timer that still holds, which is gone then; else None."""
    thread = await lock(tx, timer["conversation_id"])
    if await tx.sql.fetchval(_ON_ITS_WAY, thread.id):
        return None
    deleted = await tx.sql.fetchval("DELETE FROM timer WHERE id = $1 RETURNING id", timer["id"])
    moved_on = thread.epoch != timer["epoch"] or thread.inbound_seq > thread.handled_seq
    if deleted is None or moved_on or thread.status is not Status.ACTIVE:
        return None
    return thread


async def _judge(
    resources: Resources, tenant_id: UUID, timer: Record, agent: AgentSnapshot
) -> Judged | None:
    """What a silence that would close the conversation means; no transaction is open meanwhile.

    None while an answer is on its way: no model is asked of a silence that has not begun.
    """
    if timer["cause"] == Actor.AGENT:
        return Judged(Verdict.RESOLVE, SETTLED, Actor.AGENT)
    if not agent.config.close_check:
        return Judged(Verdict.RESOLVE, SILENCE, Actor.SYSTEM)
    conversation_id = timer["conversation_id"]
    async with resources.db.hot(tenant_id) as tx:
        if await tx.sql.fetchval(_ON_ITS_WAY, conversation_id):
            return None
        row = await tx.sql.fetchrow(
            "SELECT epoch, inbound_seq > handled_seq AS waits, last_inbound_at, now() AS now, "
            "contact_id, c.name AS contact_name, c.wa_id AS contact_wa_id FROM conversation k "
            "JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id WHERE k.id = $1",
            conversation_id,
        )
        assert row is not None
        seen = await load_silence(
            tx, conversation_id, is_open=is_open(row["last_inbound_at"], row["now"])
        )
    if row["epoch"] != timer["epoch"] or row["waits"]:
        return judge_by_rule(seen)  # It has moved on: nothing will come of it.
    return await judge_silence(
        resources,
        tenant_id,
        conversation_id,
        agent,
        seen,
        contact_id=row["contact_id"],
        masking=masking_of(agent.config, row["contact_name"], row["contact_wa_id"]),
    )


async def _end_silence(
    tx: Transaction, thread: Locked, config: AgentConfig, judged: Judged
) -> None:
    if judged.verdict is Verdict.HAND_OFF:
        await publish(
            tx,
            SilenceNeedsPerson(
                tenant_id=tx.tenant_id, conversation_id=thread.id, reason=judged.reason
            ),
        )
        return
    if judged.verdict is Verdict.FOLLOW_UP and config.auto_close_minutes:
        asked = config.follow_up_text or config.notice_in(
            config.still_there_notice, thread.language or config.languages[0]
        )
        if await _remind(tx, thread, config, asked):
            again = NewTimer(TimerKind.AUTO_CLOSE, config.auto_close_minutes)
            await add_timers(tx, thread, [again])
            return
    await close(tx, thread, by=judged.by, reason=judged.reason)
    if (
        config.close_text
        and not config.shadow
        and is_open(thread.last_inbound_at, thread.now)
        and not await is_opted_out(tx, thread.contact_id)
    ):
        # After the close, which withdraws what has not left, and in the epoch it begins.
        goodbye = NewMessage(text=config.close_text, author=Actor.SYSTEM)
        await send_message(tx, thread, goodbye, epoch=thread.epoch + 1)


async def _follow_up(tx: Transaction, thread: Locked, config: AgentConfig, step: int) -> None:
    if step > len(config.follow_ups):
        return  # There are fewer of them now.
    if not await _remind(tx, thread, config, config.follow_ups[step - 1].text):
        return
    if step < len(config.follow_ups):
        after = config.follow_ups[step].after_minutes
        await add_timers(tx, thread, [NewTimer(TimerKind.FOLLOW_UP, after, step=step + 1)])


async def _remind(tx: Transaction, thread: Locked, config: AgentConfig, text: str) -> bool:
    """Say something into the silence; False when that must not be."""
    if config.shadow:
        return False  # It says nothing at all.
    # Outside the window only a template could go, and a nudge is not worth one. The last word may be
    # the contact's although it wants no answer: a voice call, or one message too many.
    refused = await is_opted_out(tx, thread.contact_id) or await tx.sql.fetchval(
        "SELECT 1 FROM (SELECT direction FROM message WHERE conversation_id = $1 "
        "AND coalesce(ignored_reason, '') NOT IN ('reaction', 'system', 'history') "
        "ORDER BY created_at DESC, id DESC LIMIT 1) AS last WHERE direction = 'in'",
        thread.id,
    )
    if refused or not is_open(thread.last_inbound_at, thread.now):
        return False
    await send_message(tx, thread, NewMessage(text=text, author=Actor.SYSTEM))
    return True
