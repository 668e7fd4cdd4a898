"""Use cases of agent_config: agents, and the versions of their configuration."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select
from sqlmodel.sql.expression import Select, SelectOfScalar

from frontdesk import feed
from frontdesk.agent_config.config import AgentConfig
from frontdesk.agent_config.differences import field_changes
from frontdesk.agent_config.errors import (
    AgentNameTaken,
    ConfigNeedsRun,
    NoSuchAgent,
    NoSuchAgentVersion,
)
from frontdesk.agent_config.happenings import (
    AgentCreated,
    AgentRolledBack,
    ConfigSaved,
    VersionInForce,
)
from frontdesk.agent_config.models import Agent, AgentVersion
from frontdesk.agent_config.rules import config_hash
from frontdesk.agent_config.schemas import (
    AgentCreate,
    AgentDiffPublic,
    AgentPublic,
    AgentVersionPublic,
    FieldChangePublic,
)
from frontdesk.agent_config.snapshots import AgentCache
from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.resources import Resources
from frontdesk.core.text import difference
from frontdesk.identity import PlanLimit, require_room
from frontdesk.observability import audit, changes

_INSERT = """
INSERT INTO agent (id, name, version, enabled, overdue_after_minutes) VALUES ($1, $2, 1, true, $3)
ON CONFLICT DO NOTHING RETURNING id
"""


async def create_agent(
    session: Session, body: AgentCreate, *, author_id: UUID | None = None
) -> AgentPublic:
    """Make an agent with version 1 of its configuration.

    Raises:
        AgentNameTaken: another agent of the tenant has this name.
        PlanLimitReached: the tenant has as many agents as its plan allows.
    """
    await require_room(session, PlanLimit.AGENTS, "SELECT count(*) FROM agent")
    agent_id = ids.new()
    made = await session.sql.fetchval(
        _INSERT, agent_id, body.name, body.config.overdue_after_minutes
    )
    if made is None:
        raise AgentNameTaken(f"There is an agent called {body.name}.")
    session.add(_version(agent_id, 1, body.config, author_id))
    await session.flush()
    await audit(session, "agent.created", "agent", agent_id, user_id=author_id)
    feed.tell(session, AgentCreated(agent_id=agent_id, name=body.name))
    return await get_agent(session, agent_id)


async def list_agents(session: Session, *, limit: int, cursor: str | None) -> Page[AgentPublic]:
    """A page of agents, oldest first."""
    query = _present().order_by(col(Agent.id)).limit(limit + 1)
    if values := decode_cursor(cursor, 1):
        query = query.where(col(Agent.id) > cursor_uuid(values[0]))
    rows = (await session.execute(query)).all()
    return Page(
        items=[_public(agent, version) for agent, version in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1][0].id) if len(rows) > limit else None,
    )


async def get_agent(session: Session, agent_id: UUID) -> AgentPublic:
    """An agent with its present configuration.

    Raises:
        NoSuchAgent: the tenant has no such agent.
    """
    row = (await session.execute(_present().where(col(Agent.id) == agent_id))).first()
    if row is None:
        raise NoSuchAgent(f"There is no agent {agent_id}.")
    return _public(*row)


async def list_versions(
    session: Session, agent_id: UUID, *, limit: int, cursor: str | None
) -> Page[AgentVersionPublic]:
    """A page of an agent's configurations, newest first.

    Raises:
        NoSuchAgent: the tenant has no such agent.
    """
    if await session.get(Agent, (session.tenant_id, agent_id)) is None:
        raise NoSuchAgent
    query = (
        select(AgentVersion)
        .where(AgentVersion.agent_id == agent_id)
        .order_by(col(AgentVersion.version).desc())
        .limit(limit + 1)
    )
    if values := decode_cursor(cursor, 1):
        query = query.where(col(AgentVersion.version) < _number(values[0]))
    rows = (await session.exec(query)).all()
    return Page(
        items=[
            AgentVersionPublic(
                version=row.version,
                config=_config(row),
                author_id=row.author_id,
                created_at=row.created_at,
            )
            for row in rows[:limit]
        ],
        next_cursor=encode_cursor(rows[limit - 1].version) if len(rows) > limit else None,
    )


async def save_config(
    session: Session,
    resources: Resources,
    agent_id: UUID,
    config: AgentConfig,
    *,
    check: Callable[[int], None],
    author_id: UUID | None,
    override: str | None = None,
) -> AgentPublic:
    """Put a configuration in force as a new version; the one in force already makes none.

    Args:
        check: is given the present version under the row's lock and may refuse the change.
        override: why it may come into force without a passing evaluation run.

    Raises:
        NoSuchAgent: the tenant has no such agent.
        ConfigNeedsRun: the agent asks for a passing run of exactly this, and there is none.
    """
    agent, present = await _locked(session, agent_id, check)
    if _config(present) == config:
        return _public(agent, present)
    if agent.requires_run:
        await _require_run(session, agent, config, override=override, user_id=author_id)
    return await _put_in_force(session, resources, agent, config, author_id, ConfigSaved)


async def set_gate(
    session: Session, agent_id: UUID, *, requires_run: bool, user_id: UUID
) -> AgentPublic:
    """Ask for a passing evaluation run before a configuration comes into force, or no longer.

    Raises:
        NoSuchAgent: the tenant has no such agent.
    """
    agent, present = await _locked(session, agent_id, lambda _: None)
    agent.requires_run = requires_run
    details = {"requires_run": requires_run}
    await audit(session, "agent.gate_changed", "agent", agent_id, user_id=user_id, details=details)
    return _public(agent, present)


async def pass_config(session: Session, agent_id: UUID, config: AgentConfig, run_id: UUID) -> None:
    """Write down that a configuration, saved or not, has passed an evaluation run."""
    await session.sql.execute(
        "INSERT INTO agent_pass (agent_id, config_hash, run_id) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id, agent_id, config_hash) DO UPDATE SET run_id = $3, "
        "passed_at = now()",
        agent_id,
        config_hash(config),
        run_id,
    )


async def _require_run(
    session: Session,
    agent: Agent,
    config: AgentConfig,
    *,
    override: str | None,
    user_id: UUID | None,
) -> None:
    passed = await session.sql.fetchval(
        "SELECT 1 FROM agent_pass WHERE agent_id = $1 AND config_hash = $2",
        agent.id,
        config_hash(config),
    )
    if passed is not None:
        return
    if override is None:
        raise ConfigNeedsRun(
            "Exactly this configuration has passed no evaluation run: run it, or say why it may do "
            "without (override)."
        )
    details = {"reason": override}
    action = "agent.gate_overridden"
    await audit(session, action, "agent", agent.id, user_id=user_id, details=details)


async def roll_back(
    session: Session,
    resources: Resources,
    agent_id: UUID,
    version: int,
    *,
    check: Callable[[int], None],
    author_id: UUID | None,
) -> AgentPublic:
    """Put an earlier configuration in force again, as a new version.

    Raises:
        NoSuchAgent: the tenant has no such agent.
        NoSuchAgentVersion: it never had this version.
    """
    agent, _ = await _locked(session, agent_id, check)
    earlier = await get_config(session, agent_id, version)
    return await _put_in_force(
        session, resources, agent, earlier, author_id, AgentRolledBack, of=version
    )


async def diff_versions(
    session: Session, agent_id: UUID, from_version: int, to_version: int
) -> AgentDiffPublic:
    """What changed between two versions, field by field, in words and as a unified diff.

    Raises:
        NoSuchAgent, NoSuchAgentVersion: the agent or one of the versions does not exist.
    """
    agent = await get_agent(session, agent_id)
    before, after = [
        (await get_config(session, agent_id, version)).model_dump(mode="json")
        for version in (from_version, to_version)
    ]
    names = (f"{agent.name} {from_version}", f"{agent.name} {to_version}")
    return AgentDiffPublic(
        from_version=from_version,
        to_version=to_version,
        changes=[FieldChangePublic.model_validate(item) for item in field_changes(before, after)],
        diff=difference(_as_lines(before), _as_lines(after), names=names),
    )


async def get_config(session: Session, agent_id: UUID, version: int) -> AgentConfig:
    """A configuration as it was saved; raises `NoSuchAgentVersion`."""
    row = (await session.exec(_version_of(agent_id, version))).one_or_none()
    if row is None:
        raise NoSuchAgentVersion(f"There is no version {version}.")
    return _config(row)


def _present() -> Select[Agent, AgentVersion]:
    return select(Agent, AgentVersion).join(
        AgentVersion,
        sa.and_(
            col(AgentVersion.tenant_id) == col(Agent.tenant_id),
            col(AgentVersion.agent_id) == col(Agent.id),
            col(AgentVersion.version) == col(Agent.version),
        ),
    )


async def _locked(
    session: Session, agent_id: UUID, check: Callable[[int], None]
) -> tuple[Agent, AgentVersion]:
    # First the lock, then the version: one statement for both would, having waited for another
    # change, join the new row with the old version and find neither.
    locked = select(Agent).where(Agent.id == agent_id).with_for_update()
    agent = (await session.exec(locked)).one_or_none()
    if agent is None:
        raise NoSuchAgent
    check(agent.version)
    return agent, (await session.exec(_version_of(agent_id, agent.version))).one()


def _version_of(agent_id: UUID, version: int) -> SelectOfScalar[AgentVersion]:
    return select(AgentVersion).where(
        AgentVersion.agent_id == agent_id, AgentVersion.version == version
    )


async def _put_in_force(
    session: Session,
    resources: Resources,
    agent: Agent,
    config: AgentConfig,
    author_id: UUID | None,
    change: type[VersionInForce],
    **details: int,
) -> AgentPublic:
    before = (await session.exec(_version_of(agent.id, agent.version))).one()
    agent.version += 1
    agent.overdue_after_minutes = config.overdue_after_minutes
    version = _version(agent.id, agent.version, config, author_id)
    session.add(version)
    await session.flush()
    await audit(
        session,
        change.kind,
        "agent",
        agent.id,
        user_id=author_id,
        details={
            "version": agent.version,
            **details,
            "changes": changes(before.config, version.config),
        },
    )
    feed.tell(session, change(agent_id=agent.id, version=agent.version))
    resources.keep(AgentCache).forget_after_commit(session, agent.id)
    return _public(agent, version)


def _version(
    agent_id: UUID, version: int, config: AgentConfig, author_id: UUID | None
) -> AgentVersion:
    return AgentVersion(
        agent_id=agent_id,
        version=version,
        config=config.model_dump(mode="json"),
        author_id=author_id,
    )


def _as_lines(config: dict[str, Any]) -> str:
    return json.dumps(config, ensure_ascii=False, indent=2) + "\n"


def _config(row: AgentVersion) -> AgentConfig:
    return AgentConfig.model_validate(row.config, extra="ignore")


def _public(agent: Agent, version: AgentVersion) -> AgentPublic:
    return AgentPublic(
        id=agent.id,
        name=agent.name,
        version=agent.version,
        enabled=agent.enabled,
        requires_run=agent.requires_run,
        config=_config(version),
        created_at=agent.created_at,
    )


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise Invalid("The cursor is not one of ours.")
    return value
