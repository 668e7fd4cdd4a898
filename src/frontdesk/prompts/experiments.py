"""Experiments and canaries: versions tried on a share of the turns, and how each ends.

One mechanism: a canary is an experiment with one variant and guards to judge it by. Who gets what
is decided by a hash (`rules.variant_of`), so nothing is stored per conversation.
"""

from uuid import UUID

from sqlmodel import col, select

from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.observability import count_exposures
from frontdesk.prompts.errors import CantMoveThere, ExperimentRunning, NoSuchExperiment
from frontdesk.prompts.models import PromptExperiment
from frontdesk.prompts.releases import publish_version, require_approval, require_run, take_step
from frontdesk.prompts.rules import ExperimentState, may_move
from frontdesk.prompts.schemas import (
    ExperimentDetailPublic,
    ExperimentMove,
    ExperimentPublic,
    ExperimentStart,
    ExposurePublic,
    Variant,
)
from frontdesk.prompts.service import (
    default_of,
    find_open_experiment,
    find_version,
    locked_prompt,
    of_prompt,
)
from frontdesk.prompts.snapshots import PromptCache


async def start_experiment(
    session: Session,
    resources: Resources,
    name: str,
    body: ExperimentStart,
    *,
    started_by: UUID | None = None,
) -> ExperimentPublic:
    """Try versions of a prompt on a share of the turns, from the next one on.

    Raises:
        NoSuchPrompt, NoSuchPromptVersion: the prompt or a version does not exist.
        ApprovalRequired: contacts would get a version that nobody but its author has approved.
        RunRequired: the same of one that has passed no evaluation run.
        ExperimentRunning: another one is open on this prompt.
    """
    default_of(name)
    prompt = await locked_prompt(session, name)
    if open_one := await find_open_experiment(session, name):
        raise ExperimentRunning(f"“{open_one.name}” is {open_one.state}.")
    for variant in body.variants:
        version = await find_version(session, name, variant.version)
        await require_approval(session, version)
        await require_run(session, prompt, version, override=body.override, user_id=started_by)
    experiment = PromptExperiment(
        prompt_id=prompt.id,
        name=body.name,
        unit=body.unit,
        variants=[variant.model_dump() for variant in body.variants],
        guards=list(dict.fromkeys(body.guards)),
        history=[],
    )
    session.add(experiment)
    await take_step(session, prompt, experiment, ExperimentState.RUNNING, by=started_by)
    resources.keep(PromptCache).forget_after_commit(session, name)
    return _public(experiment, name)


async def move_experiment(
    session: Session,
    resources: Resources,
    name: str,
    experiment_id: UUID,
    body: ExperimentMove,
    *,
    moved_by: UUID | None = None,
) -> ExperimentPublic:
    """Take an experiment's next step: hold it, let it go on, or end it forward or back.

    Held, everybody gets production. Rolled forward, the winner is published to production in the
    same transaction; rolled back, production stays as it is.

    Raises:
        NoSuchPrompt, NoSuchExperiment: the prompt or the experiment does not exist.
        CantMoveThere: it has ended, or is there already.
        Invalid: there is no such variant, or a share for more than one.
        ApprovalRequired: the winner needs another user's approval first.
    """
    default_of(name)
    prompt = await locked_prompt(session, name)
    experiment = await _find(session, name, experiment_id)
    reshared = body.share is not None and body.to is ExperimentState.RUNNING
    if not (may_move(experiment.state, body.to) or (reshared and experiment.state is body.to)):
        raise CantMoveThere(f"It is {experiment.state}.", state=experiment.state)
    if body.share is not None:
        if not reshared or len(experiment.variants) != 1:
            raise Invalid("A share is for an experiment that is to run with its only variant.")
        experiment.variants = [{**experiment.variants[0], "share": body.share}]
    if body.to is ExperimentState.ROLLED_FORWARD:
        winner = _winner(experiment, body.winner)
        experiment.winner = winner.name
    await take_step(
        session,
        prompt,
        experiment,
        body.to,
        by=moved_by,
        reason=body.reason,
        share=body.share,
        evidence=body.evidence,
    )
    if body.to is ExperimentState.ROLLED_FORWARD:
        # It was let in when the experiment began, and has shown since what it is worth.
        await publish_version(
            session,
            resources,
            name,
            winner.version,
            released_by=moved_by,
            override=f"It won the experiment “{experiment.name}”.",
        )
    resources.keep(PromptCache).forget_after_commit(session, name)
    return _public(experiment, name)


async def list_experiments(
    session: Session, name: str, *, limit: int, cursor: str | None
) -> Page[ExperimentPublic]:
    """A page of a prompt's experiments, newest first; raises `NoSuchPrompt`."""
    default_of(name)
    return await newest_page(
        session,
        of_prompt(select(PromptExperiment), PromptExperiment, name),
        col(PromptExperiment.id),
        lambda row: _public(row, name),
        limit=limit,
        cursor=cursor,
    )


async def get_experiment(
    session: Session, name: str, experiment_id: UUID
) -> ExperimentDetailPublic:
    """An experiment with what has come of each variant so far.

    Raises:
        NoSuchPrompt, NoSuchExperiment: the prompt or the experiment does not exist.
    """
    default_of(name)
    experiment = await _find(session, name, experiment_id)
    counted = await count_exposures(session, experiment_id, since=experiment.created_at)
    return ExperimentDetailPublic(
        **_public(experiment, name).model_dump(),
        exposures=[ExposurePublic.model_validate(item) for item in counted],
    )


def _winner(experiment: PromptExperiment, name: str | None) -> Variant:
    if name is None and len(experiment.variants) > 1:
        raise Invalid("Say which variant is the winner.")
    for variant in experiment.variants:
        if name in (None, variant["name"]):
            return Variant.model_validate(variant)
    raise Invalid(f"There is no variant {name}.")


async def _find(session: Session, name: str, experiment_id: UUID) -> PromptExperiment:
    query = of_prompt(select(PromptExperiment), PromptExperiment, name)
    query = query.where(PromptExperiment.id == experiment_id)
    found: PromptExperiment | None = (await session.exec(query)).one_or_none()
    if found is None:
        raise NoSuchExperiment
    return found


def _public(row: PromptExperiment, prompt: str) -> ExperimentPublic:
    return ExperimentPublic.model_validate({**row.model_dump(), "prompt": prompt})
