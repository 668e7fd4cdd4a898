"""Reserve the worst case of a call before it is made; afterwards settle what it cost, or release it.

Money is taken from a row per budget, subject and period, under its lock, so that together no
number of calls goes over a cap. What was not settled in time, since its worker was killed, is
released by due work. A tenant without budgets costs nothing here: that it has none is remembered
like its agents' configuration, at most two seconds late.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from frontdesk import feed
from frontdesk.billing.budget_alerts import Alert, tell_alerts
from frontdesk.billing.errors import BudgetReached, SubscriptionUnpaid
from frontdesk.billing.happenings import BudgetUsedUp
from frontdesk.billing.rules import (
    Account,
    BudgetPeriod,
    BudgetScope,
    Cap,
    Ceiling,
    Key,
    Refusal,
    Spender,
    Wish,
    accounts_of,
    grant,
)
from frontdesk.core import ids
from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.resources import Resources

RESERVATION = "billing.reservation"

_CAPS = "SELECT id, scope, feature, period, hard_usd, soft_usd FROM budget ORDER BY id"
_IS_STOPPED = "SELECT EXISTS (SELECT FROM stripe_account WHERE standing = 'stopped')"
# The accounts are locked in the order of their keys, here and when they settle: so nobody waits in
# a circle. What does not fit after all is given back before the commit, and nobody sees it.
_RESERVE = """
WITH wish AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::date[], $5::numeric[])
        AS w (id, budget_id, subject, period_start, usd)
), kept AS (
    INSERT INTO budget_reservation (id, budget_id, subject, period_start, amount_usd, due_at)
    SELECT id, budget_id, subject, period_start, usd, now() + make_interval(secs => $6) FROM wish
)
INSERT INTO budget_use AS u (budget_id, subject, period_start, reserved_usd)
SELECT budget_id, subject, period_start, sum(usd) FROM wish GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (tenant_id, budget_id, subject, period_start)
DO UPDATE SET reserved_usd = u.reserved_usd + excluded.reserved_usd
RETURNING budget_id, subject, period_start, spent_usd + reserved_usd AS used_usd, told
"""
# What is reserved goes with its reservation, once; what was spent is counted whether or not that
# had run out meanwhile.
_SETTLE = """
WITH gone AS (
    DELETE FROM budget_reservation WHERE id = ANY($1::uuid[])
    RETURNING budget_id, subject, period_start, amount_usd
), change AS (
    SELECT budget_id, subject, period_start, 0 AS spent, amount_usd AS freed FROM gone
    UNION ALL
    SELECT budget_id, subject, period_start, usd, 0
    FROM unnest($2::uuid[], $3::uuid[], $4::date[], $5::numeric[])
        AS s (budget_id, subject, period_start, usd)
)
INSERT INTO budget_use AS u (budget_id, subject, period_start, spent_usd, reserved_usd)
SELECT budget_id, subject, period_start, sum(spent), -sum(freed)
FROM change GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (tenant_id, budget_id, subject, period_start)
DO UPDATE SET spent_usd = u.spent_usd + excluded.spent_usd,
    reserved_usd = u.reserved_usd + excluded.reserved_usd
RETURNING budget_id, subject, period_start, spent_usd, alerted_percent
"""
_USED = """
SELECT budget_id, subject, period_start, spent_usd + reserved_usd AS used_usd
FROM budget_use JOIN unnest($1::uuid[], $2::uuid[], $3::date[])
    AS asked (budget_id, subject, period_start) USING (budget_id, subject, period_start)
"""
_TELL = """
UPDATE budget_use SET told = $4 WHERE budget_id = $1 AND subject = $2 AND period_start = $3
"""
_OVERDUE = """
SELECT tenant_id, id FROM budget_reservation WHERE due_at < now()
GROUP BY tenant_id, id ORDER BY min(due_at) LIMIT $1
"""


@dataclass(frozen=True)
class Reservation:
    """What a call may cost at worst, taken from its accounts until it is settled."""

    accounts: tuple[Account, ...]
    id: UUID = field(default_factory=ids.new)


@dataclass(frozen=True)
class _Means:
    """A tenant's budgets, and whether it may spend anything at all."""

    caps: tuple[Cap, ...]
    is_stopped: bool


@dataclass(frozen=True)
class Settlement:
    """What became of a reservation. Nothing spent: it is released.

    `source_id` is the ledger entry's: money is counted when that is written, and only then.
    """

    reservation: Reservation
    source_id: str
    spent_usd: Decimal = Decimal(0)


class BudgetBook:
    """The budgets of the tenants this process works for, and the calls that wait to reserve.

    What queued while a tenant's last reservations were committed goes into the next commit together.
    """

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="budgets:v2", encode=_encode, decode=_decode)
        self._waiting: dict[UUID, list[_Asking]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def means(self, tenant_id: UUID) -> _Means:
        """The tenant's budgets and whether it has paid, at most two seconds late."""
        return await self._cache.get(tenant_id, "all", lambda: self._load(tenant_id))

    def forget_after_commit(self, tx: Transaction) -> None:
        """Let nobody go by budgets from before this transaction."""
        self._cache.forget_after_commit(tx, "all")

    async def reserve(self, tenant_id: UUID, wish: Wish, seconds: float) -> Reservation:
        """See `reserve`."""
        asking = _Asking(wish, seconds, asyncio.get_running_loop().create_future())
        if tenant_id in self._waiting:
            self._waiting[tenant_id].append(asking)
        else:
            self._waiting[tenant_id] = [asking]
            task = asyncio.create_task(self._reserve_all(tenant_id))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        refusal = await asking.answer
        if refusal is not None:
            raise BudgetReached(refusal)
        return asking.reservation

    async def _reserve_all(self, tenant_id: UUID) -> None:
        try:
            while batch := self._waiting[tenant_id]:
                self._waiting[tenant_id] = []
                # Who has gone away meanwhile wants nothing any more.
                if wanted := [asking for asking in batch if not asking.answer.done()]:
                    await self._reserve_batch(tenant_id, wanted)
        finally:
            for asking in self._waiting.pop(tenant_id):
                asking.answer.cancel()

    async def _reserve_batch(self, tenant_id: UUID, batch: "Sequence[_Asking]") -> None:
        try:
            async with self._db.hot(tenant_id) as tx:
                refusals = await _take(tx, batch)
        except Exception as error:  # Handed to all who wait.
            for asking in batch:
                if not asking.answer.done():
                    asking.answer.set_exception(error)
            return
        late = []
        for asking, refusal in zip(batch, refusals, strict=True):
            if not asking.answer.done():
                asking.answer.set_result(refusal)
            elif refusal is None:
                late.append(Settlement(asking.reservation, ""))
        if late:
            async with self._db.hot(tenant_id) as tx:
                await settle(tx, late, frozenset())

    async def _load(self, tenant_id: UUID) -> _Means:
        async with self._db.hot(tenant_id) as tx:
            rows = await tx.sql.fetch(_CAPS)
            is_stopped: bool = await tx.sql.fetchval(_IS_STOPPED)
        return _Means(tuple(_cap(dict(row)) for row in rows), is_stopped)


@dataclass(frozen=True)
class _Asking:
    wish: Wish
    seconds: float
    answer: "asyncio.Future[Refusal | None]"
    reservation: Reservation = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reservation", Reservation(self.wish.accounts))


async def find_accounts(
    resources: Resources, tenant_id: UUID, spender: Spender
) -> tuple[Account, ...]:
    """What a call would be paid from. Mostly from memory; empty when no budget concerns it.

    Raises:
        SubscriptionUnpaid: the tenant has not paid, so nothing may be spent for it.
        Unavailable: no copy of the budgets is at hand and the database is down.
    """
    means = await resources.keep(BudgetBook).means(tenant_id)
    if means.is_stopped:
        raise SubscriptionUnpaid
    return accounts_of(means.caps, spender, datetime.now(UTC)) if means.caps else ()


async def reserve(
    resources: Resources, tenant_id: UUID, wish: Wish, *, seconds: float
) -> Reservation:
    """Take the worst case of a call from all of its accounts, or from none.

    Args:
        seconds: after which nobody works on the call any more, whatever happens.

    Raises:
        BudgetReached: it does not fit one of the budgets.
        Unavailable: the database is down, so nobody knows whether it fits.
    """
    return await resources.keep(BudgetBook).reserve(tenant_id, wish, seconds)


async def foresee(resources: Resources, tenant_id: UUID, wish: Wish) -> None:
    """Whether a wish would be granted now; nothing is taken.

    Raises:
        BudgetReached: it would not fit one of the budgets.
        Unavailable: the database is down, so nobody knows whether it fits.
    """
    used = {account.key: Decimal(0) for account in wish.accounts}
    async with resources.db.hot(tenant_id) as tx:
        for row in await tx.sql.fetch(_USED, *map(list, zip(*used, strict=True))):
            used[row["budget_id"], row["subject"], row["period_start"]] = row["used_usd"]
    (refusal,) = grant([wish], used)
    if refusal is not None:
        raise BudgetReached(refusal)


async def settle(
    tx: Transaction, settlements: Sequence[Settlement], written: frozenset[str]
) -> list[Alert]:
    """Free what was reserved and count what was spent, in one round trip; safe to repeat.

    Gives the alerts that came of it, which the tenant's admins are told with the commit.

    Args:
        written: the `source_id`s of ledger entries that this transaction has written; the money of
            others has been counted by the one that wrote them.
    """
    paid = [
        (*account.key, settlement.spent_usd)
        for settlement in settlements
        if settlement.spent_usd and settlement.source_id in written
        for account in settlement.reservation.accounts
    ]
    columns = [list(column) for column in zip(*paid, strict=True)] if paid else [[], [], [], []]
    rows = await tx.sql.fetch(_SETTLE, [item.reservation.id for item in settlements], *columns)
    caps = {
        account.key: account.cap
        for settlement in settlements
        for account in settlement.reservation.accounts
    }
    return await tell_alerts(tx, rows, caps)


async def list_overdue(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Reservations that were not settled in time, the oldest first."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_OVERDUE, limit)]


async def release(resources: Resources, tenant_id: UUID, reservation_id: UUID) -> None:
    """Give back what a worker that was killed had reserved. Run twice, nothing is left to give."""
    async with resources.db.hot(tenant_id) as tx:
        await settle(tx, [Settlement(Reservation((), reservation_id), "")], frozenset())


async def _take(tx: Transaction, batch: Sequence[_Asking]) -> list[Refusal | None]:
    rows = [
        (asking.reservation.id, *account.key, asking.wish.usd)
        for asking in batch
        for account in asking.wish.accounts
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    seconds = max(asking.seconds for asking in batch)
    found = {
        (row["budget_id"], row["subject"], row["period_start"]): row
        for row in await tx.sql.fetch(_RESERVE, *columns, float(seconds))
    }
    used: dict[Key, Decimal] = {key: row["used_usd"] for key, row in found.items()}
    for _, budget_id, subject, first, usd in rows:
        used[budget_id, subject, first] -= usd
    refusals = grant([asking.wish for asking in batch], used)
    if refused := [
        Settlement(asking.reservation, "")
        for asking, refusal in zip(batch, refusals, strict=True)
        if refusal is not None
    ]:
        await settle(tx, refused, frozenset())
    await _tell(tx, batch, refusals, used, {key: row["told"] for key, row in found.items()})
    return refusals


async def _tell(
    tx: Transaction,
    batch: Sequence[_Asking],
    refusals: Sequence[Refusal | None],
    used: dict[Key, Decimal],
    told: dict[Key, str | None],
) -> None:
    """Tell the tenant's administrators of each cap the first time it is reached in a period."""
    reached: dict[Account, Ceiling] = {}
    for asking, refusal in zip(batch, refusals, strict=True):
        for account in asking.wish.accounts:
            soft = account.cap.soft_usd
            if refusal and refusal.cap == account.cap and refusal.ceiling is Ceiling.HARD:
                reached[account] = Ceiling.HARD
            elif (refusal and refusal.cap == account.cap) or (
                soft is not None and used[account.key] >= soft
            ):
                reached.setdefault(account, Ceiling.SOFT)
    for account, ceiling in reached.items():
        if told[account.key] in (ceiling, Ceiling.HARD):
            continue
        await tx.sql.execute(_TELL, *account.key, ceiling.value)
        told_now = BudgetUsedUp(
            budget_id=account.cap.id,
            subject=None if account.subject == ids.NIL else account.subject,
            cap=ceiling,
            reason=Refusal(account.cap, ceiling).sentence,
            used_usd=used[account.key],
        )
        feed.tell(tx, told_now, feed.Audience.ADMINS)


def _cap(row: dict[str, object]) -> Cap:
    soft = row["soft_usd"]
    return Cap(
        id=UUID(str(row["id"])),
        scope=BudgetScope(str(row["scope"])),
        period=BudgetPeriod(str(row["period"])),
        hard_usd=Decimal(str(row["hard_usd"])),
        soft_usd=None if soft is None else Decimal(str(soft)),
        feature=None if row["feature"] is None else str(row["feature"]),
    )


def _encode(means: _Means) -> bytes:
    return dumps_bytes(means)


def _decode(data: bytes) -> _Means:
    read = loads(data)
    return _Means(tuple(_cap(row) for row in read["caps"]), bool(read["is_stopped"]))
