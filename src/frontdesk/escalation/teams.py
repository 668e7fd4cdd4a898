"""Teams: which human agents take what, what they speak and what they are good at."""

from uuid import UUID

import asyncpg

from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.errors import NotFound
from frontdesk.escalation.assignment import ring_waiting
from frontdesk.escalation.errors import NoSuchTeam, TeamNameTaken
from frontdesk.escalation.schemas import TeamPublic, TeamWrite
from frontdesk.observability import audit

_SELECT = """
SELECT id, name, languages, skills, created_at, ARRAY(SELECT m.user_id FROM team_member m
    WHERE m.tenant_id = t.tenant_id AND m.team_id = t.id ORDER BY m.user_id) AS members FROM team t
"""


async def list_teams(session: Session) -> list[TeamPublic]:
    """All teams by name."""
    rows = await session.sql.fetch(f"{_SELECT} ORDER BY lower(name) LIMIT 500")
    return [TeamPublic.model_validate(dict(row)) for row in rows]


async def get_team(session: Session, team_id: UUID) -> TeamPublic:
    """One team; raises `NoSuchTeam`."""
    row = await session.sql.fetchrow(f"{_SELECT} WHERE id = $1", team_id)
    if row is None:
        raise NoSuchTeam(f"There is no team {team_id}.")
    return TeamPublic.model_validate(dict(row))


async def create_team(session: Session, wish: TeamWrite, *, user_id: UUID | None) -> TeamPublic:
    """Make a team without members; raises `TeamNameTaken`."""
    team_id = ids.new()
    await _write(
        session,
        "INSERT INTO team (id, name, languages, skills) VALUES ($1, $2, $3, $4) RETURNING id",
        team_id,
        wish,
    )
    await audit(session, "team.created", "team", team_id, user_id=user_id)
    return await get_team(session, team_id)


async def change_team(
    session: Session, team_id: UUID, wish: TeamWrite, *, user_id: UUID | None
) -> TeamPublic:
    """Change what a team is called, speaks and can; raises `NoSuchTeam`, `TeamNameTaken`."""
    await _write(
        session,
        "UPDATE team SET name = $2, languages = $3, skills = $4 WHERE id = $1 RETURNING id",
        team_id,
        wish,
    )
    await audit(session, "team.changed", "team", team_id, user_id=user_id)
    return await get_team(session, team_id)


async def delete_team(session: Session, team_id: UUID, *, user_id: UUID | None) -> None:
    """Dissolve a team. What waits for it may be taken by anybody then; raises `NoSuchTeam`."""
    gone = await session.sql.fetchval("DELETE FROM team WHERE id = $1 RETURNING id", team_id)
    if gone is None:
        raise NoSuchTeam
    await audit(session, "team.deleted", "team", team_id, user_id=user_id)
    await ring_waiting(session)


async def join_team(
    session: Session, team_id: UUID, member_id: UUID, *, user_id: UUID | None
) -> TeamPublic:
    """Add a member of the tenant; raises `NoSuchTeam`, and `NotFound` for whoever is no member."""
    await get_team(session, team_id)
    added = await session.sql.fetchval(
        "INSERT INTO team_member (team_id, user_id) SELECT $1, user_id FROM membership "
        "WHERE user_id = $2 ON CONFLICT (tenant_id, team_id, user_id) DO UPDATE "
        "SET user_id = excluded.user_id RETURNING user_id",
        team_id,
        member_id,
    )
    if added is None:
        raise NotFound("There is no such member.")
    await audit(
        session, "team.joined", "team", team_id, user_id=user_id, details={"member": str(member_id)}
    )
    await ring_waiting(session)
    return await get_team(session, team_id)


async def leave_team(
    session: Session, team_id: UUID, member_id: UUID, *, user_id: UUID | None
) -> TeamPublic:
    """Take somebody out of a team; raises `NoSuchTeam`, and `NotFound` for whoever is not in it."""
    await get_team(session, team_id)
    gone = await session.sql.fetchval(
        "DELETE FROM team_member WHERE team_id = $1 AND user_id = $2 RETURNING user_id",
        team_id,
        member_id,
    )
    if gone is None:
        raise NotFound("They are not of this team.")
    await audit(
        session, "team.left", "team", team_id, user_id=user_id, details={"member": str(member_id)}
    )
    await ring_waiting(session)
    return await get_team(session, team_id)


async def _write(session: Session, statement: str, team_id: UUID, wish: TeamWrite) -> None:
    try:
        written = await session.sql.fetchval(
            statement, team_id, wish.name, list(wish.languages), list(wish.skills)
        )
    except asyncpg.UniqueViolationError:
        raise TeamNameTaken(f"There is a team called {wish.name}.") from None
    if written is None:
        raise NoSuchTeam
