"""HTTP of teams, and of what becomes of conversations whose human agent is silent."""

from uuid import UUID

from frontdesk.core.api import AdminOnly, Router, Staff, TenantSession, problems
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.escalation import returning, teams
from frontdesk.escalation.errors import NoSuchTeam, TeamNameTaken
from frontdesk.escalation.schemas import (
    AssignmentPolicyPublic,
    AssignmentPolicyUpdate,
    TeamPublic,
    TeamWrite,
)
from frontdesk.observability import audit

router = Router(prefix="/api/v1", tags=["human agents"])


@router.get("/teams", summary="List teams", responses=problems())
async def list_teams(who: Staff, session: TenantSession) -> list[TeamPublic]:
    """All teams by name, with their members."""
    return await teams.list_teams(session)


@router.post(
    "/teams",
    status_code=201,
    summary="Make a team",
    responses=problems(Forbidden, TeamNameTaken),
)
async def create_team(body: TeamWrite, who: AdminOnly, session: TenantSession) -> TeamPublic:
    """A team without members; rules name it to send conversations there."""
    return await teams.create_team(session, body, user_id=who.user_id)


@router.put(
    "/teams/{team_id}",
    summary="Change a team",
    responses=problems(Forbidden, NoSuchTeam, TeamNameTaken),
)
async def change_team(
    team_id: UUID, body: TeamWrite, who: AdminOnly, session: TenantSession
) -> TeamPublic:
    """What it is called, speaks and is good at; rules that name it are yours to change."""
    return await teams.change_team(session, team_id, body, user_id=who.user_id)


@router.delete(
    "/teams/{team_id}",
    status_code=204,
    summary="Dissolve a team",
    responses=problems(Forbidden, NoSuchTeam),
)
async def delete_team(team_id: UUID, who: AdminOnly, session: TenantSession) -> None:
    """Its members stay; what waits for it may be taken by anybody."""
    await teams.delete_team(session, team_id, user_id=who.user_id)


@router.put(
    "/teams/{team_id}/members/{user_id}",
    summary="Add a member to a team",
    responses=problems(Forbidden, NoSuchTeam, NotFound),
)
async def join_team(
    team_id: UUID, user_id: UUID, who: AdminOnly, session: TenantSession
) -> TeamPublic:
    """From now on they are given what waits for the team; twice is once."""
    return await teams.join_team(session, team_id, user_id, user_id=who.user_id)


@router.delete(
    "/teams/{team_id}/members/{user_id}",
    summary="Take a member out of a team",
    responses=problems(Forbidden, NoSuchTeam, NotFound),
)
async def leave_team(
    team_id: UUID, user_id: UUID, who: AdminOnly, session: TenantSession
) -> TeamPublic:
    """They keep the conversations they have."""
    return await teams.leave_team(session, team_id, user_id, user_id=who.user_id)


@router.get("/assignment-policy", summary="Read what silence leads to", responses=problems())
async def get_assignment_policy(who: Staff, session: TenantSession) -> AssignmentPolicyPublic:
    """What becomes of conversations whose human agent is silent while the contact waits."""
    return await returning.get_policy(session)


@router.put(
    "/assignment-policy", summary="Say what silence leads to", responses=problems(Forbidden)
)
async def set_assignment_policy(
    body: AssignmentPolicyUpdate, who: AdminOnly, session: TenantSession
) -> AssignmentPolicyPublic:
    """After so many minutes of silence: back to the queue, to a colleague, or an alert in the feed."""
    before = await returning.get_policy(session)
    policy = await returning.set_policy(session, body)
    await audit(
        session,
        "assignment_policy.changed",
        "tenant",
        who.tenant_id,
        user_id=who.user_id,
        details={
            **policy.model_dump(mode="json"),
            "before": before.model_dump(mode="json"),
        },
    )
    return policy
