"""Drills: an outage that one tenant is to believe in, and that nothing else notices.

What is down for a tenant is known to each worker by memory, which it renews with its heartbeat: a
message costs no statement more because drills exist. A drill ends by itself at its time, also when
nobody can tell the workers so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import Conflict, NotFound
from frontdesk.core.resources import Resources
from frontdesk.observability.audit_log import audit
from frontdesk.observability.health import Finding
from frontdesk.observability.models import Outage

DRILL = "observability.drill"
_COLUMNS = "id, outage, provider, created_at, ends_at, ended_at"
_RUNNING = """
SELECT tenant_id, outage, provider, ends_at FROM drill WHERE ended_at IS NULL AND ends_at > now()
"""
_BEGIN = f"""
INSERT INTO drill (id, outage, provider, ends_at, due_at, started_by)
VALUES ($1, $2, $3, now() + make_interval(mins => $4), now() + make_interval(mins => $4), $5)
ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608  # Ours.
_END = f"""
UPDATE drill SET ended_at = least(now(), ends_at), due_at = NULL
WHERE id = $1 AND ended_at IS NULL AND ($2 OR ends_at <= now()) RETURNING {_COLUMNS}
"""  # noqa: S608  # Ours.


class DrillRuns(Conflict):
    """The same is simulated for this tenant already; end that drill first, or wait for its end."""

    code, title = "drill_runs", "Such a drill runs already"


class NoSuchDrill(NotFound):
    """There is no such drill, or it is another tenant's."""

    code, title = "no_such_drill", "There is no such drill"


@dataclass(frozen=True)
class DrillRecord:
    """A drill as it stands; `ended_at` is None while it runs."""

    id: UUID
    outage: Outage
    provider: str | None
    created_at: datetime
    ends_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Simulated:
    """Something that a tenant has to do without until `ends_at`."""

    outage: Outage
    provider: str | None
    ends_at: datetime

    @property
    def seconds_left(self) -> float:
        """For how long still."""
        return max(0.0, (self.ends_at - datetime.now(UTC)).total_seconds())


class Drills:
    """What is simulated for whom, as this process knows it: `resources.keep(Drills)`."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._running: dict[UUID, list[Simulated]] = {}

    async def refresh(self) -> None:
        """Read anew which drills run, of all tenants; raises `Unavailable` and keeps what it knew."""
        async with self._db.system() as connection:
            rows = await connection.fetch(_RUNNING)
        running: dict[UUID, list[Simulated]] = {}
        for row in rows:
            simulated = Simulated(Outage(row["outage"]), row["provider"], row["ends_at"])
            running.setdefault(row["tenant_id"], []).append(simulated)
        self._running = running

    def find(
        self, tenant_id: UUID, outage: Outage, provider: str | None = None
    ) -> Simulated | None:
        """The drill by which this is down for the tenant now, or None. Never asks anybody.

        Args:
            provider: of `MODELS`, whose model is wanted.
        """
        for each in self._running.get(tenant_id, ()):
            concerns = each.outage is outage and each.provider in (None, provider)
            if concerns and each.seconds_left > 0:
                return each
        return None


async def begin_drill(
    tx: Transaction, outage: Outage, *, provider: str | None, minutes: int, by: UUID | None
) -> DrillRecord:
    """Simulate an outage for the transaction's tenant from now on, everywhere within five seconds.

    Raises:
        DrillRuns: the same outage is simulated already.
    """
    row = await tx.sql.fetchrow(_BEGIN, ids.new(), outage, provider, minutes, by)
    if row is None:
        raise DrillRuns
    drill = _read(row)
    details = {"outage": outage, "provider": provider, "ends_at": drill.ends_at.isoformat()}
    await audit(tx, "drill.started", "drill", drill.id, user_id=by, details=details)
    return drill


async def end_drill(
    tx: Transaction, drill_id: UUID, *, early: bool, by: UUID | None = None
) -> DrillRecord | None:
    """End a drill whose time has come, or any with `early`; None when there is nothing to end."""
    row = await tx.sql.fetchrow(_END, drill_id, early)
    if row is None:
        return None
    drill = _read(row)
    await audit(tx, "drill.ended", "drill", drill.id, user_id=by, details={"early": early})
    return drill


async def list_over(tx: Transaction) -> list[UUID]:
    """The tenant's drills whose time has come and which nobody has ended yet."""
    rows = await tx.sql.fetch("SELECT id FROM drill WHERE ended_at IS NULL AND ends_at <= now()")
    return [row["id"] for row in rows]


async def get_drill(tx: Transaction, drill_id: UUID) -> DrillRecord:
    """One of the tenant's drills, running or not; raises `NoSuchDrill`."""
    row = await tx.sql.fetchrow(f"SELECT {_COLUMNS} FROM drill WHERE id = $1", drill_id)  # noqa: S608  # Ours.
    if row is None:
        raise NoSuchDrill
    return _read(row)


async def list_drills(
    tx: Transaction, *, limit: int, before: UUID | None = None
) -> list[DrillRecord]:
    """The tenant's drills, newest first."""
    rows = await tx.sql.fetch(
        f"SELECT {_COLUMNS} FROM drill WHERE $2::uuid IS NULL OR id < $2 ORDER BY id DESC LIMIT $1",  # noqa: S608  # Ours.
        limit,
        before,
    )
    return [_read(row) for row in rows]


async def list_due_drills(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Drills whose time has come."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM drill WHERE due_at <= now() ORDER BY due_at LIMIT $1", limit
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def check_drills(resources: Resources) -> Finding:
    """How many drills run. That is never wrong, but whoever wonders should see it."""
    async with resources.db.system() as connection:
        rows = await connection.fetch(_RUNNING)
    if not rows:
        return Finding(True, "none runs", value=0)
    last = max(row["ends_at"] for row in rows)
    outages = ", ".join(sorted({row["outage"] for row in rows}))
    words = f"simulated outages of {outages} for {len({row['tenant_id'] for row in rows})} tenants"
    return Finding(True, f"{words}, the last until {last:%H:%M} UTC", value=len(rows))


def _read(row: asyncpg.Record) -> DrillRecord:
    return DrillRecord(**{**row, "outage": Outage(row["outage"])})
