"""Golden cases and runs: a run thinks every case through on paper and scores what would be sent."""

import time
from collections.abc import Sequence
from uuid import UUID

import asyncpg
from sqlmodel import select

from frontdesk import feed, pipeline
from frontdesk.agent_config import load_agent
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session
from frontdesk.core.errors import Conflict, NotFound, Unavailable
from frontdesk.core.json import dumps
from frontdesk.core.resources import Resources
from frontdesk.evaluation import rules
from frontdesk.evaluation.happenings import EvaluationDone
from frontdesk.evaluation.models import EvalCase, EvalRun
from frontdesk.evaluation.schemas import CaseCreate, CasePublic, CaseResult, RunPublic
from frontdesk.gateway import BudgetReached
from frontdesk.observability import audit
from frontdesk.pipeline import OutcomeKind

RUN = "evaluation.run"
LEASE_SECONDS = 600
MAX_ATTEMPTS = 3


class CaseExists(Conflict):
    """The agent has a case of this name."""

    code, title = "case_exists", "There is a case of this name"


async def create_case(
    session: Session, agent_id: UUID, body: CaseCreate, *, user_id: UUID | None = None
) -> CasePublic:
    """Add a golden case to an agent; raises `NotFound`, `CaseExists`."""
    await _must_exist(session, agent_id)
    case_id = ids.new()
    try:
        await session.sql.execute(
            "INSERT INTO eval_case (id, agent_id, name, messages, must_contain, "
            "must_not_contain, expect_handoff, tags) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            case_id,
            agent_id,
            body.name,
            dumps(body.messages),
            dumps(body.must_contain),
            dumps(body.must_not_contain),
            body.expect_handoff,
            dumps(body.tags),
        )
    except asyncpg.UniqueViolationError:
        raise CaseExists(f"There is a case named “{body.name}”.") from None
    await audit(session, "eval_case.created", "eval_case", case_id, user_id=user_id)
    row = (await session.exec(select(EvalCase).where(EvalCase.id == case_id))).one()
    return CasePublic.model_validate(row)


async def list_cases(session: Session, agent_id: UUID) -> list[CasePublic]:
    """An agent's cases by name; raises `NotFound`."""
    await _must_exist(session, agent_id)
    query = select(EvalCase).where(EvalCase.agent_id == agent_id).order_by(EvalCase.name)
    return [CasePublic.model_validate(row) for row in await session.exec(query)]


async def start_run(
    session: Session, agent_id: UUID, threshold: float, *, user_id: UUID | None = None
) -> RunPublic:
    """Make a run due; raises `NotFound`."""
    await _must_exist(session, agent_id)
    run_id = ids.new()
    await session.sql.execute(
        "INSERT INTO eval_run (id, agent_id, state, threshold, due_at) "
        "VALUES ($1, $2, 'queued', $3, now())",
        run_id,
        agent_id,
        threshold,
    )
    await audit(session, "eval_run.started", "eval_run", run_id, user_id=user_id)
    session.ring(RUN, run_id)
    return await get_run(session, run_id)


async def get_run(session: Session, run_id: UUID) -> RunPublic:
    """One run with its results so far; raises `NotFound`."""
    row = (await session.exec(select(EvalRun).where(EvalRun.id == run_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such run.")
    return RunPublic.model_validate(row)


async def _must_exist(session: Session, agent_id: UUID) -> None:
    if await session.sql.fetchval("SELECT 1 FROM agent WHERE id = $1", agent_id) is None:
        raise NotFound(f"There is no agent {agent_id}.")


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Runs to be done, oldest first."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM eval_run WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def run_cases(resources: Resources, tenant_id: UUID, run_id: UUID) -> None:
    """Score an agent's cases with what is configured now. Running twice scores them again."""
    async with resources.db.hot(tenant_id) as tx:
        run = await tx.sql.fetchrow(
            "UPDATE eval_run SET attempts = attempts + 1, due_at = CASE WHEN attempts + 1 >= $3 "
            "THEN NULL ELSE now() + make_interval(secs => $2) END, "
            "state = CASE WHEN attempts >= $3 THEN 'failed' ELSE state END "
            "WHERE id = $1 AND due_at <= now() RETURNING agent_id, threshold",
            run_id,
            float(LEASE_SECONDS),
            MAX_ATTEMPTS,
        )
        if run is None:
            return
    async with resources.db.transaction(tenant_id) as session:
        cases = await list_cases(session, run["agent_id"])
    results = [await _run_case(resources, tenant_id, case) for case in cases]
    rate = rules.pass_rate([result.passed for result in results])
    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute(
            "UPDATE eval_run SET state = 'done', due_at = NULL, pass_rate = $2, "
            "deployment_approved = $3, results = $4, last_error = NULL WHERE id = $1",
            run_id,
            rate,
            bool(cases) and rate >= run["threshold"],
            dumps([result.model_dump(mode="json") for result in results]),
        )
        feed.tell(tx, EvaluationDone(run_id=run_id, pass_rate=rate), feed.Audience.ADMINS)


async def _run_case(resources: Resources, tenant_id: UUID, case: CasePublic) -> CaseResult:
    started = time.perf_counter()
    outcome_kind, text, problems = "", None, []
    try:
        agent = await load_agent(resources, tenant_id, case.agent_id)
        turn = pipeline.on_paper(tenant_id, agent, case.messages)
        outcome = await pipeline.think(resources, turn)
        outcome_kind, text = outcome.kind.value, outcome.text
        problems = rules.failures(
            rules.Expected(case.must_contain, case.must_not_contain, case.expect_handoff),
            text=text,
            handed_off=outcome.kind is OutcomeKind.HAND_OFF,
        )
    except (BudgetReached, Unavailable) as error:
        problems = [f"no answer: {error}"]
    return CaseResult(
        case_id=case.id,
        name=case.name,
        passed=not problems,
        failures=problems,
        outcome=outcome_kind,
        text=text,
        seconds=round(time.perf_counter() - started, 3),
        tags=case.tags,
    )
