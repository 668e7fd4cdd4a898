"""Which key sealed what, and sealing it anew with the first key: a rotation in two commands.

Values are found by their columns' names (see `core/crypto.py`). Each is opened and sealed in its own
place, a batch is one transaction, and a value that somebody replaced meanwhile is left to them: the
rotation may be interrupted and run again at any time.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from frontdesk.core import ids
from frontdesk.core.crypto import SealBroken, Sealer, key_id_of
from frontdesk.core.db import Connection, Database

BATCH = 500

# The columns of a table's primary key are all UUIDs, and the first is whose row it is.
_COLUMNS = """
SELECT t.relname AS table, a.attname AS column, ARRAY(
         SELECT k.attname FROM unnest(i.indkey) WITH ORDINALITY AS u(number, place)
           JOIN pg_attribute k ON k.attrelid = t.oid AND k.attnum = u.number ORDER BY u.place
       )::text[] AS key
  FROM pg_class t
  JOIN pg_attribute a ON a.attrelid = t.oid AND NOT a.attisdropped
  JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
 WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
   AND right(a.attname, 7) = '_sealed'
 ORDER BY 1, 2
"""


@dataclass(frozen=True)
class Place:
    """A column of sealed values, and the key of its table, which begins with the owner."""

    table: str
    column: str
    key: tuple[str, ...]

    @property
    def field(self) -> str:
        """What its values are bound to, besides their owner."""
        return f"{self.table}.{self.column.removesuffix('_sealed')}"

    # The names in these come from the database's own catalogue.

    def count(self) -> str:
        """How many values each key has sealed."""
        key_id = f"CASE WHEN strpos({self.column}, '.') > 0 THEN split_part({self.column}, '.', 1)"
        return (
            f"SELECT {key_id} ELSE '' END AS key_id, count(*) AS number "  # noqa: S608
            f"FROM {self.table} WHERE {self.column} <> '' GROUP BY 1 ORDER BY 1"
        )

    def following(self, most: int) -> str:
        """The rows after the one with the given key, each ending with its sealed value."""
        key, given = ", ".join(self.key), self._given
        return (
            f"SELECT {key}, {self.column} FROM {self.table} "  # noqa: S608
            f"WHERE ({key}) > ({given}) AND {self.column} <> '' ORDER BY {key} LIMIT {most}"
        )

    def replace(self) -> str:
        """Put the last given value in place of the one before, in the row of the given key."""
        old = len(self.key) + 1
        return (
            f"UPDATE {self.table} SET {self.column} = ${old + 1} "  # noqa: S608
            f"WHERE ({', '.join(self.key)}) = ({self._given}) AND {self.column} = ${old}"
        )

    @property
    def _given(self) -> str:
        return ", ".join(f"${number}" for number in range(1, len(self.key) + 1))


@dataclass
class Rotation:
    """What a rotation has done so far, or would do."""

    resealed: int = 0
    current: int = 0
    """Sealed with the first key already."""
    broken: list[str] = field(default_factory=list)
    """Values that don't open, as `field row-id: why`; they stay as they are."""


async def count_by_key(db: Database) -> dict[str, dict[str, int]]:
    """How many values each key has sealed, by field: `{"channel.access_token": {"k1": 12}}`.

    What was never sealed counts under an empty key id.
    """
    counts: dict[str, dict[str, int]] = {}
    async with db.system() as connection:
        for place in await _places(connection):
            rows = await connection.fetch(place.count())
            counts[place.field] = {row["key_id"]: row["number"] for row in rows}
    return counts


async def rotate(
    db: Database,
    sealer: Sealer,
    *,
    dry_run: bool = False,
    tell: Callable[[str, Rotation], None] = lambda field, so_far: None,
    batch: int = BATCH,
) -> Rotation:
    """Seal every value of every tenant with the first key. Run again, it finds nothing to do.

    Args:
        dry_run: only count what would be sealed anew; each value is opened all the same.
        tell: is told after each batch how far it has come.
        batch: rows a transaction.
    """
    done = Rotation()
    async with db.system() as connection:
        for place in await _places(connection):
            after: Sequence[UUID] = [ids.NIL] * len(place.key)
            while after:
                after = await _rotate_batch(connection, sealer, place, after, batch, dry_run, done)
                tell(place.field, done)
    return done


def summary(counts: dict[str, dict[str, int]]) -> Counter[str]:
    """How many values each key has sealed in all fields together."""
    total: Counter[str] = Counter()
    for by_key in counts.values():
        total.update(by_key)
    return total


async def _places(connection: Connection) -> list[Place]:
    return [
        Place(row["table"], row["column"], tuple(row["key"]))
        for row in await connection.fetch(_COLUMNS)
    ]


async def _rotate_batch(
    connection: Connection,
    sealer: Sealer,
    place: Place,
    after: Sequence[UUID],
    batch: int,
    dry_run: bool,
    done: Rotation,
) -> list[UUID]:
    """Handle the rows that follow; the key of the last one, empty when there are none."""
    async with connection.transaction():
        rows = await connection.fetch(place.following(batch), *after)
        for row in rows:
            *where, sealed = row
            if key_id_of(sealed) == sealer.sealing_key_id:
                done.current += 1
                continue
            try:
                secret = sealer.open(sealed, tenant_id=where[0], field=place.field)
            except SealBroken as error:
                done.broken.append(f"{place.field} {where[-1]}: {error}")
                continue
            if not dry_run:
                fresh = sealer.seal(secret, tenant_id=where[0], field=place.field)
                await connection.execute(place.replace(), *where, sealed, fresh)
            done.resealed += 1
    return list(rows[-1])[:-1] if rows else []
