"""The prompts in use, kept close to the message path."""

from dataclasses import asdict, dataclass
from uuid import UUID

from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.prompts.defaults import BUILT_IN_VERSION, DEFAULT_PROMPTS
from frontdesk.prompts.errors import NoSuchPrompt
from frontdesk.prompts.schemas import PRODUCTION

_RELEASES = """
SELECT DISTINCT ON (r.label) r.label, v.id, v.version, v.content
FROM prompt p
JOIN prompt_release r ON r.tenant_id = p.tenant_id AND r.prompt_id = p.id AND NOT r.rolled_back
JOIN prompt_version v ON v.tenant_id = r.tenant_id AND v.id = r.version_id
WHERE p.name = $1
ORDER BY r.label, r.id DESC
"""


@dataclass(frozen=True)
class PromptSnapshot:
    """A text in use. `version_id` is None for the one Frontdesk comes with."""

    name: str
    version: str
    content: str
    version_id: UUID | None = None


# What each label of one prompt stands at; a label the tenant never used is not there.
Labels = dict[str, PromptSnapshot]


class PromptCache:
    """The labels of the prompts this process has used lately, a prompt at a time."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="prompt:v1", encode=_encode, decode=_decode)

    async def get(self, tenant_id: UUID, name: str) -> Labels:
        """Where the labels stand, at most two seconds late."""
        return await self._cache.get(tenant_id, name, lambda: self._load(tenant_id, name))

    def forget_after_commit(self, tx: Transaction, name: str) -> None:
        """Let nobody use labels from before this transaction."""
        self._cache.forget_after_commit(tx, name)

    async def _load(self, tenant_id: UUID, name: str) -> Labels:
        async with self._db.hot(tenant_id) as tx:
            rows = await tx.sql.fetch(_RELEASES, name)
        return {
            row["label"]: PromptSnapshot(name, row["version"], row["content"], row["id"])
            for row in rows
        }


async def load_prompt(
    resources: Resources, tenant_id: UUID, name: str, label: str | None = None
) -> PromptSnapshot:
    """The text a label stands at, else production's, else the built-in one as version 0.0.0.

    Without a label it is the deployment's own, `PROMPTS__LABEL`. Mostly from memory, at most two
    seconds after a publication.

    Raises:
        NoSuchPrompt: Frontdesk uses no prompt of this name.
        Unavailable: no copy is at hand and the database is down.
    """
    built_in = built_in_prompt(name)
    labels = await resources.keep(PromptCache).get(tenant_id, name)
    return (
        labels.get(label or resources.settings.prompts.label) or labels.get(PRODUCTION) or built_in
    )


def built_in_prompt(name: str) -> PromptSnapshot:
    """The text Frontdesk comes with; raises `NoSuchPrompt`."""
    default = DEFAULT_PROMPTS.get(name)
    if default is None:
        raise NoSuchPrompt(f"The prompts are {', '.join(DEFAULT_PROMPTS)}.")
    return PromptSnapshot(name, BUILT_IN_VERSION, default.content)


def _encode(labels: Labels) -> bytes:
    return dumps_bytes({label: asdict(snapshot) for label, snapshot in labels.items()})


def _decode(data: bytes) -> Labels:
    return {
        label: PromptSnapshot(
            name=stored["name"],
            version=stored["version"],
            content=stored["content"],
            version_id=UUID(stored["version_id"]) if stored["version_id"] else None,
        )
        for label, stored in loads(data).items()
    }
