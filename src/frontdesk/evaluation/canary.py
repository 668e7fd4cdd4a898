"""The canary guard: looks at a canary again and again, and rolls it forward or back, or holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk import prompts
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.evaluation.canary_rules import (
    Decision,
    Judged,
    Reading,
    judge_canary,
    read_guard,
)
from frontdesk.evaluation.schemas import CanaryPublic
from frontdesk.prompts import (
    ApprovalRequired,
    CantMoveThere,
    ExperimentMove,
    ExperimentMoved,
    ExperimentState,
    GuardMetric,
    NoSuchExperiment,
)

WATCH = "evaluation.canary"
LOOK_MINUTES = 5
CONTROL = "control"
_STATES = {
    Decision.FORWARD: ExperimentState.ROLLED_FORWARD,
    Decision.HOLD: ExperimentState.HELD,
    Decision.BACK: ExperimentState.ROLLED_BACK,
}
# A value a conversation, for each guard. What people took over for reasons of their own devices, or
# because no model or money was there, says nothing of a prompt.
_MEASURES = """
WITH exposed AS (
    SELECT t.conversation_id, e.item ->> 'variant' AS variant, min(t.created_at) AS since,
        avg(t.latency_seconds) AS latency, sum(t.cost_usd) AS cost,
        bool_and(t.cost_usd IS NOT NULL) AS cost_known,
        bool_or(t.outcome = 'refused') AS refused,
        bool_or(EXISTS (SELECT FROM jsonb_array_elements(t.trace) line
            WHERE line ->> 'stage' = 'guard' AND line ->> 'repaired' = 'true')) AS mended,
        array_agg(t.id) AS turn_ids
    FROM conversation c JOIN turn t ON t.tenant_id = c.tenant_id AND t.conversation_id = c.id
        AND t.created_at >= $2
    CROSS JOIN jsonb_array_elements(t.exposures) AS e(item)
    WHERE c.last_activity_at >= $2 AND e.item ->> 'experiment_id' = $1::text
    GROUP BY 1, 2
)
SELECT x.variant, x.latency, CASE WHEN x.cost_known THEN x.cost::float8 END AS cost, x.refused,
    x.mended,
    EXISTS (SELECT FROM handoff h WHERE h.conversation_id = x.conversation_id
        AND h.created_at >= x.since AND h.reason NOT IN
        ('phone_app', 'send_failed', 'model_down', 'budget', 'shadow')) AS handed_off,
    EXISTS (SELECT FROM handoff h WHERE h.conversation_id = x.conversation_id
        AND h.created_at >= x.since AND h.reason = 'guard') AS guard_failed,
    EXISTS (SELECT FROM draft_outcome o WHERE o.conversation_id = x.conversation_id
        AND o.created_at >= x.since AND o.fate <> 'kept') AS edited,
    EXISTS (SELECT FROM answer_rating r WHERE r.conversation_id = x.conversation_id
        AND r.created_at >= x.since AND r.value = 'down') AS disliked,
    (SELECT avg(length(m.text))::float8 FROM message m WHERE m.conversation_id = x.conversation_id
        AND m.turn_id = ANY(x.turn_ids) AND m.author = 'agent') AS length,
    k.status = 'CLOSED' AS closed
FROM exposed x JOIN conversation k ON k.id = x.conversation_id
"""
_COLUMNS = {
    GuardMetric.HANDOFF_RATE: "handed_off",
    GuardMetric.EDIT_RATE: "edited",
    GuardMetric.THUMBS_DOWN_RATE: "disliked",
    GuardMetric.REFUSAL_RATE: "refused",
    GuardMetric.GUARD_FAILURE_RATE: "guard_failed",
    GuardMetric.HALLUCINATION_SCORE: "mended",
    GuardMetric.LATENCY_SECONDS: "latency",
    GuardMetric.COST_USD: "cost",
    GuardMetric.ANSWER_LENGTH: "length",
}


@dataclass(frozen=True)
class Canary:
    """A canary that is ours to look at."""

    id: UUID
    prompt: str
    variant: str
    guards: Sequence[GuardMetric]
    created_at: Any
    days: float


async def watch_canary(tx: Transaction, moved: ExperimentMoved) -> None:
    """Begin to look at a canary that runs, or stop when it is held or has ended."""
    if moved.state is ExperimentState.RUNNING and moved.is_guarded:
        await tx.sql.execute(
            "INSERT INTO canary_watch (experiment_id, due_at) "
            "VALUES ($1, now() + make_interval(mins => $2)) "
            "ON CONFLICT (tenant_id, experiment_id) DO UPDATE SET due_at = excluded.due_at",
            moved.experiment_id,
            LOOK_MINUTES,
        )
    else:
        await tx.sql.execute(
            "UPDATE canary_watch SET due_at = NULL WHERE experiment_id = $1", moved.experiment_id
        )


async def get_watch(session: Session, experiment_id: UUID) -> CanaryPublic:
    """What the guard saw of a canary last; raises `NoSuchExperiment`."""
    row = await session.sql.fetchrow(
        "SELECT e.id AS experiment_id, e.state, coalesce(w.looks, 0) AS looks, w.due_at, w.evidence "
        "FROM prompt_experiment e LEFT JOIN canary_watch w ON w.tenant_id = e.tenant_id "
        "AND w.experiment_id = e.id WHERE e.id = $1",
        experiment_id,
    )
    if row is None:
        raise NoSuchExperiment
    evidence = loads(row["evidence"]) if row["evidence"] else None
    return CanaryPublic.model_validate({**row, "evidence": evidence})


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Canaries to be looked at."""
    rows = await connection.fetch(
        "SELECT tenant_id, experiment_id FROM canary_watch WHERE due_at <= now() "
        "ORDER BY due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["experiment_id"]) for row in rows]


async def look(resources: Resources, tenant_id: UUID, experiment_id: UUID) -> None:
    """Look at a canary once, and take the step that follows. Run twice, the second finds it ended."""
    async with resources.db.hot(tenant_id) as tx:
        canary = await _claim(tx, experiment_id)
        if canary is None:
            return
        rows = await tx.sql.fetch(_MEASURES, str(experiment_id), canary.created_at)
        arms = {
            name: [row for row in rows if row["variant"] == name]
            for name in (CONTROL, canary.variant)
        }
        readings = _read(canary, arms)
        counts = {CONTROL: len(arms[CONTROL]), "canary": len(arms[canary.variant])}
        judged = judge_canary(readings, counts, days=canary.days)
        evidence = _evidence(canary, arms, readings)
        kept = {"decision": judged.decision, "reason": judged.reason, **evidence}
        await tx.sql.execute(
            "UPDATE canary_watch SET looks = looks + 1, evidence = $2 WHERE experiment_id = $1",
            experiment_id,
            dumps(kept),
        )
    if judged.decision is not Decision.GO_ON:
        await _step(resources, tenant_id, canary, judged, evidence)


async def _claim(tx: Transaction, experiment_id: UUID) -> Canary | None:
    row = await tx.sql.fetchrow(
        "UPDATE canary_watch w SET due_at = now() + make_interval(mins => $2) "
        "FROM prompt_experiment e JOIN prompt p ON p.tenant_id = e.tenant_id AND p.id = e.prompt_id "
        "WHERE w.experiment_id = $1 AND w.due_at <= now() AND e.tenant_id = w.tenant_id "
        "AND e.id = w.experiment_id AND e.state = 'running' "
        "RETURNING p.name, e.variants, e.guards, e.created_at, "
        "extract(epoch FROM now() - e.created_at)::float8 / 86400 AS days",
        experiment_id,
        LOOK_MINUTES,
    )
    if row is None:
        return None
    return Canary(
        id=experiment_id,
        prompt=row["name"],
        variant=loads(row["variants"])[0]["name"],
        guards=[GuardMetric(guard) for guard in loads(row["guards"])],
        created_at=row["created_at"],
        days=row["days"],
    )


def _read(canary: Canary, arms: dict[str, list[Any]]) -> list[Reading]:
    found = []
    for metric in canary.guards:
        column = _COLUMNS[metric]
        before, after = (
            [float(row[column]) for row in arms[name] if row[column] is not None]
            for name in (CONTROL, canary.variant)
        )
        if before and after:
            found.append(read_guard(metric, before, after, guards=len(canary.guards)))
    return found


def _evidence(
    canary: Canary, arms: dict[str, list[Any]], readings: Sequence[Reading]
) -> dict[str, str | float | bool | None]:
    """What a decision rests on, as the experiment keeps it."""
    told: dict[str, str | float | bool | None] = {}
    for title, name in (("control", CONTROL), ("canary", canary.variant)):
        rows = arms[name]
        resolved = sum(row["closed"] and not row["handed_off"] for row in rows)
        costs = [row["cost"] for row in rows if row["cost"] is not None]
        told[f"{title} conversations"] = float(len(rows))
        told[f"{title} usd per resolution"] = sum(costs) / resolved if resolved else None
    for reading in readings:
        told[f"{reading.metric} control"] = round(reading.control, 6)
        told[f"{reading.metric} canary"] = round(reading.canary, 6)
        told[f"{reading.metric} difference"] = (
            f"{reading.low:.4g} to {reading.high:.4g}: {reading.finding}"
        )
    return told


async def _step(
    resources: Resources,
    tenant_id: UUID,
    canary: Canary,
    judged: Judged,
    evidence: dict[str, str | float | bool | None],
) -> None:
    try:
        await _move(resources, tenant_id, canary, _STATES[judged.decision], judged.reason, evidence)
    except ApprovalRequired as error:
        reason = f"{judged.reason} But {error}"
        await _move(resources, tenant_id, canary, ExperimentState.HELD, reason, evidence)
    except CantMoveThere:
        return  # Somebody was quicker.


async def _move(
    resources: Resources,
    tenant_id: UUID,
    canary: Canary,
    to: ExperimentState,
    reason: str,
    evidence: dict[str, str | float | bool | None],
) -> None:
    move = ExperimentMove(to=to, reason=reason[:500], evidence=evidence)
    async with resources.db.transaction(tenant_id) as session:
        await prompts.move_experiment(session, resources, canary.prompt, canary.id, move)
