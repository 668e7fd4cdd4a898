"""Prompts as files of a repository: what a file says, and how it becomes a version.

A file is named after its prompt (`reply.md`): a head in TOML between two lines of `+++`, which says
what the next version is to be known by, then the template as it is.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import ValidationError

from frontdesk.core.db import Session
from frontdesk.core.resources import Resources
from frontdesk.core.text import difference
from frontdesk.prompts.defaults import BUILT_IN_VERSION
from frontdesk.prompts.errors import ApprovalRequired, PromptInvalid, PromptUnchanged, RunRequired
from frontdesk.prompts.releases import publish_version
from frontdesk.prompts.rules import normalised
from frontdesk.prompts.schemas import PRODUCTION, PromptVersionCreate, PromptVersionPublic
from frontdesk.prompts.service import create_version, get_prompt, get_version

_FENCE = "+++\n"
_HEAD = frozenset({"note", "tags"})


class PushAction(StrEnum):
    """What pushing a file came to."""

    UNCHANGED = "unchanged"  # The label stands at this text.
    WAITING = "waiting"  # There is such a version, and the label stands at another.
    CREATED = "created"
    PUBLISHED = "published"
    AWAITS_APPROVAL = "awaits_approval"
    AWAITS_RUN = "awaits_run"


@dataclass(frozen=True)
class Pushed:
    """What pushing one file came to; `diff` is against what the label stood at."""

    name: str
    action: PushAction
    version: str
    diff: str


def file_text(version: PromptVersionPublic) -> str:
    """A version as a file."""
    head = f"note = {_quoted(version.note)}\ntags = [{', '.join(map(_quoted, version.tags))}]\n"
    return f"{_FENCE}{head}{_FENCE}{version.content}"


def read_file(name: str, text: str) -> PromptVersionCreate:
    """What a file asks to be kept as a version of the prompt.

    Raises:
        PromptInvalid: it has no head, or its head or its text can't be used.
    """
    parts = normalised(text).split(_FENCE, 2)
    if len(parts) != 3 or parts[0]:
        raise PromptInvalid(f"{name}: the file does not begin with a head between lines of +++.")
    try:
        head: Mapping[str, Any] = tomllib.loads(parts[1])
        if unknown := sorted(set(head) - _HEAD):
            raise PromptInvalid(f"{name}: the head may say note and tags, not {unknown[0]}.")
        return PromptVersionCreate(content=parts[2], **head)
    except tomllib.TOMLDecodeError as error:
        raise PromptInvalid(f"{name}: the head is no TOML: {error}.") from None
    except ValidationError as error:
        (first, *_) = error.errors(include_url=False, include_input=False)
        where = ".".join(map(str, first["loc"]))
        raise PromptInvalid(f"{name}: {where}: {first['msg']}.") from None


async def get_standing(session: Session, name: str, label: str) -> PromptVersionPublic:
    """The version that holds for a label: its own, else production's; raises `NoSuchPrompt`."""
    at = {release.label: release.version for release in (await get_prompt(session, name)).labels}
    return await get_version(session, name, at.get(label) or at.get(PRODUCTION, BUILT_IN_VERSION))


async def push_file(
    session: Session,
    resources: Resources,
    name: str,
    body: PromptVersionCreate,
    *,
    label: str = PRODUCTION,
    publish: bool = False,
    override: str | None = None,
) -> Pushed:
    """Make a version of what a file says unless there is one, and with `publish` put it in use.

    Pushing the same file again changes nothing. A version that still needs somebody's approval,
    or an evaluation run, is kept and not published.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        PromptInvalid: the template can't be used.
    """
    present = await get_standing(session, name, label)
    content = normalised(body.content)
    if content == present.content:
        return Pushed(name, PushAction.UNCHANGED, present.version, "")
    try:
        version = (await create_version(session, name, body)).version
        action = PushAction.CREATED
    except PromptUnchanged as known:
        version, action = known.details["version"], PushAction.WAITING
    if publish:
        try:
            await publish_version(session, resources, name, version, label=label, override=override)
            action = PushAction.PUBLISHED
        except ApprovalRequired:
            action = PushAction.AWAITS_APPROVAL
        except RunRequired:
            action = PushAction.AWAITS_RUN
    names = (f"{name} {present.version}", f"{name} {version}")
    return Pushed(name, action, version, difference(present.content, content, names=names))


def _quoted(text: str) -> str:
    """A TOML string: JSON's escapes are TOML's, but for the one control character JSON lets be."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
