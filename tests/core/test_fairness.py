"""Whose row is begun first: rules alone, and a worker's dispatcher on real rows."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from frontdesk.core.db import Connection
from frontdesk.core.errors import Unavailable
from frontdesk.core.fairness import Room, patience_seconds, take_turns
from frontdesk.core.resources import Resources
from frontdesk.core.work import Dispatcher, Due

CROWD, QUIET = UUID(int=1), UUID(int=2)


def _rows(tenant_id: UUID, count: int, first: int = 0) -> list[tuple[UUID, UUID]]:
    return [(tenant_id, UUID(int=first + number)) for number in range(count)]


def test_every_tenants_first_comes_before_anyones_second() -> None:
    crowd, quiet = _rows(CROWD, 3), _rows(QUIET, 2)
    in_turn = take_turns([*crowd, *quiet], lambda row: row[0])
    assert in_turn == [crowd[0], quiet[0], crowd[1], quiet[1], crowd[2]]


def test_what_a_tenant_has_in_hand_counts_as_served() -> None:
    crowd, quiet = _rows(CROWD, 2), _rows(QUIET, 2)
    in_turn = take_turns([*crowd, *quiet], lambda row: row[0], {CROWD: 1})
    assert in_turn == [quiet[0], crowd[0], quiet[1], crowd[1]]


def test_a_free_place_goes_to_the_tenant_with_the_fewest_in_hand() -> None:
    room = Room(at_once=3, tenant_at_once=3)
    for _ in range(3):
        room.enter(CROWD, 0)
    for row in (*_rows(CROWD, 50), *_rows(QUIET, 1)):
        room.wait(*row)
    assert room.next_waiting() is None
    room.leave(CROWD)
    assert room.next_waiting() == (QUIET, UUID(int=0))


def test_tenants_with_as_many_in_hand_take_turns() -> None:
    room = Room(at_once=4, tenant_at_once=1)
    for row in (*_rows(CROWD, 3), *_rows(QUIET, 2)):
        room.wait(*row)
    order = []
    while waiting := room.next_waiting():
        order.append(waiting[0])
        room.enter(waiting[0], 0)
        room.leave(waiting[0])
    assert order == [CROWD, QUIET, CROWD, QUIET, CROWD]


def test_one_tenant_never_has_all_places() -> None:
    room = Room(at_once=4, tenant_at_once=2)
    room.enter(CROWD, 0)
    room.enter(CROWD, 0)
    assert not room.has_place_for(CROWD)
    assert room.has_place_for(QUIET)


def test_what_waits_in_a_process_is_bounded_for_each_tenant() -> None:
    room = Room(at_once=4, tenant_at_once=2)
    for row in _rows(CROWD, 1_000):
        room.wait(*row)
    count = 0
    while room.next_waiting():
        count += 1
    assert count == 4


def test_a_crowd_has_more_in_hand_than_all_others_together() -> None:
    room = Room(at_once=100, tenant_at_once=50)
    for _ in range(6):
        room.enter(CROWD, 0)
    assert room.is_crowd(CROWD)
    room.enter(QUIET, 0)
    assert not room.is_crowd(QUIET)
    for _ in range(6):
        room.enter(QUIET, 0)
    assert not room.is_crowd(CROWD)


def test_a_process_is_shared_for_a_minute_after_another_tenants_row_was_begun() -> None:
    room = Room(at_once=100, tenant_at_once=50)
    room.enter(CROWD, 100)
    assert not room.is_shared(100)  # With nobody to wait for, nobody waits.
    room.enter(QUIET, 110)
    room.enter(CROWD, 150)
    assert [room.is_shared(now) for now in (150, 170, 171)] == [True, True, False]


@pytest.mark.parametrize(
    ("late_seconds", "waits_seconds"), [(-0.001, 0), (0, 0), (0.002, 0.1), (0.01, 0.5), (3, 0.5)]
)
def test_the_later_a_process_wakes_the_longer_the_next_of_a_crowd_waits(
    late_seconds: float, waits_seconds: float
) -> None:
    assert patience_seconds(late_seconds) == pytest.approx(waits_seconds)


class _Desk:
    """Rows of a kind, oldest first; one is due until it has been begun."""

    def __init__(self, resources: Resources, at_once: int, tenant_at_once: int) -> None:
        self.due: list[tuple[UUID, UUID]] = []
        self.begun: list[UUID] = []
        self.most: dict[UUID, int] = {}
        self._now: dict[UUID, int] = {}
        self._go_on = asyncio.Semaphore(0)
        kind = Due("test.row", self._list, self._handle, at_once, tenant_at_once=tenant_at_once)
        self.dispatcher = Dispatcher(resources, [kind])

    async def _list(self, _: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        return take_turns(self.due, lambda row: row[0])[:limit]

    async def _handle(self, _: Resources, tenant_id: UUID, row_id: UUID) -> None:
        if (tenant_id, row_id) not in self.due:
            return
        self.due.remove((tenant_id, row_id))
        self.begun.append(tenant_id)
        self._now[tenant_id] = self._now.get(tenant_id, 0) + 1
        self.most[tenant_id] = max(self._now[tenant_id], self.most.get(tenant_id, 0))
        await self._go_on.acquire()
        self._now[tenant_id] -= 1

    def ring(self, row: tuple[UUID, UUID]) -> bool:
        self.due.append(row)
        return self.dispatcher.start("test.row", *row)

    async def finish(self, rows: int) -> None:
        """Let so many rows end."""
        for _ in range(rows):
            self._go_on.release()
        for _ in range(10):
            await asyncio.sleep(0)

    async def has_begun(self, rows: int) -> None:
        """Wait until so many rows have been begun in all."""
        async with asyncio.timeout(30):
            while len(self.begun) < rows:  # noqa: ASYNC110  # Begun by the dispatcher's own task.
                await asyncio.sleep(0.001)

    async def aclose(self) -> None:
        await self.finish(1_000)
        await self.dispatcher.idle()


async def test_a_crowd_that_was_there_first_keeps_nobody_waiting(resources: Resources) -> None:
    desk = _Desk(resources, at_once=8, tenant_at_once=6)
    desk.due = _rows(CROWD, 150)
    await desk.dispatcher.sweep("test.row")
    await desk.has_begun(6)
    desk.due += _rows(QUIET, 3, first=1_000)
    await desk.dispatcher.sweep("test.row")
    await desk.finish(1)  # One of the crowd ends: the third of the quiet one is next, not theirs.
    await desk.has_begun(9)
    assert desk.begun == [CROWD] * 6 + [QUIET] * 3
    assert desk.most[CROWD] == 6
    await desk.aclose()


async def test_rings_of_a_crowd_are_served_in_turn_with_those_of_others(
    resources: Resources,
) -> None:
    desk = _Desk(resources, at_once=4, tenant_at_once=4)
    assert [desk.ring(row) for row in _rows(CROWD, 20)] == [True] * 4 + [False] * 16
    assert [desk.ring(row) for row in _rows(QUIET, 2, first=1_000)] == [False, False]
    await desk.finish(4)
    await desk.has_begun(8)
    assert sorted(desk.begun[4:8]) == [CROWD, CROWD, QUIET, QUIET]
    await desk.aclose()


async def test_a_process_with_more_to_do_than_it_can_lets_a_crowd_wait_longer(
    resources: Resources,
) -> None:
    desk = _Desk(resources, at_once=40, tenant_at_once=20)
    desk.ring(_rows(QUIET, 1)[0])
    for row in _rows(CROWD, 6, first=1_000):
        desk.ring(row)
    assert desk.dispatcher.busy == 6, "the sixth of the crowd waits for its turn"
    await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251  # The loop itself is what wakes late.
    await asyncio.sleep(0.2)
    assert len(desk.begun) == 6
    await desk.has_begun(7)
    await desk.aclose()


async def test_a_place_that_becomes_free_is_filled_without_a_sweep(resources: Resources) -> None:
    desk = _Desk(resources, at_once=4, tenant_at_once=2)
    for row in _rows(CROWD, 4):
        desk.ring(row)
    await desk.finish(0)
    assert len(desk.begun) == 2
    await desk.finish(2)
    await desk.has_begun(4)
    await desk.aclose()


async def test_nothing_that_waited_begins_while_the_process_drains(resources: Resources) -> None:
    desk = _Desk(resources, at_once=2, tenant_at_once=1)
    for row in _rows(CROWD, 3):
        desk.ring(row)
    await desk.finish(0)
    draining = asyncio.create_task(desk.dispatcher.drain(5))
    await desk.finish(3)
    await draining
    assert len(desk.begun) == 1


async def test_work_that_clashed_with_other_work_is_done_again_at_once(
    resources: Resources,
) -> None:
    tries = []

    async def clash(_: Resources, tenant_id: UUID, row_id: UUID) -> None:
        tries.append((tenant_id, row_id))
        if len(tries) < 3:
            raise Unavailable("Another change got in the way.", retry_after_seconds=0)

    async def none(_: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        return []

    dispatcher = Dispatcher(resources, [Due("test.row", none, clash, 1)])
    dispatcher.start("test.row", CROWD, uuid4())
    await dispatcher.idle()
    assert len(tries) == 3


async def test_work_that_has_to_wait_is_not_done_again_at_once(resources: Resources) -> None:
    tries = []

    async def wait(_: Resources, tenant_id: UUID, row_id: UUID) -> None:
        tries.append(row_id)
        raise Unavailable("The database can't be reached.", retry_after_seconds=2)

    async def none(_: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
        return []

    dispatcher = Dispatcher(resources, [Due("test.row", none, wait, 1)])
    dispatcher.start("test.row", CROWD, uuid4())
    await dispatcher.idle()
    assert len(tries) == 1
