"""HTTP of cases from production: propose, look through, accept, reject."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from frontdesk.agent_config import NoSuchAgent
from frontdesk.core.api import AdminOnly, Cursor, Limit, Router, TenantSession, problems
from frontdesk.core.errors import Forbidden
from frontdesk.core.pages import Page
from frontdesk.evaluation import proposals
from frontdesk.evaluation.errors import AlreadyReviewed, NoSuchDataset, NoSuchProposal
from frontdesk.evaluation.models import ProposalState
from frontdesk.evaluation.proposal_schemas import CollectionPublic, ProposalAccept, ProposalPublic

router = Router(prefix="/api/v1", tags=["evaluation"])


@router.post(
    "/agents/{agent_id}/eval-proposals",
    status_code=202,
    summary="Propose cases from production",
    responses=problems(Forbidden, NoSuchAgent),
)
async def collect_eval_proposals(
    agent_id: UUID, who: AdminOnly, session: TenantSession
) -> CollectionPublic:
    """Look through what people corrected, took over or disliked, and through escalations: now, and
    each day from now on. A worker does it.
    """
    return await proposals.collect_soon(session, agent_id, user_id=who.user_id)


@router.delete(
    "/agents/{agent_id}/eval-proposals",
    status_code=204,
    summary="Propose no more cases",
    responses=problems(Forbidden, NoSuchAgent),
)
async def stop_eval_proposals(agent_id: UUID, who: AdminOnly, session: TenantSession) -> None:
    """What has been proposed stays."""
    await proposals.stop_collecting(session, agent_id, user_id=who.user_id)


@router.get(
    "/agents/{agent_id}/eval-proposals",
    summary="List proposed cases",
    responses=problems(Forbidden, NoSuchAgent),
)
async def list_eval_proposals(
    agent_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    state: Annotated[ProposalState | None, Query(description="Only those.")] = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[ProposalPublic]:
    """Cases made from conversations, masked, newest first."""
    return await proposals.list_proposals(
        session, agent_id, state=state, limit=limit, cursor=cursor
    )


@router.post(
    "/eval-proposals/{proposal_id}/accept",
    summary="Accept a proposed case",
    responses=problems(Forbidden, NoSuchProposal, NoSuchDataset, AlreadyReviewed),
)
async def accept_eval_proposal(
    proposal_id: UUID,
    who: AdminOnly,
    session: TenantSession,
    body: ProposalAccept | None = None,
) -> ProposalPublic:
    """Put the case, or what you made of it, into a dataset, as a new version of that."""
    return await proposals.accept_proposal(
        session, proposal_id, body or ProposalAccept(), user_id=who.user_id
    )


@router.post(
    "/eval-proposals/{proposal_id}/reject",
    summary="Reject a proposed case",
    responses=problems(Forbidden, NoSuchProposal, AlreadyReviewed),
)
async def reject_eval_proposal(
    proposal_id: UUID, who: AdminOnly, session: TenantSession
) -> ProposalPublic:
    """What the contact wrote there is never proposed again."""
    return await proposals.reject_proposal(session, proposal_id, user_id=who.user_id)
