"""The gate for models that come from the tenant's routing table and not from the agent."""

from frontdesk.agent_config.config import AgentConfig
from frontdesk.agent_config.rules import config_hash
from frontdesk.core.db import Transaction
from frontdesk.core.json import loads
from frontdesk.gateway import ModelsNeedRun, ReplyModelsChanging
from frontdesk.observability import audit

_GATED = """
SELECT a.id, a.name, v.config FROM agent a
JOIN agent_version v ON v.tenant_id = a.tenant_id AND v.agent_id = a.id AND v.version = a.version
WHERE a.requires_run ORDER BY a.id
"""
_PASSED = "SELECT 1 FROM agent_pass WHERE agent_id = $1 AND config_hash = $2"


async def gate_reply_models(tx: Transaction, changing: ReplyModelsChanging) -> None:
    """Refuse other reply models where an agent asks for a passing run and has passed none with them.

    It counts as passed what was played with just these models named in the agent's present
    configuration. An override lets them pass and is audited for each agent.

    Raises:
        ModelsNeedRun: an agent has passed no such run, and no reason was given.
    """
    for row in await tx.sql.fetch(_GATED):
        config = AgentConfig.model_validate(loads(row["config"]), extra="ignore")
        if config.models is not None:
            continue
        played = config.model_copy(update={"models": changing.models})
        if await tx.sql.fetchval(_PASSED, row["id"], config_hash(played)) is not None:
            continue
        if changing.override is None:
            raise ModelsNeedRun(
                f"“{row['name']}” has passed no evaluation run with {', '.join(changing.models)}: "
                "run it, or say why they may do without (override)."
            )
        details = {"reason": changing.override, "models": list(changing.models)}
        action = "agent.gate_overridden"
        await audit(tx, action, "agent", row["id"], user_id=changing.by, details=details)
