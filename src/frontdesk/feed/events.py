"""Writing to the feed: events gather on their transaction and go in with one statement, last.

The counter orders a tenant's events. Its row stays locked from the bump to the commit, so numbers
become visible in their order and a reader that goes by number skips nothing; taken last, it is
held for one round trip and can't deadlock with the rows a transaction works on.
"""

from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps
from frontdesk.feed.announcer import announcer_of
from frontdesk.feed.models import Audience
from frontdesk.feed.schemas import KIND, FeedPayload

# clock_timestamp(), as now() is when the transaction began: times must rise with the numbers.
_INSERT = """
WITH counter AS (
    -- Said again, as without it a role that sees all tenants would move all their counters.
    UPDATE feed_counter SET n = n + cardinality($1::text[])
    WHERE tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid RETURNING n
), added AS (
    INSERT INTO feed_event (seq, kind, audience, payload, at)
    SELECT counter.n - cardinality($1::text[]) + event.place, event.kind, event.audience,
        event.payload, clock_timestamp()
    FROM counter,
        unnest($1::text[], $2::text[], $3::jsonb[])
        WITH ORDINALITY AS event (kind, audience, payload, place)
)
SELECT n FROM counter
"""
_OPEN = "INSERT INTO feed_counter (n) VALUES (0) ON CONFLICT (tenant_id) DO NOTHING"


class _Batch:
    """The events of one transaction. It holds no transaction: that would be a cycle for each."""

    def __init__(self, tx: Transaction) -> None:
        self._sql = tx.sql
        self._db = tx.db
        self._tenant_id = tx.tenant_id
        self._last = 0
        self.kinds: list[str] = []
        self.audiences: list[str] = []
        self.payloads: list[str] = []

    async def write(self) -> None:
        """Number the events and insert them."""
        events = self.kinds, self.audiences, self.payloads
        last = await self._sql.fetchval(_INSERT, *events)
        if last is None:  # The tenant's first events.
            await self._sql.execute(_OPEN)
            last = await self._sql.fetchval(_INSERT, *events)
        self._last = last

    def announce(self) -> None:
        """Say that they are there."""
        announcer = announcer_of(self._db)
        if announcer is not None:
            announcer.announce(self._tenant_id, self._last)


_batches: "WeakKeyDictionary[Transaction, _Batch]" = WeakKeyDictionary()


def tell(
    tx: Transaction, payload: FeedPayload, audience: Audience | UUID = Audience.EVERYONE
) -> None:
    """Tell the tenant's dashboards, once this transaction has committed.

    Args:
        audience: who may see it; human agents see what REST would show them. An id means that user
            alone, on whatever devices they are.
    """
    _add(tx, payload.kind, payload.model_dump_json(), audience)


def append(
    tx: Transaction, kind: str, payload: dict[str, Any], audience: Audience = Audience.EVERYONE
) -> None:
    """`tell` an event whose payload no context declares: benchmarks and tests have such.

    Raises:
        ValueError: the kind is not of the form `thing.past_tense`.
    """
    if not KIND.fullmatch(kind):
        raise ValueError(f"{kind!r} is no kind of feed event: write `thing.past_tense`")
    _add(tx, kind, dumps(payload), audience)


def _add(tx: Transaction, kind: str, payload: str, audience: Audience | UUID) -> None:
    batch = _batches.get(tx)
    if batch is None:
        batch = _batches[tx] = _Batch(tx)
        tx.before_commit("feed", batch.write)
        tx.after_commit(batch.announce)
    batch.kinds.append(kind)
    batch.audiences.append(str(audience))
    batch.payloads.append(payload)
