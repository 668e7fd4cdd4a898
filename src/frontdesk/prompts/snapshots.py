"""The prompts in use, kept close to the message path."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.prompts.defaults import BUILT_IN_VERSION, DEFAULT_PROMPTS
from frontdesk.prompts.errors import NoSuchPrompt
from frontdesk.prompts.rules import Unit, variant_of
from frontdesk.prompts.schemas import CONTROL, PRODUCTION
from frontdesk.prompts.template import render

_RELEASES = """
SELECT DISTINCT ON (r.label) r.label, v.id, v.version, v.content
FROM prompt p
JOIN prompt_release r ON r.tenant_id = p.tenant_id AND r.prompt_id = p.id AND NOT r.rolled_back
JOIN prompt_version v ON v.tenant_id = r.tenant_id AND v.id = r.version_id
WHERE p.name = $1
ORDER BY r.label, r.id DESC
"""
_RUNNING = """
SELECT e.id, e.unit, jsonb_agg(jsonb_build_object('name', t.item ->> 'name',
    'share', t.item -> 'share', 'prompt', jsonb_build_object('name', p.name,
    'version', v.version, 'content', v.content, 'version_id', v.id)) ORDER BY t.place) AS arms
FROM prompt p
JOIN prompt_experiment e ON e.tenant_id = p.tenant_id AND e.prompt_id = p.id
    AND e.state = 'running'
CROSS JOIN jsonb_array_elements(e.variants) WITH ORDINALITY AS t(item, place)
JOIN prompt_version v ON v.tenant_id = e.tenant_id AND v.prompt_id = e.prompt_id
    AND v.version = t.item ->> 'version'
WHERE p.name = $1 GROUP BY e.id, e.unit
"""


@dataclass(frozen=True)
class Exposure:
    """That a turn was part of an experiment, and what it was given there."""

    experiment_id: UUID
    variant: str


@dataclass(frozen=True)
class PromptSnapshot:
    """A text in use. `version_id` is None for the one Frontdesk comes with."""

    name: str
    version: str
    content: str
    version_id: UUID | None = None
    exposure: Exposure | None = None


@dataclass(frozen=True)
class FilledPrompt:
    """A prompt filled in for one call, and what it was made from."""

    prompt: PromptSnapshot
    variables: Mapping[str, Any]
    text: str


def fill(prompt: PromptSnapshot, variables: Mapping[str, Any]) -> FilledPrompt:
    """The prompt with its variables filled in; raises `PromptInvalid`."""
    return FilledPrompt(prompt, variables, render(prompt.content, variables))


@dataclass(frozen=True)
class Arm:
    """One variant of an experiment."""

    name: str
    share: float
    prompt: PromptSnapshot


@dataclass(frozen=True)
class Trial:
    """The experiment that runs on a prompt."""

    id: UUID
    unit: Unit
    arms: tuple[Arm, ...]

    def give(self, production: PromptSnapshot, unit_id: UUID) -> PromptSnapshot:
        """What a conversation or tenant gets: always the same, and known as part of this."""
        shares = [(arm.name, arm.share) for arm in self.arms]
        chosen = variant_of(shares, experiment_id=self.id, prompt=production.name, unit_id=unit_id)
        given = {arm.name: arm.prompt for arm in self.arms}.get(chosen or CONTROL, production)
        return replace(given, exposure=Exposure(self.id, chosen or CONTROL))


@dataclass(frozen=True)
class InUse:
    """Where the labels of one prompt stand, as far as the tenant has used them, and what is tried."""

    labels: dict[str, PromptSnapshot] = field(default_factory=dict)
    trial: Trial | None = None


class PromptCache:
    """What is in use of the prompts this process has used lately, a prompt at a time."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="prompt:v2", encode=_encode, decode=_decode)

    async def get(self, tenant_id: UUID, name: str) -> InUse:
        """Where the labels stand and what is tried, at most two seconds late."""
        return await self._cache.get(tenant_id, name, lambda: self._load(tenant_id, name))

    def forget_after_commit(self, tx: Transaction, name: str) -> None:
        """Let nobody use what was in use before this transaction."""
        self._cache.forget_after_commit(tx, name)

    async def _load(self, tenant_id: UUID, name: str) -> InUse:
        async with self._db.hot(tenant_id) as tx:
            rows = await tx.sql.fetch(_RELEASES, name)
            running = await tx.sql.fetchrow(_RUNNING, name)
        labels = {
            row["label"]: PromptSnapshot(name, row["version"], row["content"], row["id"])
            for row in rows
        }
        if running is None:
            return InUse(labels)
        return InUse(labels, _trial(running["id"], running["unit"], loads(running["arms"])))


async def load_prompt(
    resources: Resources,
    tenant_id: UUID,
    name: str,
    label: str | None = None,
    *,
    conversation_id: UUID | None = None,
) -> PromptSnapshot:
    """The text a label stands at, else production's, else the built-in one as version 0.0.0.

    Without a label it is the deployment's own, `PROMPTS__LABEL`. A conversation may be given
    another text than production's by an experiment, the same one on each turn. Mostly from memory,
    at most two seconds after a publication.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        Unavailable: no copy is at hand and the database is down.
    """
    built_in = built_in_prompt(name)
    used = await resources.keep(PromptCache).get(tenant_id, name)
    wanted = label or resources.settings.prompts.label
    if wanted != PRODUCTION and wanted in used.labels:
        return used.labels[wanted]
    production = used.labels.get(PRODUCTION) or built_in
    if used.trial is None or conversation_id is None:
        return production
    by_conversation = used.trial.unit is Unit.CONVERSATION
    return used.trial.give(production, conversation_id if by_conversation else tenant_id)


def built_in_prompt(name: str) -> PromptSnapshot:
    """The text Frontdesk comes with; raises `NoSuchPrompt`."""
    default = DEFAULT_PROMPTS.get(name)
    if default is None:
        raise NoSuchPrompt(f"The prompts are {', '.join(DEFAULT_PROMPTS)}.")
    return PromptSnapshot(name, BUILT_IN_VERSION, default.content)


def _encode(used: InUse) -> bytes:
    return dumps_bytes(asdict(used))


def _decode(data: bytes) -> InUse:
    stored = loads(data)
    labels = {label: _snapshot(item) for label, item in stored["labels"].items()}
    trial = stored["trial"]
    return InUse(labels, trial and _trial(UUID(trial["id"]), trial["unit"], trial["arms"]))


def _trial(experiment_id: UUID, unit: str, arms: Sequence[Mapping[str, Any]]) -> Trial:
    return Trial(
        experiment_id,
        Unit(unit),
        tuple(Arm(arm["name"], arm["share"], _snapshot(arm["prompt"])) for arm in arms),
    )


def _snapshot(stored: Mapping[str, Any]) -> PromptSnapshot:
    return PromptSnapshot(
        name=stored["name"],
        version=stored["version"],
        content=stored["content"],
        version_id=UUID(stored["version_id"]),
    )
