"""HTTP of evaluation: runs of a candidate, and what they come to."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.agent_config import NoSuchAgent, NoSuchAgentVersion
from frontdesk.core.api import AdminOnly, Cursor, Limit, Router, TenantSession, problems
from frontdesk.core.errors import Forbidden
from frontdesk.core.pages import Page
from frontdesk.evaluation import canary, runs
from frontdesk.evaluation.dataset_routes import router as datasets
from frontdesk.evaluation.errors import NoSuchDataset, NoSuchRun, NothingToPlay, RunIsOver
from frontdesk.evaluation.proposal_routes import router as proposals
from frontdesk.evaluation.schemas import (
    CanaryPublic,
    ComparisonPublic,
    RunCreate,
    RunPublic,
    RunSummary,
    TrafficCreate,
)
from frontdesk.prompts import NoSuchExperiment, NoSuchPrompt, NoSuchPromptVersion

own = Router(prefix="/api/v1", tags=["evaluation"])
_NAMED = (NoSuchAgent, NoSuchAgentVersion, NoSuchPrompt, NoSuchPromptVersion)


@own.post(
    "/agents/{agent_id}/eval-runs",
    status_code=202,
    summary="Score an agent",
    responses=problems(Forbidden, *_NAMED, NoSuchDataset, NothingToPlay),
)
async def start_eval_run(
    agent_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    body: RunCreate | None = None,
) -> RunSummary:
    """Play a dataset with what is in production, or with a candidate: other prompts, models, another
    version or a draft. A worker does it with the real stages; nothing is sent to anybody.

    It is billed as features `evaluation` and `judge`. Progress is on the feed.
    """
    return await runs.start_run(session, agent_id, body or RunCreate(), user_id=who.user_id)


@own.post(
    "/agents/{agent_id}/eval-traffic",
    status_code=202,
    summary="Preview a change on last week's traffic",
    responses=problems(Forbidden, *_NAMED),
)
async def start_traffic_run(
    agent_id: UUID, body: TrafficCreate, who: AdminOnly, session: TenantSession
) -> RunSummary:
    """Play what contacts wrote lately with a candidate, on paper, and set it beside what had become
    of it: escalations, quality by the judge, cost, time. It is read as a run.
    """
    return await runs.start_traffic_run(session, agent_id, body, user_id=who.user_id)


@own.get(
    "/agents/{agent_id}/eval-runs",
    summary="List runs",
    responses=problems(Forbidden, NoSuchAgent),
)
async def list_eval_runs(
    agent_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[RunSummary]:
    """An agent's runs, newest first, without their cases."""
    return await runs.list_runs(session, agent_id, limit=limit, cursor=cursor)


@own.get("/eval-runs/{run_id}", summary="Read a run", responses=problems(Forbidden, NoSuchRun))
async def get_eval_run(run_id: UUID, who: AdminOnly, session: TenantSession) -> RunPublic:
    """A run with the result of each case so far, and whether it clears the gate."""
    return await runs.get_run(session, run_id)


@own.post(
    "/eval-runs/{run_id}/cancel",
    summary="Cancel a run",
    responses=problems(Forbidden, NoSuchRun, RunIsOver),
)
async def cancel_eval_run(run_id: UUID, who: AdminOnly, session: TenantSession) -> RunSummary:
    """Begin no other case. Those in play are let end and paid; what was played stays readable."""
    return await runs.cancel_run(session, run_id, user_id=who.user_id)


@own.get(
    "/eval-runs/{run_id}/comparison",
    summary="Compare two runs",
    responses=problems(Forbidden, NoSuchRun),
)
async def compare_eval_runs(
    run_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    with_run: Annotated[UUID, Query(alias="with", description="The second run.")],
) -> ComparisonPublic:
    """Case by case, and whether the difference is more than noise."""
    return await runs.compare_runs(session, run_id, with_run)


@own.get(
    "/canaries/{experiment_id}",
    summary="See what the canary guard sees",
    responses=problems(Forbidden, NoSuchExperiment),
)
async def get_canary(experiment_id: UUID, who: AdminOnly, session: TenantSession) -> CanaryPublic:
    """What the guard of an experiment saw at its last look, and when it looks next."""
    return await canary.get_watch(session, experiment_id)


router = Router(
    routes=[
        *own.routes,
        *datasets.routes,
        *proposals.routes,
    ]
)
