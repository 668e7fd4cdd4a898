"""HTTP of prompts: texts, versions, reviews, labels."""

from typing import Annotated

from fastapi import Query

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
from frontdesk.prompts import releases, service
from frontdesk.prompts.errors import (
    ApprovalRequired,
    ExperimentRunning,
    NoSuchPrompt,
    NoSuchPromptVersion,
    NothingToRollBack,
    OwnVersion,
    PromptInvalid,
    PromptUnchanged,
    RunRequired,
)
from frontdesk.prompts.experiment_routes import router as experiments
from frontdesk.prompts.schemas import (
    Name,
    PromptDiffPublic,
    PromptPolicyPublic,
    PromptPolicyUpdate,
    PromptPreview,
    PromptPreviewPublic,
    PromptPublic,
    PromptPublish,
    PromptRollback,
    PromptVersionCreate,
    PromptVersionPublic,
    Version,
)

api = Router(prefix="/api/v1", tags=["prompts"])


@api.get("/prompts", summary="List prompts", responses=problems(Forbidden))
async def list_prompts(who: AdminOnly, session: TenantSession) -> list[PromptPublic]:
    """Every prompt Frontdesk uses, the variables it is given, and where its labels stand."""
    return await service.list_prompts(session)


@api.get("/prompts/{name}", summary="Read a prompt", responses=problems(Forbidden, NoSuchPrompt))
async def get_prompt(name: Name, who: AdminOnly, session: TenantSession) -> PromptPublic:
    """A prompt and where its labels stand."""
    return await service.get_prompt(session, name)


@api.get(
    "/prompts/{name}/versions", summary="List versions", responses=problems(Forbidden, NoSuchPrompt)
)
async def list_prompt_versions(
    name: Name,
    who: AdminOnly,
    session: TenantSession,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[PromptVersionPublic]:
    """The tenant's versions of a prompt, newest first; `0.0.0`, the built-in one, is read by
    itself."""
    return await service.list_versions(session, name, limit=limit, cursor=cursor)


@api.get(
    "/prompts/{name}/versions/{version}",
    summary="Read a version",
    responses=problems(Forbidden, NoSuchPrompt, NoSuchPromptVersion),
)
async def get_prompt_version(
    name: Name, version: Version, who: AdminOnly, session: TenantSession
) -> PromptVersionPublic:
    """One text of a prompt; `0.0.0` is the built-in one."""
    return await service.get_version(session, name, version)


@api.post(
    "/prompts/{name}/versions",
    status_code=201,
    summary="Write a version",
    responses=problems(Forbidden, NoSuchPrompt, PromptUnchanged, PromptInvalid),
)
async def create_prompt_version(
    name: Name, body: PromptVersionCreate, who: AdminOnly, session: TenantSession
) -> PromptVersionPublic:
    """Keep a new text, for ever as it is; publish it to put it into use."""
    return await service.create_version(session, name, body, author_id=who.user_id)


@api.post(
    "/prompts/{name}/versions/{version}/approve",
    summary="Approve a version",
    responses=problems(Forbidden, NoSuchPrompt, NoSuchPromptVersion, OwnVersion),
)
async def approve_prompt_version(
    name: Name, version: Version, who: AdminOnly, session: TenantSession
) -> PromptVersionPublic:
    """Let a version pass that somebody else has written; approved again, it stays as it is."""
    return await releases.approve_version(session, name, version, approved_by=who.user_id)


@api.post(
    "/prompts/{name}/publish",
    summary="Publish a version",
    responses=problems(
        Forbidden,
        NoSuchPrompt,
        NoSuchPromptVersion,
        ApprovalRequired,
        RunRequired,
        ExperimentRunning,
    ),
)
async def publish_prompt(
    name: Name,
    body: PromptPublish,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
) -> PromptPublic:
    """Move a label to a version; it is in use everywhere within two seconds."""
    return await releases.publish_version(
        session,
        resources,
        name,
        body.version,
        label=body.label,
        released_by=who.user_id,
        override=body.override,
    )


@api.post(
    "/prompts/{name}/rollback",
    summary="Take a publication back",
    responses=problems(Forbidden, NoSuchPrompt, NothingToRollBack),
)
async def roll_back_prompt(
    name: Name,
    body: PromptRollback,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
) -> PromptPublic:
    """Let a label stand where it stood before its last publication; again, and one further back.

    While an experiment is open, that is what is taken back first: it ends, and production stays.
    """
    return await releases.roll_back(
        session, resources, name, label=body.label, released_by=who.user_id
    )


@api.get(
    "/prompts/{name}/diff",
    summary="Compare versions",
    responses=problems(Forbidden, NoSuchPrompt, NoSuchPromptVersion),
)
async def diff_prompt_versions(
    name: Name,
    who: AdminOnly,
    session: TenantSession,
    from_version: Annotated[Version, Query(alias="from", examples=["1.0.0"])],
    to_version: Annotated[Version, Query(alias="to", examples=["1.0.1"])],
) -> PromptDiffPublic:
    """What changed between two versions, as a unified diff."""
    return await service.diff_versions(session, name, from_version, to_version)


@api.post(
    "/prompts/{name}/preview",
    summary="Preview a prompt",
    responses=problems(Forbidden, NoSuchPrompt, NoSuchPromptVersion, PromptInvalid),
)
async def preview_prompt(
    name: Name, body: PromptPreview, who: AdminOnly, session: TenantSession
) -> PromptPreviewPublic:
    """A text filled in as a model would get it; nothing is stored and no model is asked."""
    return await service.preview(
        session, name, content=body.content, version=body.version, variables=body.variables
    )


@api.get("/prompt-policy", summary="Read what production asks for", responses=problems(Forbidden))
async def get_prompt_policy(who: AdminOnly, session: TenantSession) -> PromptPolicyPublic:
    """Whether a version needs another user's approval, or a passing evaluation run, before it goes
    to production."""
    return await releases.get_policy(session)


@api.put("/prompt-policy", summary="Set what production asks for", responses=problems(Forbidden))
async def set_prompt_policy(
    body: PromptPolicyUpdate, who: AdminOnly, session: TenantSession
) -> PromptPolicyPublic:
    """Ask for another user's approval, or a passing evaluation run, before a version goes to
    production, or no longer.

    What is in production stays there, and rolling back is always allowed.
    """
    return await releases.set_policy(session, body, user_id=who.user_id)


router = Router(
    routes=[
        *api.routes,
        *experiments.routes,
    ]
)
