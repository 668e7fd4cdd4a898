"""The price table as the platform looks after it: listed, extended, and looked through for gaps."""

from collections.abc import Mapping
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

import structlog

from frontdesk.billing.ledger import BILLED_KINDS
from frontdesk.billing.money_schemas import (
    PriceChangePublic,
    PricePublic,
    PriceSet,
    UnpricedModel,
)
from frontdesk.core import ids
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.core.text import clean

log = structlog.get_logger(__name__)

# Newest first; of each model only what holds or will hold, unless all is wanted.
_LIST = """
SELECT model, effective_from, input_usd_per_million, output_usd_per_million,
    cached_input_usd_per_million, source
FROM price p WHERE $1 OR effective_from >= (
    SELECT max(effective_from) FROM price c WHERE c.model = p.model AND c.effective_from <= now())
ORDER BY model, effective_from DESC
"""
_SET = """
INSERT INTO price (model, effective_from, input_usd_per_million, output_usd_per_million,
    cached_input_usd_per_million, source)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (model, effective_from) DO UPDATE SET input_usd_per_million = $3,
    output_usd_per_million = $4, cached_input_usd_per_million = $5, source = $6
RETURNING *
"""
# A name of the ledger as the price table has it.
_USED = """
SELECT CASE WHEN kind = 'whatsapp' THEN 'whatsapp/' || model ELSE model END AS model,
    count(*) AS used
FROM usage_entry
WHERE created_at > now() - interval '30 days' AND amount_usd IS NULL AND corrects_id IS NULL
    AND kind = ANY($1)
GROUP BY 1
"""
_ROUTED = """
SELECT jsonb_path_query(routes, '$.*.*[*] ? (@.type() == "string")') #>> '{}' AS model
FROM model_routing
UNION
SELECT jsonb_path_query(v.config, '$.models[*] ? (@.type() == "string")') #>> '{}'
FROM agent a JOIN agent_version v
    ON v.tenant_id = a.tenant_id AND v.agent_id = a.id AND v.version = a.version
"""
_BEFORE = """
SELECT * FROM price WHERE model = $1 AND effective_from <= $2 ORDER BY effective_from DESC LIMIT 1
"""
_NOTE = """
INSERT INTO price_change (id, model, before, after, user_id, request_id)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_CHANGES = """
SELECT * FROM price_change WHERE $1::text IS NULL OR model = $1 ORDER BY id DESC LIMIT $2
"""
_PRICED = "SELECT DISTINCT model FROM price WHERE effective_from <= now()"


async def list_prices(resources: Resources, *, history: bool = False) -> list[PricePublic]:
    """The prices that hold or will hold, by model; with `history` also those that no longer do."""
    # They belong to the platform, and the application's role may read them: no tenant is bound.
    async with resources.db.hot(ids.NIL) as tx:
        rows = await tx.sql.fetch(_LIST, history)
    return [PricePublic.model_validate(dict(row)) for row in rows]


async def set_price(resources: Resources, body: PriceSet, *, by: UUID | None = None) -> PricePublic:
    """A price from a day on, known everywhere within a minute. What is in the ledger stays.

    The same model and day again replaces what was said before.

    Args:
        by: the super admin's id; None is the operator at the command line.
    """
    since = datetime.now(UTC)
    if body.effective_from is not None:
        since = datetime.combine(body.effective_from, time.min, UTC)
    async with resources.db.system_transaction() as tx:
        # Two at once would both take the same price for the one before theirs.
        await tx.sql.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 44))", body.model
        )
        before = await tx.sql.fetchrow(_BEFORE, body.model, since)
        row = await tx.sql.fetchrow(
            _SET,
            body.model,
            since,
            body.input_usd_per_million,
            body.output_usd_per_million,
            body.cached_input_usd_per_million,
            clean(body.source),
        )
        assert row is not None
        price = PricePublic.model_validate(dict(row))
        # Prices are no tenant's, and the audit log is each tenant's own: they have one themselves.
        await tx.sql.execute(
            _NOTE,
            ids.new(),
            price.model,
            None if before is None else _as_json(dict(before)),
            _as_json(dict(row)),
            by,
            structlog.contextvars.get_contextvars().get("request_id"),
        )
    log.info("price_set", model=price.model, since=str(since), by=str(by or "operator"))
    return price


async def list_price_changes(
    resources: Resources, model: str | None, *, limit: int
) -> list[PriceChangePublic]:
    """Who set which price when, and what it was before; the newest first."""
    async with resources.db.system() as connection:
        rows = await connection.fetch(_CHANGES, model, limit)
    return [
        PriceChangePublic.model_validate(
            {
                **dict(row),
                "before": row["before"] and loads(row["before"]),
                "after": loads(row["after"]),
            }
        )
        for row in rows
    ]


def _as_json(price: Mapping[str, Any]) -> str:
    return dumps({name: None if value is None else str(value) for name, value in price.items()})


async def list_unpriced(resources: Resources) -> list[UnpricedModel]:
    """What any tenant used in the last 30 days or is configured, and has no price now; by name."""
    async with resources.db.system() as connection:
        priced = {row["model"] for row in await connection.fetch(_PRICED)}
        used_rows = await connection.fetch(_USED, list(BILLED_KINDS))
        routed = {row["model"] for row in await connection.fetch(_ROUTED)}
    used = {row["model"]: row["used"] for row in used_rows}
    configured = configured_models(resources.settings) | routed
    return [
        UnpricedModel(model=model, used=used.get(model, 0), configured=model in configured)
        for model in sorted((used.keys() | configured) - priced)
    ]


def configured_models(settings: Settings) -> set[str]:
    """The models that the deployment's settings name, by whatever feature."""
    llm = settings.llm
    routed = {model for models in llm.routes.values() for model in models}
    return {*llm.chain, *llm.cheaper_chain, *routed}
