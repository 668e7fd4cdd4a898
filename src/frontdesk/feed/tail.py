"""The newest events of one tenant, ready to send: read and written out once for all its streams."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Histogram
from sse_starlette import ServerSentEvent

from frontdesk.core.db import Database
from frontdesk.core.errors import Unavailable
from frontdesk.core.masking import mask_json
from frontdesk.feed.policy import POLICY_CHANGED
from frontdesk.feed.reading import MOST_ROWS, Row, read_after, read_extent
from frontdesk.feed.rules import Extent

log = structlog.get_logger(__name__)

# Whoever is so many whispers behind has no use for the older ones.
KEPT_WHISPERS = 64
# What a tail keeps for streams that reconnect; who is further behind reads for itself.
KEPT_EVENTS = 256
KEPT_BYTES = 256 * 1024
RETRY_SECONDS = 1


@dataclass(slots=True)
class Frame:
    """An event as it goes over the wire."""

    seq: int
    audience: str
    data: bytes
    _masked: bytes | None = None

    def masked(self) -> bytes:
        """The same for those who may not see contact details; made once, when first asked for."""
        if self._masked is None:
            head, name, rest = self.data.partition(b"data: ")
            payload, end, tail = rest.partition(b"\n")
            self._masked = b"".join((head, name, mask_json(payload), end, tail))
        return self._masked


def frame_of(row: Row) -> Frame:
    """The event written out: `id` is its number, `event` its kind, `data` its payload and time."""
    # Put together as text: what Postgres gives is JSON already, and without line breaks.
    body = row.payload.rstrip()[:-1].rstrip()
    comma = "" if body == "{" else ","
    data = f'{body}{comma}"at":"{row.at}"}}'
    event = ServerSentEvent(data, event=row.kind, id=str(row.seq), sep="\n")
    return Frame(row.seq, row.audience, event.encode())


class Tail:
    """A tenant's newest events, as long as somebody in this process watches.

    `floor` is the number before the oldest event kept, `last` that of the newest. `readers` are
    woken when there is more. `policies` counts how often it changed who may see what, `whispered` what
    was passed on without a number.
    """

    def __init__(
        self, db: Database, tenant_id: UUID, reading: asyncio.Semaphore, lag: Histogram
    ) -> None:
        self._db = db
        self._lag = lag
        self._reading = reading
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._wanted = 0
        self._reader: asyncio.Task[None] | None = None
        self.tenant_id = tenant_id
        self.floor = 0
        self.last = 0
        self.policies = 0
        self.whispered = 0
        self._whispers: deque[bytes] = deque(maxlen=KEPT_WHISPERS)
        self.readers: set[asyncio.Event] = set()

    async def load(self) -> None:
        """Read the newest events, so that a crowd which reconnects is served from memory.

        Raises:
            Unavailable: the database can't be reached.
        """
        async with self._reading, self._db.hot(self.tenant_id) as tx:
            extent = await read_extent(tx)
        self.floor = self.last = max(extent.floor, extent.last - KEPT_EVENTS)
        await self._read_until(extent.last)

    async def extent(self) -> Extent:
        """Which events there are in the table.

        Raises:
            Unavailable: the database can't be reached.
        """
        async with self._reading, self._db.hot(self.tenant_id) as tx:
            return await read_extent(tx)

    def hear(self, seq: int) -> None:
        """There are events up to this number: read on, if that is news. Returns at once."""
        self._wanted = max(self._wanted, seq)
        if self._wanted > self.last and (self._reader is None or self._reader.done()):
            self._reader = asyncio.get_running_loop().create_task(self._read_wanted())

    def pass_on(self, frame: bytes) -> None:
        """Let everybody who watches have an event that is kept nowhere."""
        self.whispered += 1
        self._whispers.append(frame)
        for reader in self.readers:
            reader.set()

    def whispers_after(self, count: int) -> bytes:
        """What was passed on after so many, as far as it is still there."""
        fresh = self.whispered - count
        return b"".join(list(self._whispers)[-fresh:]) if fresh else b""

    def close(self) -> None:
        """Read no further: nobody watches."""
        if self._reader is not None:
            self._reader.cancel()

    def after(self, cursor: int) -> list[Frame] | None:
        """The events kept that follow this number; None when older ones are needed first."""
        if cursor < self.floor:
            return None
        # Numbers have no gaps, so the place follows from the number.
        skip = cursor - self.floor
        if skip == len(self._frames) - 1:
            return [self._frames[-1]]
        return [frame for frame in self._frames if frame.seq > cursor]

    async def older(self, cursor: int) -> list[Frame]:
        """Events that follow this number, from the table: for a stream far behind.

        Raises:
            Unavailable: the database can't be reached.
        """
        async with self._reading:
            rows = await read_after(self._db, self.tenant_id, cursor)
        return [frame_of(row) for row in rows]

    async def _read_wanted(self) -> None:
        while self._wanted > self.last:
            try:
                await self._read_until(self._wanted)
            except Unavailable as error:
                log.warning("feed_waits", tenant_id=str(self.tenant_id), error=str(error))
                await asyncio.sleep(RETRY_SECONDS)

    async def _read_until(self, seq: int) -> None:
        while self.last < seq:
            async with self._reading:
                rows = await read_after(self._db, self.tenant_id, self.last)
            if rows and rows[0].seq != self.last + 1:
                # Retention has been past us; who still needs what is gone will find out.
                self._forget_until(rows[0].seq - 1)
            for row in rows:
                if row.kind == "contact.erased":
                    # What was kept may be about whom nobody shall read of any more.
                    self._forget_until(row.seq - 1)
                if row.kind == POLICY_CHANGED:
                    self.policies += 1
                self._keep(frame_of(row))
            if rows:
                happened_at = datetime.fromisoformat(rows[-1].at).timestamp()
                self._lag.observe(max(0.0, time.time() - happened_at))
                for reader in self.readers:
                    reader.set()
            if len(rows) < MOST_ROWS:
                # Whoever heard of more than there is was told of another database's events.
                self._wanted = min(self._wanted, self.last)
                return

    def _keep(self, frame: Frame) -> None:
        self._frames.append(frame)
        self._bytes += len(frame.data)
        self.last = frame.seq
        while len(self._frames) > KEPT_EVENTS or self._bytes > KEPT_BYTES:
            dropped = self._frames.popleft()
            self._bytes -= len(dropped.data)
            self.floor = dropped.seq

    def _forget_until(self, seq: int) -> None:
        self._frames.clear()
        self._bytes = 0
        self.floor = self.last = seq
