"""HTTP of experiments and canaries."""

from uuid import UUID

from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    Limit,
    ResourcesDep,
    Router,
    TenantSession,
    problems,
)
from frontdesk.core.errors import Forbidden
from frontdesk.core.pages import Page
from frontdesk.prompts import experiments
from frontdesk.prompts.errors import (
    ApprovalRequired,
    CantMoveThere,
    ExperimentRunning,
    NoSuchExperiment,
    NoSuchPrompt,
    NoSuchPromptVersion,
    RunRequired,
)
from frontdesk.prompts.schemas import (
    ExperimentDetailPublic,
    ExperimentMove,
    ExperimentPublic,
    ExperimentStart,
    Name,
)

router = Router(prefix="/api/v1/prompts/{name}/experiments", tags=["prompts"])


@router.post(
    "",
    status_code=201,
    summary="Start an experiment or a canary",
    responses=problems(
        Forbidden,
        NoSuchPrompt,
        NoSuchPromptVersion,
        ApprovalRequired,
        RunRequired,
        ExperimentRunning,
    ),
)
async def start_experiment(
    name: Name,
    body: ExperimentStart,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
) -> ExperimentPublic:
    """Try versions on a share of the turns, the rest of which get what is in production.

    The same conversation (or tenant) gets the same version each time. One is open at a time.
    """
    return await experiments.start_experiment(
        session, resources, name, body, started_by=who.user_id
    )


@router.get("", summary="List experiments", responses=problems(Forbidden, NoSuchPrompt))
async def list_experiments(
    name: Name, who: AdminOnly, session: TenantSession, limit: Limit = 20, cursor: Cursor = None
) -> Page[ExperimentPublic]:
    """A prompt's experiments and canaries, newest first."""
    return await experiments.list_experiments(session, name, limit=limit, cursor=cursor)


@router.get(
    "/{experiment_id}",
    summary="Read an experiment",
    responses=problems(Forbidden, NoSuchPrompt, NoSuchExperiment),
)
async def get_experiment(
    name: Name, experiment_id: UUID, who: AdminOnly, session: TenantSession
) -> ExperimentDetailPublic:
    """An experiment, every step it has taken, and what has come of each variant so far."""
    return await experiments.get_experiment(session, name, experiment_id)


@router.post(
    "/{experiment_id}/move",
    summary="Hold, go on with, or end an experiment",
    responses=problems(Forbidden, NoSuchPrompt, NoSuchExperiment, CantMoveThere, ApprovalRequired),
)
async def move_experiment(
    name: Name,
    experiment_id: UUID,
    body: ExperimentMove,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
) -> ExperimentPublic:
    """`held`: everybody gets production for now. `running`: go on, with another share if you like.
    `rolled_forward`: the winner goes to production. `rolled_back`: production stays as it is.
    """
    return await experiments.move_experiment(
        session, resources, name, experiment_id, body, moved_by=who.user_id
    )
