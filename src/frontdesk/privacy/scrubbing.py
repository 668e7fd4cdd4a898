"""The statements of an erasure, made from what each context says of its tables.

They run as the system role, which row-level security does not hold: each one names the tenant.
"""

import json
import re
from typing import Any
from uuid import UUID

import asyncpg

from frontdesk.core.db import Transaction
from frontdesk.core.holdings import DELETE, KEEP
from frontdesk.core.json import dumps
from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources
from frontdesk.messaging import redacted
from frontdesk.privacy.catalogue import HOLDINGS, Table, list_tables

# The tenant goes last, so that a context's condition counts its own parameters from one. Every
# parameter is used, or Postgres could not tell its type.
_OF_CONTACT = "({condition}) AND $1::uuid IS NOT NULL AND $2::text IS NOT NULL AND tenant_id = $3"


async def forget_identity(tx: Transaction, contact_id: UUID) -> None:
    """Take every id and name off a contact, in a transaction of the tenant."""
    await tx.sql.execute("DELETE FROM contact_alias WHERE contact_id = $1", contact_id)
    nobody = HOLDINGS["contact"].erase
    await tx.sql.execute(f"UPDATE contact SET {nobody} WHERE id = $1", contact_id)  # noqa: S608  # Ours.


async def scrub_contact(tx: Transaction, contact_id: UUID, pattern: str) -> dict[str, int]:
    """Erase a contact's rows in every table that says it holds some; rows changed, by table."""
    changed: dict[str, int] = {}
    for holding in HOLDINGS.values():
        if holding.of_contact is None or holding.erase == KEEP:
            continue
        condition = _OF_CONTACT.format(condition=holding.of_contact)
        statement = _statement(holding.table, holding.erase, condition)
        changed[holding.table] = await _count(tx, statement, contact_id, pattern, tx.tenant_id)
    return {table: rows for table, rows in changed.items() if rows}


async def strike_out(tx: Transaction, pattern: str) -> dict[str, int]:
    """Replace what still names the contact, wherever in the tenant it stands: somebody else may
    have written the number. Texts changed, by `table.column`."""
    compiled = re.compile(pattern)
    changed: dict[str, int] = {}
    for table in await list_tables(tx.sql):
        for column in table.texts:
            rows = await tx.sql.fetch(
                f"SELECT ctid, to_jsonb({column})::text AS value FROM {table.name} "  # noqa: S608  # Names of our own.
                f"WHERE tenant_id = $1 AND {column}::text ~ $2 FOR UPDATE",
                tx.tenant_id,
                pattern,
            )
            for row in rows:
                value = redacted(json.loads(row["value"]), compiled)
                await tx.sql.execute(
                    f"UPDATE {table.name} SET {column} = $2 WHERE ctid = $1 AND tenant_id = $3",  # noqa: S608  # Names of our own.
                    row["ctid"],
                    dumps(value) if column in table.json else value,
                    tx.tenant_id,
                )
            if rows:
                changed[f"{table.name}.{column}"] = len(rows)
    return changed


async def search(tx: Transaction, pattern: str) -> dict[str, int]:
    """How many rows of the tenant hold a text that names the contact, by `table.column`."""
    left: dict[str, int] = {}
    for table in await list_tables(tx.sql):
        if not table.texts:
            continue
        counts = ", ".join(
            f"count(*) FILTER (WHERE {column}::text ~ $2) AS {column}" for column in table.texts
        )
        row = await tx.sql.fetchrow(
            f"SELECT {counts} FROM {table.name} WHERE tenant_id = $1",  # noqa: S608  # Names of our own.
            tx.tenant_id,
            pattern,
        )
        assert row is not None
        left |= {f"{table.name}.{name}": rows for name, rows in row.items() if rows}
    return left


async def stop_tenant(tx: Transaction) -> None:
    """Let nobody sign in to the tenant, and no webhook find its numbers, from this commit on."""
    await tx.sql.execute(
        "UPDATE tenant SET status = 'SUSPENDED', name = 'erased', slug = 'erased-' || id "
        "WHERE id = $1",
        tx.tenant_id,
    )
    fate = HOLDINGS["channel"].erase_with_tenant
    await tx.sql.execute(f"UPDATE channel SET {fate} WHERE tenant_id = $1", tx.tenant_id)  # noqa: S608  # Ours.


async def empty_tenant(tx: Transaction) -> dict[str, int]:
    """Delete or blank every row of the tenant as its tables say; rows changed, by table. One that
    others still refer to waits until they are empty.

    Raises:
        asyncpg.ForeignKeyViolationError: a table that stays refers to one that is to be emptied.
    """
    await _blank_people(tx)
    changed: dict[str, int] = {}
    waiting = [(table, _fate(table)) for table in await list_tables(tx.sql)]
    waiting = [each for each in waiting if each[1] != KEEP]
    while waiting:
        refused: list[tuple[Table, str]] = []
        for table, fate in waiting:
            try:
                async with tx.sql.transaction():
                    statement = _statement(table.name, fate, "tenant_id = $1")
                    changed[table.name] = await _count(tx, statement, tx.tenant_id)
            except asyncpg.ForeignKeyViolationError:
                if len(refused) + 1 == len(waiting):
                    raise
                refused.append((table, fate))
        waiting = refused
    return {table: rows for table, rows in changed.items() if rows}


async def what_is_left(tx: Transaction) -> dict[str, int]:
    """Rows in tables that were to be emptied, by table."""
    left = {}
    for table in await list_tables(tx.sql):
        if _fate(table) == DELETE:
            left[table.name] = await tx.sql.fetchval(
                f"SELECT count(*) FROM {table.name} WHERE tenant_id = $1",  # noqa: S608  # Names of our own.
                tx.tenant_id,
            )
    return {table: rows for table, rows in left.items() if rows}


async def delete_keys(resources: Resources, keys: list[str]) -> None:
    """Delete keys in Redis, if it can be reached: they end by themselves within minutes."""
    try:
        await resources.redis.delete(*keys)
    except REDIS_DOWN:
        return


def _fate(table: Table) -> str:
    holding = table.holding
    return holding.erase_with_tenant or holding.erase


def _statement(table: str, fate: str, condition: str) -> str:
    if fate == DELETE:
        return f"DELETE FROM {table} WHERE {condition}"  # noqa: S608  # Names of our own.
    return f"UPDATE {table} SET {fate} WHERE {condition}"  # noqa: S608  # Names of our own.


async def _count(tx: Transaction, statement: str, *values: Any) -> int:
    return int((await tx.sql.execute(statement, *values)).rpartition(" ")[2])


async def _blank_people(tx: Transaction) -> None:
    """Take name, e-mail and password off the users who are in this tenant only."""
    await tx.sql.execute(
        "UPDATE app_user u SET email = 'erased:' || u.id, name = 'erased', password_hash = '', "
        "disabled_at = coalesce(disabled_at, now()) WHERE NOT u.is_super_admin "
        "AND EXISTS (SELECT 1 FROM membership m WHERE m.user_id = u.id AND m.tenant_id = $1) "
        "AND NOT EXISTS (SELECT 1 FROM membership m WHERE m.user_id = u.id AND m.tenant_id <> $1)",
        tx.tenant_id,
    )
