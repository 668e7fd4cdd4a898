"""Which version is in use: labels that move to it, the way back, and who has to agree."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.core.db import Session
from frontdesk.core.events import publish
from frontdesk.core.resources import Resources
from frontdesk.observability import audit
from frontdesk.prompts.defaults import BUILT_IN_VERSION
from frontdesk.prompts.errors import (
    ApprovalRequired,
    ExperimentRunning,
    NothingToRollBack,
    OwnVersion,
    RunRequired,
)
from frontdesk.prompts.events import ExperimentMoved
from frontdesk.prompts.happenings import (
    STEPS,
    PromptPublished,
    PromptRolledBack,
    VersionApproved,
)
from frontdesk.prompts.models import (
    Prompt,
    PromptExperiment,
    PromptPolicy,
    PromptRelease,
    PromptVersion,
)
from frontdesk.prompts.rules import OPEN_STATES, ExperimentState
from frontdesk.prompts.schemas import (
    PRODUCTION,
    PromptPolicyPublic,
    PromptPolicyUpdate,
    PromptPublic,
    PromptVersionPublic,
)
from frontdesk.prompts.service import (
    default_of,
    find_open_experiment,
    find_version,
    get_prompt,
    get_version,
    locked_prompt,
    tell,
)
from frontdesk.prompts.snapshots import PromptCache


async def publish_version(
    session: Session,
    resources: Resources,
    name: str,
    version: str,
    *,
    label: str = PRODUCTION,
    released_by: UUID | None = None,
    override: str | None = None,
) -> PromptPublic:
    """Move a label to a version, in use everywhere within two seconds of the commit.

    A label that stands there already stays as it is.

    Args:
        override: why it may go to production without a passing evaluation run.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        NoSuchPromptVersion: the tenant has no such version; the built-in one is reached by
            rolling back.
        ApprovalRequired: the label is production, and nobody but its author has approved it.
        RunRequired: the same, and it has passed no evaluation run.
        ExperimentRunning: the label is production, and an experiment compares with what is there.
    """
    default_of(name)
    prompt = await locked_prompt(session, name)
    wanted = await find_version(session, name, version)
    present = await _standing(session, prompt.id, label)
    if present is None or present.version_id != wanted.id:
        if label == PRODUCTION:
            await require_approval(session, wanted)
            await require_run(session, prompt, wanted, override=override, user_id=released_by)
            if experiment := await find_open_experiment(session, name):
                raise ExperimentRunning(
                    f"“{experiment.name}” is {experiment.state}: end it first, or roll back."
                )
        session.add(
            PromptRelease(
                prompt_id=prompt.id, version_id=wanted.id, label=label, released_by=released_by
            )
        )
        await session.flush()
        told = PromptPublished(name=name, version=version, label=label)
        await tell(session, told, prompt, released_by)
        resources.keep(PromptCache).forget_after_commit(session, name)
    return await get_prompt(session, name)


async def roll_back(
    session: Session,
    resources: Resources,
    name: str,
    *,
    label: str = PRODUCTION,
    released_by: UUID | None = None,
) -> PromptPublic:
    """Take the last release of a label back: it stands where it stood before, at last at the
    built-in text.

    While an experiment is open on production, that is what is taken back: it ends, and production
    stays.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        NothingToRollBack: all its releases have been taken back.
    """
    default_of(name)
    prompt = await locked_prompt(session, name)
    if label == PRODUCTION and (open_one := await find_open_experiment(session, name)):
        await take_step(
            session,
            prompt,
            open_one,
            ExperimentState.ROLLED_BACK,
            by=released_by,
            reason="The prompt was rolled back.",
        )
        resources.keep(PromptCache).forget_after_commit(session, name)
        return await get_prompt(session, name)
    present = await _standing(session, prompt.id, label)
    if present is None:
        raise NothingToRollBack(f"{label} stands at the built-in text.")
    present.rolled_back = True
    await session.flush()
    before = await _standing(session, prompt.id, label)
    version = BUILT_IN_VERSION
    if before is not None:
        version = (
            await session.exec(
                select(PromptVersion.version).where(PromptVersion.id == before.version_id)
            )
        ).one()
    told = PromptRolledBack(name=name, version=version, label=label)
    await tell(session, told, prompt, released_by)
    resources.keep(PromptCache).forget_after_commit(session, name)
    return await get_prompt(session, name)


async def approve_version(
    session: Session, name: str, version: str, *, approved_by: UUID
) -> PromptVersionPublic:
    """Let a proposed version pass; once approved it stays so.

    Raises:
        NoSuchPrompt, NoSuchPromptVersion: the prompt or the version does not exist.
        OwnVersion: whoever wrote it is the one who would approve it.
    """
    default_of(name)
    prompt = await locked_prompt(session, name)
    proposed = await find_version(session, name, version)
    if proposed.approved_at is None:
        if proposed.author_id == approved_by:
            raise OwnVersion
        await session.sql.execute(
            "UPDATE prompt_version SET approved_by = $2, approved_at = now() WHERE id = $1",
            proposed.id,
            approved_by,
        )
        await session.refresh(proposed)
        await tell(session, VersionApproved(name=name, version=version), prompt, approved_by)
    return await get_version(session, name, version)


async def get_policy(session: Session) -> PromptPolicyPublic:
    """What the tenant asks of a version before it goes to production."""
    policy = await session.get(PromptPolicy, session.tenant_id)
    if policy is None:
        return PromptPolicyPublic(requires_approval=False, requires_run=False)
    return PromptPolicyPublic.model_validate(policy)


async def set_policy(
    session: Session, wanted: PromptPolicyUpdate, *, user_id: UUID
) -> PromptPolicyPublic:
    """Ask for somebody else's approval, or a passing evaluation run, before a version goes to
    production, or no longer."""
    row = await session.sql.fetchrow(
        "INSERT INTO prompt_policy AS p (requires_approval, requires_run) "
        "VALUES (coalesce($1, false), coalesce($2, false)) "
        "ON CONFLICT (tenant_id) DO UPDATE SET "
        "requires_approval = coalesce($1, p.requires_approval), "
        "requires_run = coalesce($2, p.requires_run) RETURNING requires_approval, requires_run",
        wanted.requires_approval,
        wanted.requires_run,
    )
    assert row is not None
    policy = PromptPolicyPublic.model_validate(dict(row))
    details = policy.model_dump()
    await audit(session, "prompt.policy_changed", "prompt_policy", user_id=user_id, details=details)
    return policy


async def require_approval(session: Session, version: PromptVersion) -> None:
    """Refuse what may not answer contacts yet; raises `ApprovalRequired`."""
    if version.approved_at is None and (await get_policy(session)).requires_approval:
        raise ApprovalRequired(f"Version {version.version} is proposed, not approved.")


async def require_run(
    session: Session,
    prompt: Prompt,
    version: PromptVersion,
    *,
    override: str | None,
    user_id: UUID | None,
) -> None:
    """Refuse what has passed no evaluation run; an override lets it pass and is audited.

    Raises:
        RunRequired: the tenant asks for a run, there is none, and no reason to do without.
    """
    if version.passed_run_id is not None or not (await get_policy(session)).requires_run:
        return
    if override is None:
        raise RunRequired(
            f"{prompt.name} {version.version} has passed no evaluation run: run it, or say why it "
            "may go without one (override)."
        )
    details = {"version": version.version, "reason": override}
    action = "prompt.gate_overridden"
    await audit(session, action, "prompt", prompt.id, user_id=user_id, details=details)


async def pass_version(session: Session, name: str, version: str, run_id: UUID) -> None:
    """Write down that a version has passed an evaluation run, which lets it into production.

    Raises:
        NoSuchPromptVersion: the tenant has no such version.
    """
    passed = await find_version(session, name, version)
    passed.passed_run_id = run_id
    await session.flush()


async def take_step(
    session: Session,
    prompt: Prompt,
    experiment: PromptExperiment,
    to: ExperimentState,
    *,
    by: UUID | None,
    reason: str = "",
    share: float | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> None:
    """Bring an experiment to a state and write down who did it and what it rested on."""
    now = datetime.now(UTC)
    step = {"to": to, "by": by, "reason": reason, "share": share, "evidence": evidence or {}}
    experiment.state = to
    experiment.history = [*experiment.history, {"at": now, **step}]
    experiment.ended_at = None if to in OPEN_STATES else now
    await session.flush()
    told = STEPS[to](
        name=prompt.name, experiment_id=experiment.id, experiment=experiment.name, **step
    )
    await tell(session, told, prompt, by)
    moved = ExperimentMoved(
        tenant_id=session.tenant_id,
        experiment_id=experiment.id,
        is_guarded=bool(experiment.guards) and len(experiment.variants) == 1,
        state=to,
    )
    await publish(session, moved)


async def _standing(session: Session, prompt_id: UUID, label: str) -> PromptRelease | None:
    query = (
        select(PromptRelease)
        .where(
            PromptRelease.prompt_id == prompt_id,
            PromptRelease.label == label,
            col(PromptRelease.rolled_back).is_(False),
        )
        .order_by(col(PromptRelease.id).desc())
        .limit(1)
    )
    return (await session.exec(query)).one_or_none()
