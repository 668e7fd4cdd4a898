"""Backtest: what rules that are not saved yet would have made of the last conversations.

Each turn is asked again with what it knew at the time, by the rules in force and by the new ones, so
both are judged alike. What would have been said after a handover that never was, nobody can know.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.agent_config import AgentConfig, get_agent
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.escalation.happenings import BacktestDone
from frontdesk.escalation.rule_schemas import (
    BacktestCreate,
    BacktestExample,
    BacktestPublic,
    BacktestResult,
    Load,
)
from frontdesk.escalation.rules import first_rule, rules_of
from frontdesk.escalation.trying import RecordedTurn, in_time, load_turns
from frontdesk.feed import Audience
from frontdesk.observability import audit

BACKTEST = "escalation.backtest"
_LEASE_SECONDS = 300
_MAX_ATTEMPTS = 3
_AT_A_TIME = 25
_EXAMPLES = 10
_SHOWN_CHARACTERS = 300
_MINUTES_OF_DAY = 24 * 60


async def start_backtest(
    session: Session, agent_id: UUID, wish: BacktestCreate, *, user_id: UUID | None
) -> BacktestPublic:
    """Make a backtest due; a worker does it. Raises `NoSuchAgent`."""
    await get_agent(session, agent_id)
    backtest_id = ids.new()
    await session.sql.execute(
        "INSERT INTO rule_backtest (id, agent_id, config, conversations, state, due_at) "
        "VALUES ($1, $2, $3, $4, 'queued', now())",
        backtest_id,
        agent_id,
        wish.config.model_dump_json(),
        wish.conversations,
    )
    await audit(session, "rule_backtest.started", "rule_backtest", backtest_id, user_id=user_id)
    session.ring(BACKTEST, backtest_id)
    return await get_backtest(session, backtest_id)


async def get_backtest(session: Session, backtest_id: UUID) -> BacktestPublic:
    """A backtest with its result once it is done; raises `NotFound`."""
    row = await session.sql.fetchrow("SELECT * FROM rule_backtest WHERE id = $1", backtest_id)
    if row is None:
        raise NotFound("There is no such backtest.")
    result = None if row["result"] is None else await _with_texts(session, loads(row["result"]))
    return BacktestPublic.model_validate({**row, "result": result})


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Backtests to be done, a turn for each tenant."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM rule_backtest WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def run_backtest(resources: Resources, tenant_id: UUID, backtest_id: UUID) -> None:
    """Do a backtest. Running it twice counts the same things twice, and writes one result."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(
            "UPDATE rule_backtest SET attempts = attempts + 1, "
            "state = CASE WHEN attempts >= $3 THEN 'failed' ELSE state END, "
            "due_at = CASE WHEN attempts >= $3 THEN NULL "
            "ELSE now() + make_interval(secs => $2) END "
            "WHERE id = $1 AND due_at <= now() RETURNING agent_id, config, conversations, state",
            backtest_id,
            float(_LEASE_SECONDS),
            _MAX_ATTEMPTS,
        )
    if row is None or row["state"] == "failed":
        return
    async with resources.db.transaction(tenant_id) as session:
        before = (await get_agent(session, row["agent_id"])).config
        conversation_ids = await _last_conversations(session, row["agent_id"], row["conversations"])
    tally = Tally(before, AgentConfig.model_validate_json(row["config"], extra="ignore"))
    for start in range(0, len(conversation_ids), _AT_A_TIME):
        async with resources.db.hot(tenant_id) as tx:
            threads = await load_turns(tx, conversation_ids[start : start + _AT_A_TIME])
        for conversation_id, turns in threads.items():
            tally.add(conversation_id, turns)
    async with resources.db.hot(tenant_id) as tx:
        result = await _weigh(tx, tally)
        await tx.sql.execute(
            "UPDATE rule_backtest SET state = 'done', due_at = NULL, result = $2 WHERE id = $1",
            backtest_id,
            dumps(result),
        )
        feed.tell(tx, BacktestDone(backtest_id=backtest_id), Audience.ADMINS)


@dataclass
class Tally:
    """What two configurations make of the same turns."""

    before: AgentConfig
    after: AgentConfig
    conversations: int = 0
    turns: int = 0
    since: datetime | None = None
    handed_over: int = 0
    handed_over_then: int = 0
    extra: list[dict[str, Any]] = field(default_factory=list)
    fewer: list[dict[str, Any]] = field(default_factory=list)

    def add(self, conversation_id: UUID, turns: Sequence[RecordedTurn]) -> None:
        """Count a conversation."""
        self.conversations += 1
        self.turns += len(turns)
        self.since = min(self.since or turns[0].at, turns[0].at)
        now, then = _first(self.before, turns), _first(self.after, turns)
        self.handed_over += now is not None
        self.handed_over_then += then is not None
        fired, where = (then, self.extra) if now is None else (now, self.fewer)
        if fired is not None and (now is None or then is None):
            turn_id, rule = fired
            where.append({"conversation_id": conversation_id, "turn_id": turn_id, "rule": rule})


def _first(config: AgentConfig, turns: Sequence[RecordedTurn]) -> tuple[UUID, str] | None:
    """The turn at which a configuration hands a conversation over, and by which rule."""
    rules = rules_of(config)
    for turn in turns:
        if found := first_rule(rules, in_time(config, turn.signals, turn.at)):
            # What was seen is the contact's own words: those stay where they can be erased.
            return turn.id, found.rule.partition(" Seen: ")[0]
    return None


async def _last_conversations(tx: Transaction, agent_id: UUID, most: int) -> list[UUID]:
    rows = await tx.sql.fetch(
        "SELECT id FROM conversation WHERE agent_id = $1 ORDER BY last_activity_at DESC, id DESC "
        "LIMIT $2",
        agent_id,
        most,
    )
    return [row["id"] for row in rows]


async def _weigh(tx: Transaction, tally: Tally) -> dict[str, Any]:
    """The result: rates a day, and what they mean for the people there are."""
    row = await tx.sql.fetchrow(
        "SELECT greatest(extract(epoch FROM now() - $1) / 86400, 1)::float8 AS days, "
        "(SELECT count(*) FROM handoff WHERE created_at >= $1) AS handoffs, "
        "(SELECT avg(extract(epoch FROM ended_at - assigned_at) / 60)::float8 FROM (SELECT "
        "ended_at, assigned_at FROM handoff WHERE state = 'ended' AND assigned_at IS NOT NULL "
        "ORDER BY id DESC LIMIT 100) lately) AS minutes, "
        "(SELECT coalesce(sum(max_conversations), 0)::int FROM availability) AS capacity",
        tally.since,
    )
    assert row is not None
    days, minutes = row["days"] or 1.0, row["minutes"]
    extra, fewer = len(tally.extra) / days, len(tally.fewer) / days
    now = row["handoffs"] / days
    hours = tally.after.business_hours
    open_minutes = _MINUTES_OF_DAY if hours is None else hours.minutes_a_week / 7

    def at_once(a_day: float) -> float | None:
        # Little's law: as many at once as come in while one is being looked after.
        return round(a_day * minutes / open_minutes, 2) if minutes and open_minutes else None

    return {
        "conversations": tally.conversations,
        "turns": tally.turns,
        "days": round(days, 2),
        "handed_over": tally.handed_over,
        "handed_over_then": tally.handed_over_then,
        "extra": len(tally.extra),
        "fewer": len(tally.fewer),
        "extra_a_day": round(extra, 2),
        "fewer_a_day": round(fewer, 2),
        "load": {
            "handling_minutes": None if minutes is None else round(minutes, 1),
            "at_once": at_once(now),
            "at_once_then": at_once(max(now + extra - fewer, 0)),
            "capacity": row["capacity"],
        },
        "extra_examples": tally.extra[:_EXAMPLES],
        "fewer_examples": tally.fewer[:_EXAMPLES],
    }


async def _with_texts(session: Session, result: dict[str, Any]) -> BacktestResult:
    """The result as stored, with what contacts wrote read where it stands: it may be erased there."""
    examples = [*result["extra_examples"], *result["fewer_examples"]]
    rows = await session.sql.fetch(
        "SELECT t.id, string_agg(m.text, ' ' ORDER BY m.seq) AS text FROM turn t JOIN message m "
        "ON m.conversation_id = t.conversation_id AND m.seq BETWEEN t.from_seq AND t.to_seq "
        "WHERE t.id = ANY($1) GROUP BY t.id",
        [UUID(example["turn_id"]) for example in examples],
    )
    texts = {str(row["id"]): excerpt(row["text"] or "", _SHOWN_CHARACTERS) for row in rows}

    def told(name: str) -> list[BacktestExample]:
        return [
            BacktestExample(**example, text=texts.get(example["turn_id"], ""))
            for example in result[name]
        ]

    return BacktestResult(
        **result
        | {"load": Load(**result["load"])}
        | {name: told(name) for name in ("extra_examples", "fewer_examples")}
    )
