"""A run at work: its cases at once, a row each, until they are played or the money is used up."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.evaluation import gate, traffic
from frontdesk.evaluation.candidates import Pinned
from frontdesk.evaluation.case_schemas import CaseBody
from frontdesk.evaluation.costs import Costs
from frontdesk.evaluation.datasets import list_cases
from frontdesk.evaluation.happenings import EvaluationDone, EvaluationProgress
from frontdesk.evaluation.judging import calibrate
from frontdesk.evaluation.models import RunKind, RunState
from frontdesk.evaluation.playing import NO_ANSWER, play
from frontdesk.evaluation.rules import Agreement
from frontdesk.evaluation.runs import load_results
from frontdesk.evaluation.schemas import CaseResult
from frontdesk.evaluation.summary import summarise
from frontdesk.feed import Audience

# Longer than a whole conversation with a customer takes; each case that is written down renews it.
LEASE_SECONDS = 900
MAX_ATTEMPTS = 3
# Cases at once: they share the models with contacts, who come first.
_AT_ONCE = 4
# A feed event for each tenth of the way, and no more.
_STEPS = 10


@dataclass(frozen=True)
class Job:
    """One case to be played, for the n-th time."""

    item_id: UUID
    case: CaseBody
    repeat: int = 1
    conversation_id: UUID | None = None
    burst: traffic.Burst | None = None


@dataclass(frozen=True)
class Claimed:
    """A run that is ours to go on with."""

    id: UUID
    agent_id: UUID
    kind: RunKind
    dataset_id: UUID | None
    dataset_version: int | None
    repeats: int
    budget_usd: Decimal | None
    wish: dict[str, Any]
    pinned: Pinned
    agreement: Agreement | None


# Attempts are counted from the last case that was written down: a run of any length goes on after
# any number of crashes, and a case that ends its worker each time ends the run.
_CLAIM = """
UPDATE eval_run SET attempts = attempts + 1,
    due_at = CASE WHEN attempts < $3 THEN now() + make_interval(secs => $2) END,
    state = CASE WHEN attempts < $3 THEN state ELSE 'failed' END,
    finished_at = CASE WHEN attempts < $3 THEN NULL ELSE now() END,
    last_error = CASE WHEN attempts < $3 THEN NULL ELSE 'It ended its worker each time.' END
WHERE id = $1 AND due_at <= now()
RETURNING id, agent_id, kind, dataset_id, dataset_version, repeats, budget_usd, wish, candidate,
    judge, state, done
"""
_RECORD = """
INSERT INTO eval_result (run_id, item_id, repeat, passed, body, conversation_id)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true
"""
_COUNT = """
UPDATE eval_run SET done = done + 1, spent_usd = spent_usd + $2, attempts = 1,
    due_at = now() + make_interval(secs => $3)
WHERE id = $1 AND state = 'queued' RETURNING done, total
"""


async def run(resources: Resources, tenant_id: UUID, run_id: UUID) -> None:
    """Play what is left of a run and say what it comes to.

    After a crash it goes on with the cases that have no row yet: those that were in play are played,
    and paid, again. Two workers at once would pay twice and write once.
    """
    async with resources.db.hot(tenant_id) as tx:
        claimed = await _claim(tx, run_id)
    if claimed is None:
        return
    cases = await _cases(resources, tenant_id, claimed)
    agreement = claimed.agreement or await _calibrated(resources, tenant_id, claimed, cases)
    jobs = await _jobs_left(resources, tenant_id, claimed, cases)
    room = asyncio.Semaphore(_AT_ONCE)

    async def work(job: Job) -> None:
        async with room:
            if await _goes_on(resources, tenant_id, claimed):
                await _play(resources, tenant_id, claimed, job, agreement)

    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(work(job))
    await _finish(resources, tenant_id, claimed)


async def _claim(tx: Transaction, run_id: UUID) -> Claimed | None:
    row = await tx.sql.fetchrow(_CLAIM, run_id, float(LEASE_SECONDS), MAX_ATTEMPTS)
    if row is None:
        return None
    if row["state"] == RunState.FAILED:
        _tell_end(tx, run_id, RunState.FAILED, None, None)
        return None
    judge = loads(row["judge"]) if row["judge"] else None
    return Claimed(
        id=row["id"],
        agent_id=row["agent_id"],
        kind=RunKind(row["kind"]),
        dataset_id=row["dataset_id"],
        dataset_version=row["dataset_version"],
        repeats=row["repeats"],
        budget_usd=row["budget_usd"],
        wish=loads(row["wish"]),
        pinned=Pinned.stored(row["agent_id"], loads(row["candidate"])),
        agreement=judge and Agreement(judge["agreed"], judge["examples"]),
    )


async def _cases(resources: Resources, tenant_id: UUID, claimed: Claimed) -> list[Job]:
    """What the run plays, once each."""
    if claimed.kind is RunKind.TRAFFIC:
        async with resources.db.hot(tenant_id) as tx:
            bursts = await traffic.sample(tx, claimed.id, claimed.wish)
        return [Job(b.turn_id, b.case, 1, b.conversation_id, b) for b in bursts]
    assert claimed.dataset_id is not None
    async with resources.db.transaction(tenant_id) as session:
        cases = await list_cases(session, claimed.dataset_id, claimed.dataset_version)
    return [Job(case.id, case.body, 1, case.conversation_id) for case in cases]


async def _calibrated(
    resources: Resources, tenant_id: UUID, claimed: Claimed, cases: Sequence[Job]
) -> Agreement:
    """How far the judge is to be heeded; found once for a run, before its first case."""
    costs = Costs()
    bodies = [job.case for job in cases]
    try:
        agreement = await calibrate(resources, tenant_id, claimed.pinned.agent, bodies, costs)
        words = agreement.in_words()
    except NO_ANSWER as error:
        agreement = Agreement(0, 0)
        words = f"The judge's verdicts do not count: it could not be asked ({error})."
    told = {
        "agreed": agreement.agreed,
        "examples": agreement.examples,
        "counts": agreement.is_enough,
        "words": words,
    }
    is_judged = any(body.is_judged for body in bodies)
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "UPDATE eval_run SET judge = $2, spent_usd = spent_usd + $3, total = $4 WHERE id = $1",
            claimed.id,
            dumps(told) if is_judged else None,
            costs.usd or Decimal(0),
            len(cases) * claimed.repeats,
        )
    return agreement


async def _jobs_left(
    resources: Resources, tenant_id: UUID, claimed: Claimed, cases: Sequence[Job]
) -> list[Job]:
    async with resources.db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch(
            "SELECT item_id, repeat FROM eval_result WHERE run_id = $1", claimed.id
        )
    played = {(row["item_id"], row["repeat"]) for row in rows}
    return [
        Job(job.item_id, job.case, repeat, job.conversation_id, job.burst)
        for repeat in range(1, claimed.repeats + 1)
        for job in cases
        if (job.item_id, repeat) not in played
    ]


async def _goes_on(resources: Resources, tenant_id: UUID, claimed: Claimed) -> bool:
    """Whether another case may begin: nobody has cancelled the run, and it has money left. Those in
    play are let end, so a run may cost a few more."""
    async with resources.db.hot(tenant_id) as tx:
        goes_on = await tx.sql.fetchval(
            "SELECT state = 'queued' AND (budget_usd IS NULL OR spent_usd < budget_usd) "
            "FROM eval_run WHERE id = $1",
            claimed.id,
        )
    return bool(goes_on)


async def _play(
    resources: Resources, tenant_id: UUID, claimed: Claimed, job: Job, agreement: Agreement
) -> None:
    if job.burst is not None:
        result = await traffic.play_burst(resources, tenant_id, claimed.pinned, job.burst)
    else:
        result = await play(
            resources,
            tenant_id,
            claimed.pinned,
            job.item_id,
            job.case,
            repeat=job.repeat,
            heeds_judge=agreement.is_enough,
        )
    async with resources.db.hot(tenant_id) as tx:
        await _record(tx, claimed.id, job, result)


async def _record(tx: Transaction, run_id: UUID, job: Job, result: CaseResult) -> None:
    new = await tx.sql.fetchval(
        _RECORD,
        run_id,
        job.item_id,
        job.repeat,
        result.passed,
        dumps(result),
        job.conversation_id,
    )
    if not new:
        return
    cost = (result.cost_usd or Decimal(0)) + (result.around_usd or Decimal(0))
    row = await tx.sql.fetchrow(_COUNT, run_id, cost, float(LEASE_SECONDS))
    if row is None or row["total"] is None:
        return
    done, total = row["done"], row["total"]
    if done * _STEPS // total > (done - 1) * _STEPS // total:
        feed.tell(tx, EvaluationProgress(run_id=run_id, done=done, total=total), Audience.ADMINS)


async def _finish(resources: Resources, tenant_id: UUID, claimed: Claimed) -> None:
    async with resources.db.transaction(tenant_id) as session:
        row = await session.sql.fetchrow(
            "SELECT done, total, threshold FROM eval_run WHERE id = $1 AND state = 'queued' "
            "FOR UPDATE",
            claimed.id,
        )
        if row is None:
            return
        results = await load_results(session, claimed.id)
        state = RunState.DONE if row["done"] >= row["total"] else RunState.STOPPED
        summary = summarise(results)
        decision = gate.Decision(False, ["traffic shows what would change, and clears nothing"])
        if claimed.kind is RunKind.CASES and claimed.dataset_id is not None:
            decision = await gate.decide(
                session,
                claimed.id,
                claimed.pinned,
                claimed.dataset_id,
                results,
                threshold=row["threshold"],
                is_whole=state is RunState.DONE,
            )
        await session.sql.execute(
            "UPDATE eval_run SET state = $2, due_at = NULL, finished_at = now(), pass_rate = $3, "
            "summary = $4, deployment_approved = $5, gate = $6, last_error = $7 WHERE id = $1",
            claimed.id,
            state,
            summary.pass_rate,
            dumps(summary),
            decision.approves,
            dumps(decision.reasons),
            None if state is RunState.DONE else f"Its budget of ${claimed.budget_usd} is used up.",
        )
        _tell_end(session, claimed.id, state, summary.pass_rate, decision.approves)


def _tell_end(
    tx: Transaction, run_id: UUID, state: RunState, rate: float | None, approves: bool | None
) -> None:
    told = EvaluationDone(run_id=run_id, state=state, pass_rate=rate, deployment_approved=approves)
    feed.tell(tx, told, Audience.ADMINS)
