"""Raw webhooks that could not be received: whose they are, and back to the beginning with them.

A body belongs to nobody before it has been read, and may hold the news of several tenants. So each
dead one is looked into once, to find whose numbers it names; a tenant is shown only its own part,
under an id that tells nothing of how much others receive. What can't be read at all is shown to
operators only.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from frontdesk.core import ids
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources
from frontdesk.messaging import WEBHOOK_EVENT, ChannelRegistry, Item, Unknown, parse_webhook
from frontdesk.pipeline.letters import Caller, Kind, Letter, NoSuchLetter, note

log = structlog.get_logger(__name__)

# What one caller waits for; after a storm the next one goes on where this one has stopped.
_MOST_AT_ONE_LOOK = 500

# Marked before it is read: should reading end the process, the next one leaves it alone.
_TAKE_UNSEEN = """
UPDATE webhook_event SET letter_id = $1 WHERE id = (
    SELECT id FROM webhook_event WHERE state = 'dead' AND letter_id IS NULL
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, body
"""
_COLUMNS = """
letter_id AS id, id AS number, state, received_at, attempts, last_error,
coalesce(concerns, '{}') AS concerns, coalesce(let_go, '{}') AS let_go
"""
_LIST = f"""
SELECT {_COLUMNS} FROM webhook_event
WHERE state = 'dead' AND ($2::uuid IS NULL OR letter_id < $2) AND letter_id IS NOT NULL
    AND ($1::uuid IS NULL OR $1 = ANY(concerns) AND $1 <> ALL(coalesce(let_go, '{{}}')))
ORDER BY letter_id DESC LIMIT $3
"""  # noqa: S608  # Ours.
_FIND = f"""
SELECT {_COLUMNS}, body FROM webhook_event
WHERE letter_id = $2 AND ($1::uuid IS NULL OR $1 = ANY(concerns))
"""  # noqa: S608  # Ours.
# An operator (no tenant) may also fetch back what was let go; each tenant only its own part of it.
_REPLAY = """
UPDATE webhook_event SET state = 'pending', attempts = 0, waits = 0, due_at = now(),
    last_error = NULL, let_go = CASE WHEN $1::uuid IS NOT NULL THEN array_remove(let_go, $1) END
WHERE letter_id = $2 AND (state = 'dead' OR state = 'discarded' AND $1::uuid IS NULL)
RETURNING id
"""
# What a tenant lets go is gone for that tenant; once all have, it is gone.
_DISCARD = """
UPDATE webhook_event SET let_go = coalesce(let_go, '{}') || $1,
    state = CASE WHEN $1::uuid IS NULL OR concerns <@ (coalesce(let_go, '{}') || $1)
            THEN 'discarded' ELSE state END
WHERE letter_id = $2 AND state = 'dead'
    AND ($1::uuid IS NULL OR $1 <> ALL(coalesce(let_go, '{}')))
RETURNING id
"""


async def look_into(resources: Resources) -> None:
    """Find out whose the dead webhooks are that nobody has looked at; 500 of them at most."""
    for _ in range(_MOST_AT_ONE_LOOK):
        async with resources.db.system() as connection:
            row = await connection.fetchrow(_TAKE_UNSEEN, ids.new())
        if row is None:
            return
        tenants = await _parts(resources, row["body"])
        async with resources.db.system() as connection:
            await connection.execute(
                "UPDATE webhook_event SET concerns = $2 WHERE id = $1", row["id"], list(tenants)
            )
    log.warning("dead_webhooks_unseen", looked_at=_MOST_AT_ONE_LOOK)


async def list_webhooks(
    resources: Resources, tenant_id: UUID | None, before: UUID | None, limit: int
) -> list[Letter]:
    """Dead webhooks, those seen last first: all, or those that concern a tenant and are not let go."""
    async with resources.db.system() as connection:
        rows = await connection.fetch(_LIST, tenant_id, before, limit)
    return [_letter(row, tenant_id) for row in rows]


async def find_webhook(
    resources: Resources, letter_id: UUID, tenant_id: UUID | None
) -> Letter | None:
    """A webhook with what it holds: for a tenant its own part, for an operator (None) the body."""
    async with resources.db.system() as connection:
        row = await connection.fetchrow(_FIND, tenant_id, letter_id)
    if row is None:
        return None
    if tenant_id is None:
        body = bytes(row["body"]).decode("utf-8", "backslashreplace")
        return _letter(row, None, [{"what": "body", "raw": body}])
    parts = await _parts(resources, row["body"])
    return _letter(row, tenant_id, parts.get(tenant_id, []))


async def find_number(resources: Resources, number: int) -> UUID:
    """The id under which a dead webhook is shown, by its number; raises `NoSuchLetter`."""
    await look_into(resources)
    async with resources.db.system() as connection:
        letter_id: UUID | None = await connection.fetchval(
            "SELECT letter_id FROM webhook_event WHERE id = $1", number
        )
    if letter_id is None:
        raise NoSuchLetter
    return letter_id


async def replay_webhook(resources: Resources, by: Caller, letter: Letter) -> bool:
    """Let it be received again from the start; False when it is not dead."""
    changed = await _move(resources, _REPLAY, "replayed", letter, by)
    if changed:
        resources.db.bell.ring(WEBHOOK_EVENT, NIL, NIL)
    return changed


async def discard_webhook(resources: Resources, by: Caller, letter: Letter) -> bool:
    """Let go of it, for a tenant or for all; False when that has been done, or it is not dead."""
    return await _move(resources, _DISCARD, "discarded", letter, by)


async def _move(
    resources: Resources, statement: str, deed: str, letter: Letter, by: Caller
) -> bool:
    """Change its state, and tell so in the audit log of each tenant whom it concerns."""
    async with resources.db.system_transaction() as tx:
        if await tx.sql.fetchval(statement, by.tenant_id, letter.id) is None:
            return False
        for tenant_id in letter.tenant_ids:
            await tx.sql.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant_id))
            await note(tx, deed, letter, by)
    log.info("dead_webhook_moved", deed=deed, letter_id=str(letter.id))
    return True


async def _parts(resources: Resources, body: bytes) -> dict[UUID, list[dict[str, Any]]]:
    """What a body holds of each tenant whose number or account it names."""
    webhook = await asyncio.to_thread(parse_webhook, body)
    registry = resources.keep(ChannelRegistry)
    items = [item for item in webhook.items if not isinstance(item, Unknown)]
    phone_ids = {item.phone_number_id for item in items if item.phone_number_id}
    by_phone = await registry.by_phone_number_ids(phone_ids)
    accounts = {item.waba_id for item in items if item.waba_id and not item.phone_number_id}
    by_account = {waba_id: await registry.by_waba(waba_id) for waba_id in accounts}
    parts: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        if item.phone_number_id:
            channel = by_phone.get(item.phone_number_id)
            # A number told with another account is not the one that was connected.
            is_ours = channel and item.waba_id in (None, channel.waba_id)
            tenants = {channel.tenant_id} if channel and is_ours else set()
        else:
            tenants = {channel.tenant_id for channel in by_account.get(item.waba_id or "", [])}
        for tenant_id in tenants:
            parts[tenant_id].append(_told(item))
    return dict(parts)


def _told(item: Item) -> dict[str, Any]:
    words = re.findall("[A-Z][a-z]*", type(item).__name__)
    return {"what": " ".join(words).lower(), "raw": item.raw}


def _letter(row: Any, tenant_id: UUID | None, contents: Iterable[dict[str, Any]] = ()) -> Letter:
    state = row["state"]
    if tenant_id is not None and tenant_id in row["let_go"] and state == "dead":
        state = "discarded"
    received_at: datetime = row["received_at"]
    return Letter(
        id=row["id"],
        kind=Kind.WEBHOOK,
        state=state,
        at=received_at,
        reason=(row["last_error"] or "") if tenant_id is None else _plain_reason(row),
        attempts=row["attempts"],
        tenant_ids=tuple(row["concerns"]) if tenant_id is None else (tenant_id,),
        number=row["number"] if tenant_id is None else None,
        contents=tuple(contents),
    )


def _plain_reason(row: Any) -> str:
    # The error itself may be about another tenant's part, and holds the database's own words.
    return "What WhatsApp told could not be taken in." if row["state"] == "dead" else ""
