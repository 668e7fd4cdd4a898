"""What a run plays: a configuration and a text for every prompt, pinned when the run is started."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk.agent_config import (
    AgentConfig,
    AgentSnapshot,
    config_hash,
    get_agent,
    get_config,
    pass_config,
)
from frontdesk.core.db import Session
from frontdesk.evaluation.schemas import Candidate
from frontdesk.prompts import (
    BUILT_IN_VERSION,
    PromptSnapshot,
    content_hash,
    get_standing,
    get_version,
    pass_version,
)

# What stages 2 to 6 and the memory before them are told.
PLAYED = ("reply", "triage", "handoff", "summary")
PRODUCTION = "production"
# The version that calls of a draft are recorded under.
_DRAFT = 0


@dataclass(frozen=True)
class Pinned:
    """A candidate as it was when its run was started."""

    agent: AgentSnapshot
    prompts: dict[str, PromptSnapshot]

    @property
    def fingerprint(self) -> str:
        """The same for the same content, in hex."""
        parts = [config_hash(self.agent.config)]
        parts += [f"{name}={content_hash(p.content)}" for name, p in sorted(self.prompts.items())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def as_stored(self) -> dict[str, Any]:
        """As its run keeps it."""
        return {
            "name": self.agent.name,
            "version": self.agent.version,
            "config": self.agent.config.model_dump(mode="json"),
            "prompts": {
                name: {"version": prompt.version, "content": prompt.content}
                for name, prompt in self.prompts.items()
            },
        }

    @classmethod
    def stored(cls, agent_id: UUID, kept: dict[str, Any]) -> "Pinned":
        """What a run has kept."""
        config = AgentConfig.model_validate(kept["config"], extra="ignore")
        return cls(
            AgentSnapshot(agent_id, kept["name"], kept["version"], True, config),
            {
                name: PromptSnapshot(name, text["version"], text["content"])
                for name, text in kept["prompts"].items()
            },
        )


async def pin(session: Session, agent_id: UUID, wish: Candidate) -> Pinned:
    """What a wish comes to now: what is in production, with what is to be different.

    Raises:
        NoSuchAgent, NoSuchAgentVersion, NoSuchPrompt, NoSuchPromptVersion: something it names.
    """
    agent = await get_agent(session, agent_id)
    version, config = agent.version, agent.config
    if wish.config is not None:
        version, config = _DRAFT, wish.config
    elif wish.version is not None:
        version, config = wish.version, await get_config(session, agent_id, wish.version)
    if wish.models is not None:
        version, config = _DRAFT, config.model_copy(update={"models": tuple(wish.models)})
    prompts = {}
    for name in dict.fromkeys((*PLAYED, *wish.prompts)):
        asked = wish.prompts.get(name)
        found = (
            await get_version(session, name, asked)
            if asked
            else await get_standing(session, name, wish.label or PRODUCTION)
        )
        prompts[name] = PromptSnapshot(name, found.version, found.content)
    return Pinned(AgentSnapshot(agent_id, agent.name, version, True, config), prompts)


async def let_into_production(session: Session, run_id: UUID, pinned: Pinned) -> None:
    """Write down, where it is asked before anything is published, that this content has passed."""
    await pass_config(session, pinned.agent.agent_id, pinned.agent.config, run_id)
    for name, prompt in pinned.prompts.items():
        if prompt.version != BUILT_IN_VERSION:
            await pass_version(session, name, prompt.version, run_id)
