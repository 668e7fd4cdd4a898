"""HTTP of evaluation: golden cases of an agent, and runs over them."""

from uuid import UUID

from fastapi import APIRouter

from frontdesk.core.api import AdminOnly, TenantSession, problems
from frontdesk.core.errors import NotFound
from frontdesk.evaluation import service
from frontdesk.evaluation.schemas import CaseCreate, CasePublic, RunCreate, RunPublic

router = APIRouter(prefix="/api/v1", tags=["evaluation"])


@router.get(
    "/agents/{agent_id}/eval-cases", summary="List golden cases", responses=problems(NotFound)
)
async def list_cases(agent_id: UUID, who: AdminOnly, session: TenantSession) -> list[CasePublic]:
    """The cases that an agent's changes are judged by."""
    return await service.list_cases(session, agent_id)


@router.post(
    "/agents/{agent_id}/eval-cases",
    status_code=201,
    summary="Add a golden case",
    responses=problems(NotFound, service.CaseExists),
)
async def create_case(
    agent_id: UUID, body: CaseCreate, who: AdminOnly, session: TenantSession
) -> CasePublic:
    """What a contact says, and what a good answer holds."""
    return await service.create_case(session, agent_id, body, user_id=who.user_id)


@router.post(
    "/agents/{agent_id}/eval-runs",
    status_code=202,
    summary="Score an agent",
    responses=problems(NotFound),
)
async def start_run(
    agent_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    body: RunCreate | None = None,
) -> RunPublic:
    """Run all cases with what is configured now; a worker does it, nothing is sent to anybody."""
    threshold = (body or RunCreate()).threshold
    return await service.start_run(session, agent_id, threshold, user_id=who.user_id)


@router.get("/eval-runs/{run_id}", summary="Read a run", responses=problems(NotFound))
async def get_run(run_id: UUID, who: AdminOnly, session: TenantSession) -> RunPublic:
    """A run with the result of each case and whether it clears the gate."""
    return await service.get_run(session, run_id)
