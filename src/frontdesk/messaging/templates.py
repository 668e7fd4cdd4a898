"""The catalogue of message templates: listed from Meta as due work, kept true by its webhooks.

One row per account is the job: a day after it was listed, and soon after Meta says that something
about a template has changed, it is listed anew.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from frontdesk import feed
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps, loads
from frontdesk.core.resources import Resources
from frontdesk.messaging import graph_accounts as meta
from frontdesk.messaging.graph_accounts import MetaRefused, MetaUnavailable
from frontdesk.messaging.happenings import TemplatesChanged
from frontdesk.messaging.incoming_items import TemplateEvent
from frontdesk.messaging.incoming_reading import storable
from frontdesk.messaging.incoming_templates import normal_language
from frontdesk.messaging.models import HOLDS_NUMBER
from frontdesk.messaging.registry import ChannelRegistry
from frontdesk.messaging.schemas import PlaceholderPublic, TemplatePublic
from frontdesk.messaging.template_rules import (
    Filled,
    Unfit,
    fill,
    placeholders,
    problem_of,
    shown_text,
)

log = structlog.get_logger(__name__)

CATALOGUE = "messaging.templates"
LEASE_SECONDS = 300
DAY_SECONDS = 86_400.0
# Several webhooks tell of one change; Meta's list may be a moment behind them.
SOON_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 3_600.0
MOST_SHOWN = 20
_CLAIM = f"""
UPDATE template_catalogue t SET attempts = t.attempts + 1,
    due_at = now() + make_interval(secs => $2)
WHERE t.id = $1 AND t.due_at <= now()
RETURNING t.id, t.waba_id, t.attempts, t.due_at, (SELECT h.access_token_sealed FROM channel h
    WHERE h.waba_id = t.waba_id AND h.access_token_sealed <> '' AND {HOLDS_NUMBER}
    ORDER BY h.status = 'CONNECTED' DESC, h.id LIMIT 1) AS access_token_sealed
"""  # noqa: S608  # Ours.
_KEEP = """
INSERT INTO message_template (id, waba_id, name, language, category, status, quality, components)
SELECT gen_random_uuid(), $1, t.name, t.language, t.category, t.status, t.quality, t.components
FROM jsonb_to_recordset($2) AS t (name text, language text, category text, status text, quality text,
    components jsonb)
ON CONFLICT (tenant_id, waba_id, name, language) DO UPDATE SET category = excluded.category,
    status = excluded.status, quality = excluded.quality, components = excluded.components,
    synced_at = now()
"""
_FORGET = """
DELETE FROM message_template m WHERE waba_id = $1 AND NOT EXISTS (SELECT 1 FROM
    jsonb_to_recordset($2) AS t (name text, language text)
    WHERE t.name = m.name AND t.language = m.language)
"""
_COLUMNS = "id, waba_id, name, language, category, status, quality, components, synced_at"


async def list_soon(tx: Transaction, waba_id: str, *, after_seconds: float = 0) -> None:
    """Make the templates of an account due to be listed."""
    catalogue_id = await tx.sql.fetchval(
        "INSERT INTO template_catalogue (id, waba_id, due_at) "
        "VALUES ($1, $2, now() + make_interval(secs => $3)) ON CONFLICT (tenant_id, waba_id) "
        "DO UPDATE SET due_at = excluded.due_at, attempts = 0 RETURNING id",
        ids.new(),
        waba_id,
        after_seconds,
    )
    tx.ring(CATALOGUE, catalogue_id, after_seconds and after_seconds + 0.01)


async def list_first(tx: Transaction, waba_id: str) -> None:
    """Make the templates of an account due if they have never been: it may have been connected
    before there was a catalogue."""
    await tx.sql.execute(
        "INSERT INTO template_catalogue (id, waba_id, due_at) VALUES ($1, $2, now()) "
        "ON CONFLICT (tenant_id, waba_id) DO NOTHING",
        ids.new(),
        waba_id,
    )


async def note_template_event(tx: Transaction, waba_id: str, event: TemplateEvent) -> None:
    """Follow what Meta says of a template at once, and list the account's soon."""
    status = event.event if event.kind == "status" else None
    # What will change is no change yet.
    category = event.category if event.kind == "category" and not event.correct_category else None
    changed = await tx.sql.fetchval(
        "UPDATE message_template SET status = coalesce($4, status), "
        "category = coalesce($5, category), quality = coalesce($6, quality) "
        "WHERE waba_id = $1 AND name = $2 AND language = $3 RETURNING id",
        waba_id,
        event.name,
        event.language,
        {"REINSTATED": "APPROVED"}.get(status or "", status),
        category and category.upper(),
        event.quality,
    )
    if changed is not None:
        _tell(tx, waba_id)
    await list_soon(tx, waba_id, after_seconds=SOON_SECONDS)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Catalogues to be listed anew; tenants take turns."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM template_catalogue WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


@dataclass(frozen=True)
class _Job:
    id: UUID
    waba_id: str
    attempts: int  # Since it was listed last.
    due_at: datetime  # Ours until something moves it.
    access_token_sealed: str | None


async def list_anew(resources: Resources, tenant_id: UUID, catalogue_id: UUID) -> None:
    """List an account's templates from Meta. Run twice, the later claim decides what is kept."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, catalogue_id, float(LEASE_SECONDS))
    if row is None:
        return
    job = _Job(**row)
    if job.access_token_sealed is None:
        # Disconnected: what was listed is of no use, and connecting it again makes it due.
        await _note(resources, tenant_id, job, listed=[], due_seconds=None)
        return
    token = resources.keep(ChannelRegistry).access_token(tenant_id, job.access_token_sealed)
    try:
        listed = _read(await meta.list_templates(resources, job.waba_id, token))
    except MetaRefused as refused:
        await _note(resources, tenant_id, job, error=refused.failure.words, due_seconds=DAY_SECONDS)
    except MetaUnavailable as error:
        pause = min(60.0 * 2 ** min(job.attempts, 10), _LONGEST_PAUSE_SECONDS)
        await _note(resources, tenant_id, job, error=str(error), due_seconds=pause)
    else:
        # Not all accounts at the same hour.
        day = DAY_SECONDS * random.uniform(0.9, 1.1)  # noqa: S311  # No secret.
        await _note(resources, tenant_id, job, listed=listed, due_seconds=day)


async def _note(
    resources: Resources,
    tenant_id: UUID,
    job: _Job,
    *,
    due_seconds: float | None,
    listed: list[dict[str, Any]] | None = None,
    error: str | None = None,
) -> None:
    async with resources.db.hot(tenant_id) as tx:
        ours = await tx.sql.fetchval(
            "UPDATE template_catalogue SET due_at = now() + make_interval(secs => $3), "
            "last_error = $4, attempts = CASE WHEN $4::text IS NULL THEN 0 ELSE attempts END, "
            "synced_at = CASE WHEN $4::text IS NULL THEN now() ELSE synced_at END "
            "WHERE id = $1 AND due_at = $2 RETURNING id",
            job.id,
            job.due_at,
            due_seconds,
            error,
        )
        if ours is None:
            return
        if listed is None:
            log.warning("templates_not_listed", waba_id=job.waba_id, reason=error)
            return
        await tx.sql.execute(_KEEP, job.waba_id, dumps(listed))
        await tx.sql.execute(_FORGET, job.waba_id, dumps(listed))
        _tell(tx, job.waba_id)


def _read(listed: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What is kept of Meta's list; an entry that makes no sense is left out."""
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    for told in listed:
        name, components = told.get("name"), told.get("components")
        language = normal_language(told.get("language"))
        if not isinstance(name, str) or not language or not isinstance(components, list):
            continue
        quality = told.get("quality_score")
        kept[name, language] = {
            "name": name[:512],
            "language": language,
            "category": str(told.get("category") or "UNKNOWN").upper()[:50],
            "status": str(told.get("status") or "UNKNOWN").upper()[:50],
            "quality": str(quality.get("score"))[:50] if isinstance(quality, dict) else None,
            "components": storable([part for part in components if isinstance(part, dict)]),
        }
    return list(kept.values())


def _tell(tx: Transaction, waba_id: str) -> None:
    feed.tell(tx, TemplatesChanged(waba_id=waba_id))


async def list_templates(
    tx: Transaction, *, channel_id: UUID | None = None, sendable: bool = False
) -> list[TemplatePublic]:
    """The templates of the tenant's accounts, or of a channel's, by name and language.

    Args:
        sendable: only those that can be sent from here now.
    """
    rows = await tx.sql.fetch(
        f"SELECT {_COLUMNS} FROM message_template WHERE $1::uuid IS NULL OR waba_id = "  # noqa: S608  # Ours.
        "(SELECT waba_id FROM channel WHERE id = $1) ORDER BY name, language, id LIMIT 6000",
        channel_id,
    )
    found = [_public(row) for row in rows]
    return [template for template in found if template.problem is None or not sendable]


async def get_template(
    tx: Transaction, template_id: UUID, channel_id: UUID
) -> tuple[TemplatePublic, list[dict[str, Any]]]:
    """A template of a channel's account, and what it is made of; raises `NotFound`."""
    row = await tx.sql.fetchrow(
        f"SELECT {_COLUMNS} FROM message_template WHERE id = $1 AND waba_id = "  # noqa: S608  # Ours.
        "(SELECT waba_id FROM channel WHERE id = $2)",
        template_id,
        channel_id,
    )
    if row is None:
        raise NotFound(f"The number's account has no template {template_id}.")
    return _public(row), loads(row["components"])


async def find_template(
    tx: Transaction, name: str, language: str, channel_id: UUID
) -> tuple[TemplatePublic, list[dict[str, Any]]] | None:
    """The same by its name and language; None when the account has none."""
    template_id = await tx.sql.fetchval(
        "SELECT t.id FROM message_template t JOIN channel h ON h.tenant_id = t.tenant_id "
        "AND h.waba_id = t.waba_id WHERE t.name = $1 AND t.language = $2 AND h.id = $3",
        name,
        language,
        channel_id,
    )
    return template_id and await get_template(tx, template_id, channel_id)


async def fill_everywhere(
    tx: Transaction,
    name: str,
    language: str,
    channel_id: UUID,
    value: str,
    taps: Sequence[str] = (),
) -> Filled | None:
    """A template with the same value in each of its places; None when it can't be sent so.

    Args:
        taps: what its quick replies send back, in their order.
    """
    found = await find_template(tx, name, language, channel_id)
    if found is None or found[0].problem is not None:
        return None
    values = {place.key: value for place in placeholders(found[1])}
    try:
        return fill(name, language, found[1], values, taps)
    except Unfit:
        return None


async def templates_that_work(tx: Transaction, channel_id: UUID) -> list[dict[str, Any]]:
    """What could be said outside the window, in short: for whoever was just refused."""
    rows = await tx.sql.fetch(
        f"SELECT {_COLUMNS} FROM message_template WHERE waba_id = "  # noqa: S608  # Ours.
        "(SELECT waba_id FROM channel WHERE id = $1) AND status = 'APPROVED' "
        "AND category <> 'AUTHENTICATION' ORDER BY name, language, id LIMIT 6000",
        channel_id,
    )
    shown = {"id", "name", "language", "category", "text", "parameters"}
    work = (each for row in rows if (each := _public(row)).problem is None)
    return [
        template.model_dump(mode="json", include=shown) for template in islice(work, MOST_SHOWN)
    ]


async def sync_templates(tx: Transaction) -> None:
    """List the templates of all the tenant's accounts now."""
    rows = await tx.sql.fetch(
        f"SELECT DISTINCT waba_id FROM channel WHERE {HOLDS_NUMBER} ORDER BY waba_id"  # noqa: S608  # Ours.
    )
    for row in rows:
        await list_soon(tx, row["waba_id"])


def _public(row: Any) -> TemplatePublic:
    components = loads(row["components"])
    problem = problem_of(row["status"], row["category"], components)
    return TemplatePublic(
        **{name: value for name, value in row.items() if name != "components"},
        text=shown_text(components),
        parameters=[
            PlaceholderPublic(key=place.key, example=place.example)
            for place in placeholders(components)
        ],
        problem=problem and problem.words,
        problem_part=problem and problem.part,
    )
