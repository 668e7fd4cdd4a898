"""Prompts and their versions: what there is, a new text, what changed, what it looks like."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import distinct_on
from sqlmodel import col, select

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.text import difference
from frontdesk.feed import Audience
from frontdesk.observability import audit
from frontdesk.prompts.defaults import BUILT_IN_VERSION, DEFAULT_PROMPTS, DefaultPrompt
from frontdesk.prompts.errors import (
    NoSuchPrompt,
    NoSuchPromptVersion,
    PromptInvalid,
    PromptUnchanged,
)
from frontdesk.prompts.happenings import PromptTold, VersionCreated
from frontdesk.prompts.models import Prompt, PromptExperiment, PromptRelease, PromptVersion
from frontdesk.prompts.rules import (
    OPEN_STATES,
    Bump,
    bump_for,
    content_hash,
    next_version,
    normalised,
    version_key,
)
from frontdesk.prompts.schemas import (
    PRODUCTION,
    PromptDiffPublic,
    PromptPreviewPublic,
    PromptPublic,
    PromptVersionCreate,
    PromptVersionPublic,
    ReleasePublic,
    ReviewState,
)
from frontdesk.prompts.template import find_variables, render

_INSERT = """
INSERT INTO prompt (id, name, description) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""


async def list_prompts(session: Session) -> list[PromptPublic]:
    """Every prompt Frontdesk uses, and where the tenant's labels stand."""
    return [await get_prompt(session, name) for name in DEFAULT_PROMPTS]


async def get_prompt(session: Session, name: str) -> PromptPublic:
    """A prompt and where its labels stand; production stands at the built-in text at first.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
    """
    default = default_of(name)
    query = (
        select(PromptRelease, PromptVersion.version)
        .join(
            PromptVersion,
            (col(PromptVersion.tenant_id) == col(PromptRelease.tenant_id))
            & (col(PromptVersion.id) == col(PromptRelease.version_id)),
        )
        .join(
            Prompt,
            (col(Prompt.tenant_id) == col(PromptRelease.tenant_id))
            & (col(Prompt.id) == col(PromptRelease.prompt_id)),
        )
        .where(Prompt.name == name, col(PromptRelease.rolled_back).is_(False))
        .ext(distinct_on(col(PromptRelease.label)))
        .order_by(col(PromptRelease.label), col(PromptRelease.id).desc())
    )
    labels = [
        ReleasePublic(
            label=release.label,
            version=version,
            released_at=release.created_at,
            released_by=release.released_by,
        )
        for release, version in (await session.exec(query)).all()
    ]
    open_one = await find_open_experiment(session, name)
    if not any(label.label == PRODUCTION for label in labels):
        labels.append(
            ReleasePublic(
                label=PRODUCTION, version=BUILT_IN_VERSION, released_at=None, released_by=None
            )
        )
    return PromptPublic(
        name=name,
        description=default.description,
        variables=sorted(default.samples),
        required_variables=sorted(default.required),
        labels=labels,
        experiment_id=open_one.id if open_one else None,
    )


async def list_versions(
    session: Session, name: str, *, limit: int, cursor: str | None
) -> Page[PromptVersionPublic]:
    """A page of a prompt's versions, newest first; the built-in one is not among them.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
    """
    standing = (await get_prompt(session, name)).labels
    return await newest_page(
        session,
        of_prompt(select(PromptVersion), PromptVersion, name),
        col(PromptVersion.id),
        lambda row: _shown(row, standing),
        limit=limit,
        cursor=cursor,
    )


async def get_version(session: Session, name: str, version: str) -> PromptVersionPublic:
    """One text of a prompt; `0.0.0` is the built-in one.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        NoSuchPromptVersion: the tenant has no such version.
    """
    standing = (await get_prompt(session, name)).labels
    if version == BUILT_IN_VERSION:
        content = default_of(name).content
        return PromptVersionPublic(
            version=version,
            content=content,
            content_hash=content_hash(content),
            variables=find_variables(content),
            note="",
            author_id=None,
            created_at=None,
            state=ReviewState.APPROVED,
            labels=_labels_at(version, standing),
        )
    return _shown(await find_version(session, name, version), standing)


async def create_version(
    session: Session, name: str, body: PromptVersionCreate, *, author_id: UUID | None = None
) -> PromptVersionPublic:
    """Keep a new text of a prompt; it is used by nobody until a label is moved to it.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        PromptInvalid: the template can't be used, or its variables are not those of this prompt.
        PromptUnchanged: an earlier version has this text.
    """
    content = normalised(body.content)
    variables = check_template(default_of(name), content)
    prompt = await locked_prompt(session, name)
    digest = content_hash(content)
    query = select(PromptVersion.version, PromptVersion.content_hash).where(
        PromptVersion.prompt_id == prompt.id
    )
    earlier = (await session.exec(query)).all()
    for version, known in earlier:
        if known == digest:
            raise PromptUnchanged(f"Version {version} has exactly this text.", version=version)
    versions = [version for version, _ in earlier]
    bump = body.bump or await _bump(session, name, versions, content, variables)
    made = PromptVersion(
        prompt_id=prompt.id,
        version=next_version(versions, bump),
        content=content,
        content_hash=digest,
        variables=variables,
        note=body.note,
        tags=body.tags,
        author_id=author_id,
    )
    session.add(made)
    await session.flush()
    await tell(session, VersionCreated(name=name, version=made.version), prompt, author_id)
    return _shown(made, ())


async def diff_versions(
    session: Session, name: str, from_version: str, to_version: str
) -> PromptDiffPublic:
    """What changed between two versions.

    Raises:
        NoSuchPrompt, NoSuchPromptVersion: one of them does not exist.
    """
    before = await get_version(session, name, from_version)
    after = await get_version(session, name, to_version)
    return PromptDiffPublic(
        from_version=from_version,
        to_version=to_version,
        diff=difference(
            before.content, after.content, names=(f"{name} {from_version}", f"{name} {to_version}")
        ),
    )


async def preview(
    session: Session,
    name: str,
    *,
    content: str | None,
    version: str | None,
    variables: Mapping[str, Any],
) -> PromptPreviewPublic:
    """A text filled in with these variables, and with samples for the others.

    Raises:
        NoSuchPrompt, NoSuchPromptVersion: the prompt or the version does not exist.
        PromptInvalid: the template can't be used, or a variable is not one of this prompt.
    """
    default = default_of(name)
    if content is not None and version is not None:
        raise Invalid("Send a content or a version, not both.")
    if unknown := sorted(set(variables) - set(default.samples)):
        raise PromptInvalid(f"{name} has no {', '.join(unknown)}.", unknown=unknown)
    if content is None:
        content = (await get_version(session, name, version or BUILT_IN_VERSION)).content
    else:
        content = normalised(content)
    used = check_template(default, content)
    text = render(content, {**default.samples, **variables})
    return PromptPreviewPublic(text=text, characters=len(text), variables=used)


def check_template(default: DefaultPrompt, content: str) -> list[str]:
    """The variables a text uses.

    Raises:
        PromptInvalid: it can't be used, uses variables this prompt is not given, or lacks one
            without which the agent could not do its work.
    """
    used = find_variables(content)
    if unknown := sorted(set(used) - set(default.samples)):
        known = ", ".join(sorted(default.samples))
        raise PromptInvalid(
            f"{default.name} is not given {', '.join(unknown)}; it is given {known}.",
            unknown=unknown,
        )
    if missing := sorted(set(default.required) - set(used)):
        raise PromptInvalid(f"{default.name} must use {', '.join(missing)}.", missing=missing)
    return used


async def _bump(
    session: Session, name: str, versions: list[str], content: str, variables: list[str]
) -> Bump:
    """What a text asks for by how it differs from the highest version."""
    if not versions:
        return Bump.MAJOR
    highest = await find_version(session, name, max(versions, key=version_key))
    return bump_for(
        highest.content, content, same_variables=set(variables) == set(highest.variables)
    )


def _shown(row: PromptVersion, standing: Sequence[ReleasePublic]) -> PromptVersionPublic:
    return PromptVersionPublic(
        **row.model_dump(include=set(PromptVersionPublic.model_fields)),
        state=ReviewState.PROPOSED if row.approved_at is None else ReviewState.APPROVED,
        labels=_labels_at(row.version, standing),
    )


def _labels_at(version: str, standing: Sequence[ReleasePublic]) -> list[str]:
    return [release.label for release in standing if release.version == version]


def default_of(name: str) -> DefaultPrompt:
    """The built-in prompt of this name; raises `NoSuchPrompt`."""
    default = DEFAULT_PROMPTS.get(name)
    if default is None:
        raise NoSuchPrompt(f"The prompts are {', '.join(DEFAULT_PROMPTS)}.")
    return default


async def locked_prompt(session: Session, name: str) -> Prompt:
    """The tenant's row of a prompt, made on first use; its lock orders versions and releases."""
    await session.sql.execute(_INSERT, ids.new(), name, DEFAULT_PROMPTS[name].description)
    query = select(Prompt).where(Prompt.name == name).with_for_update()
    return (await session.exec(query)).one()


async def find_version(session: Session, name: str, version: str) -> PromptVersion:
    """The tenant's row of a version; raises `NoSuchPromptVersion`."""
    query = of_prompt(select(PromptVersion), PromptVersion, name)
    wanted = query.where(PromptVersion.version == version)
    found: PromptVersion | None = (await session.exec(wanted)).one_or_none()
    if found is None:
        raise NoSuchPromptVersion(f"{name} has no version {version}.")
    return found


async def find_open_experiment(session: Session, name: str) -> PromptExperiment | None:
    """The experiment that runs on a prompt, or is held."""
    query = of_prompt(select(PromptExperiment), PromptExperiment, name)
    is_open = col(PromptExperiment.state).in_(OPEN_STATES)
    found: PromptExperiment | None = (await session.exec(query.where(is_open))).one_or_none()
    return found


def of_prompt(query: Any, table: type[PromptVersion | PromptExperiment], name: str) -> Any:
    """The query narrowed to the rows of one prompt."""
    is_its = (col(Prompt.tenant_id) == col(table.tenant_id)) & (
        col(Prompt.id) == col(table.prompt_id)
    )
    return query.join(Prompt, is_its).where(Prompt.name == name)


async def tell(session: Session, told: PromptTold, prompt: Prompt, user_id: UUID | None) -> None:
    """Write down what was done to a prompt, and tell the admins who are looking."""
    details = told.model_dump(mode="json", exclude={"name"})
    await audit(session, told.kind, "prompt", prompt.id, user_id=user_id, details=details)
    feed.tell(session, told, Audience.ADMINS)
