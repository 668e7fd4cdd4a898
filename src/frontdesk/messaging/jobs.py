"""A channel as due work: claimed with a lease, changed only by whoever claimed it last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from frontdesk.core.db import Connection, Transaction
from frontdesk.core.resources import Resources
from frontdesk.messaging import graph_accounts as meta
from frontdesk.messaging.connecting_rules import Failure, Grant, read_grant
from frontdesk.messaging.models import ChannelStatus, ConnectStage
from frontdesk.messaging.registry import ChannelRegistry

CODE_FIELD, PIN_FIELD = "channel.code", "channel.pin"
# Renewed by every stage of connecting, of which the longest asks about ten accounts.
LEASE_SECONDS = 180


@dataclass(frozen=True)
class Job:
    """A channel whose next step is this worker's, until `attempts` is another number."""

    id: UUID
    tenant_id: UUID
    status: ChannelStatus
    stage: ConnectStage | None
    attempts: int
    phone_number_id: str
    waba_id: str
    access_token_sealed: str
    code_sealed: str | None
    pin_sealed: str | None
    claimed_at: datetime | None
    token_expires_at: datetime | None
    token_checked_at: datetime | None
    is_on_phone_app: bool
    for_seconds: float
    """How long the channel has had its status."""


_COLUMNS = (
    "id, tenant_id, status, stage, attempts, phone_number_id, waba_id, access_token_sealed, "
    "code_sealed, pin_sealed, claimed_at, token_expires_at, token_checked_at, is_on_phone_app, "
    "extract(epoch FROM clock_timestamp() - status_since)::float8 AS for_seconds"
)


_CLAIM = f"""
UPDATE channel SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
 WHERE id = $1 AND due_at <= now() RETURNING {_COLUMNS}
"""  # noqa: S608  # Ours.


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Channels with something to do; tenants take turns."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM channel WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def claim(resources: Resources, tenant_id: UUID, channel_id: UUID) -> Job | None:
    """Claim a channel's next step, or None when there is none now or another worker has it."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(_CLAIM, channel_id, float(LEASE_SECONDS))
    return _job(row) if row else None


async def note(tx: Transaction, job: Job, **columns: Any) -> Job | None:
    """Write down what came of a step; None when the channel has moved on without us meanwhile."""
    row = await change(tx, job.id, columns, job)
    return _job(row) if row else None


async def change(
    tx: Transaction, channel_id: UUID, columns: Mapping[str, Any], job: Job | None = None
) -> Any:
    """Set columns of a channel, for a job only while it is the job's; the row, or None."""
    values = list(columns.values())
    names = ", ".join(f"{name} = ${place}" for place, name in enumerate(columns, start=2))
    fence = ""
    if job is not None:
        fence = f" AND attempts = ${len(values) + 2} AND status = ${len(values) + 3}"
        values += [job.attempts, job.status]
    return await tx.sql.fetchrow(
        f"UPDATE channel SET {names} WHERE id = $1{fence} RETURNING {_COLUMNS}",  # noqa: S608  # Names of columns.
        channel_id,
        *values,
    )


def token_of(resources: Resources, job: Job) -> str:
    """The channel's access token, opened."""
    registry = resources.keep(ChannelRegistry)
    return registry.access_token(job.tenant_id, job.access_token_sealed)


async def grant_of(resources: Resources, token: str) -> Grant | Failure | None:
    """What Meta says a token is good for; None where no app id is set to ask with.

    Raises:
        MetaRefused: Meta refuses this deployment's app.
        MetaUnavailable: it did not answer.
    """
    app_id = resources.settings.whatsapp.app_id
    if app_id is None:
        return None
    return read_grant(await meta.inspect_token(resources, token), app_id)


def utcnow() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def _job(row: Any) -> Job:
    stage = row["stage"] and ConnectStage(row["stage"])
    return Job(**{**row, "status": ChannelStatus(row["status"]), "stage": stage})
