"""Whether Meta takes the tokens that numbers were connected with, asked on an operator's request."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from frontdesk.core.crypto import SealBroken
from frontdesk.core.resources import Resources
from frontdesk.messaging import graph_accounts as meta
from frontdesk.messaging.registry import ChannelRegistry

_AT_ONCE = 8
_CONNECTED = """
SELECT id, tenant_id, phone_number_id, access_token_sealed FROM channel
WHERE status = 'CONNECTED' ORDER BY token_checked_at NULLS FIRST, id LIMIT $1
"""


@dataclass(frozen=True)
class TokenTrial:
    """What Meta said when a number was read with its token; no `problem` when all is well."""

    channel_id: UUID
    phone_number_id: str
    problem: str | None


async def try_tokens(resources: Resources, *, limit: int) -> list[TokenTrial]:
    """Read so many connected numbers of all tenants at Meta, those not checked for longest first."""
    async with resources.db.system() as connection:
        rows = await connection.fetch(_CONNECTED, limit)
    # Some together: each may take until its timeout, and who asks waits for all of them.
    few = asyncio.Semaphore(_AT_ONCE)

    async def trial(row: asyncpg.Record) -> TokenTrial:
        async with few:
            problem = await _problem(resources, *row.values())
        return TokenTrial(row["id"], row["phone_number_id"], problem)

    return list(await asyncio.gather(*map(trial, rows)))


async def _problem(
    resources: Resources, _: UUID, tenant_id: UUID, phone_number_id: str, sealed: str
) -> str | None:
    try:
        token = resources.keep(ChannelRegistry).access_token(tenant_id, sealed)
        await meta.read_number(resources, phone_number_id, token)
    except SealBroken as error:
        return f"its token does not open: {error}"
    except meta.MetaRefused as refused:
        return f"Meta refuses its token ({refused.error.code})"
    except meta.MetaUnavailable as error:
        return str(error)
    return None
