"""A takeover against the AI, at any moment: no AI send starts afterwards, and nobody is forgotten."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from tests.desk import Desk, Person, eventually

from frontdesk.simulator import SendFault, SendFaultKind

# How far a conversation has got: a message is there, claimed, decided, on the wire, sent.
_STAGES = """
SELECT c.wa_id, k.id, CASE WHEN o.state = 'sent' THEN 4 WHEN o.state = 'sending' THEN 3
    WHEN o.id IS NOT NULL THEN 2 WHEN k.lease_until IS NOT NULL THEN 1 ELSE 0 END AS stage
FROM conversation k JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
LEFT JOIN outbound o ON o.tenant_id = k.tenant_id AND o.conversation_id = k.id
"""
# Messages that should be covered by exactly one turn and are not, and turns that leave a gap.
_BROKEN = """
SELECT m.id FROM message m JOIN conversation k ON k.id = m.conversation_id
WHERE m.seq <= k.handled_seq AND 1 <> (SELECT count(*) FROM turn t
    WHERE t.conversation_id = k.id AND m.seq BETWEEN t.from_seq AND t.to_seq)
UNION ALL
SELECT id FROM (SELECT id, from_seq, lag(to_seq, 1, 0) OVER (
    PARTITION BY conversation_id ORDER BY to_seq) AS before FROM turn) t WHERE from_seq <> before + 1
"""
MOMENTS = 80


@dataclass(frozen=True)
class Taken:
    """What a takeover answered, and what WhatsApp had accepted for that contact by then."""

    conversation_id: str
    ai_in_flight: bool
    accepted: int


async def test_at_eighty_random_moments_no_ai_send_starts_after_a_takeover(desk: Desk) -> None:
    chance = random.Random(54)
    people = [await desk.ana(), await desk.ben(), await desk.admin()]
    desk.simulator.configure(model_latency_seconds=(0.01, 0.1), send_latency_seconds=(0.1, 0.3))
    numbers = [f"49155520{place:03}" for place in range(MOMENTS)]
    assert desk.dispatcher is not None
    taking: dict[str, asyncio.Task[Taken]] = {}
    moments = {number: (chance.randrange(5), chance.uniform(0, 0.05)) for number in numbers}
    owners = {number: people[place % 3] for place, number in enumerate(numbers)}
    for number in numbers:
        desk.phone(number).say("How long does delivery take?")
    async with asyncio.timeout(100):
        while len(taking) < MOMENTS:
            for row in await desk.sql(_STAGES):
                stage, pause = moments[row["wa_id"]]
                if row["stage"] >= stage and row["wa_id"] not in taking:
                    act = _take_over(desk, owners[row["wa_id"]], row["wa_id"], row["id"], pause)
                    taking[row["wa_id"]] = asyncio.create_task(act)
            # What there was no room for is found by the sweep.
            for kind in desk.dispatcher.kinds:
                await desk.dispatcher.sweep(kind)
    taken = {number: await task for number, task in taking.items()}
    await desk.work_until_idle()
    desk.simulator.configure(model_latency_seconds=(0, 0), send_latency_seconds=(0, 0))

    accepted = _accepted(desk)
    for number, one in taken.items():
        assert accepted[number] <= 1
        if not one.ai_in_flight:
            assert accepted[number] == one.accepted, "it started after the takeover"
        else:
            assert accepted[number] == 1, "something was on the wire, as was said"
    assert {one.ai_in_flight for one in taken.values()} == {True, False}
    assert 0 < accepted.total() < MOMENTS, "the moments were all alike"
    assert await desk.sql(_BROKEN) == []

    for number, one in taken.items():
        await owners[number].post(f"/conversations/{one.conversation_id}/release")
    await desk.work_until_idle()
    assert _accepted(desk) == dict.fromkeys(numbers, 1), "each is answered, and once"
    assert await desk.sql(_BROKEN) == []


async def _take_over(desk: Desk, who: Person, number: str, row_id: Any, pause: float) -> Taken:
    await asyncio.sleep(pause)
    answer = await who.post(f"/conversations/{row_id}/take-over")
    return Taken(str(row_id), answer["ai_in_flight"], _accepted(desk)[number])


def _accepted(desk: Desk) -> Counter[str]:
    """How many messages WhatsApp has accepted, by the number of the contact."""
    return Counter(entry.number or "" for entry in desk.simulator.whatsapp.log)


async def _waiting_reply(desk: Desk) -> tuple[Person, str]:
    """A conversation whose answer is decided and can't leave; an admin, and its id."""
    admin = await desk.admin()
    await admin.post(f"/channels/{desk.channel_id}/pause")
    assert await desk.say("How long does delivery take?") == []
    return admin, (await desk.conversation())["id"]


async def _let_send(desk: Desk) -> list[str]:
    await (await desk.admin()).post(f"/channels/{desk.channel_id}/resume")
    await desk.work_until_idle()
    assert await desk.sql(_BROKEN) == []
    return desk.phone().replies


async def _turns(desk: Desk) -> list[tuple[int, int, str, str]]:
    rows = await desk.sql("SELECT from_seq, to_seq, outcome, by FROM turn ORDER BY to_seq")
    return [tuple(row) for row in rows]


async def test_a_takeover_between_decide_and_send_withdraws_the_answer_until_a_release(
    desk: Desk,
) -> None:
    admin, conversation_id = await _waiting_reply(desk)
    taken = await admin.post(f"/conversations/{conversation_id}/take-over")
    assert taken["ai_in_flight"] is False
    assert taken["conversation"]["unanswered"] == 1
    await admin.post(f"/conversations/{conversation_id}/release")
    replies = await _let_send(desk)
    assert len(replies) == 1
    assert "3 to 5 working days" in replies[0]
    assert (await desk.conversation())["unanswered"] == 0
    assert (await desk.conversation())["waiting_since"] is None


async def test_several_withdrawn_answers_and_a_new_message_get_one_answer(desk: Desk) -> None:
    admin, conversation_id = await _waiting_reply(desk)
    assert await desk.say("Can I return a lamp?") == []
    await admin.post(f"/conversations/{conversation_id}/take-over")
    assert await desk.say("When are you open?") == []
    assert (await desk.conversation())["unanswered"] == 3
    await admin.post(f"/conversations/{conversation_id}/release")
    assert len(await _let_send(desk)) == 1
    assert len(desk.simulator.whatsapp.log) == 1


async def test_a_reply_of_a_person_covers_what_was_withdrawn(desk: Desk) -> None:
    admin, conversation_id = await _waiting_reply(desk)
    await admin.post(f"/conversations/{conversation_id}/take-over")
    await admin.post(f"/conversations/{conversation_id}/messages", {"text": "Three days."})
    await admin.post(f"/conversations/{conversation_id}/release")
    assert await _let_send(desk) == ["Three days."]
    assert await _turns(desk) == [(1, 1, "replied", "agent"), (2, 2, "replied", "human_agent")]


async def test_a_close_is_the_outcome_of_what_was_withdrawn(desk: Desk) -> None:
    admin, conversation_id = await _waiting_reply(desk)
    await admin.post(f"/conversations/{conversation_id}/close", {"reason": "spam"})
    assert await _let_send(desk) == []
    assert await _turns(desk) == [(1, 1, "replied", "agent"), (2, 2, "handoff", "human_agent")]


async def test_what_a_handoff_of_the_ai_withdraws_waits_for_people(desk: Desk) -> None:
    admin, conversation_id = await _waiting_reply(desk)
    await desk.say("I want to talk to a person")
    assert (await desk.conversation())["unanswered"] == 1
    await admin.post(f"/conversations/{conversation_id}/take-over")
    await admin.post(f"/conversations/{conversation_id}/messages", {"text": "Three days."})
    replies = await _let_send(desk)
    assert replies[-1] == "Three days."
    assert not any("working days" in reply for reply in replies)
    assert (await desk.conversation())["unanswered"] == 0


async def test_a_follow_up_that_has_not_left_is_withdrawn_too(desk: Desk) -> None:
    await desk.configure(follow_up_minutes=30, follow_up_text="Did that help?")
    first = await desk.say("How long does delivery take?")
    admin = await desk.admin()
    await admin.post(f"/channels/{desk.channel_id}/pause")
    await desk.sql("UPDATE timer SET due_at = now() WHERE kind = 'follow_up' RETURNING id")
    await desk.work_until_idle()
    assert await desk.sql("SELECT 1 FROM outbound WHERE origin = 'system' AND state = 'pending'")
    await admin.post(f"/conversations/{(await desk.conversation())['id']}/take-over")
    assert await _let_send(desk) == first
    assert (await desk.conversation())["unanswered"] == 0


@pytest.mark.parametrize("kind", [SendFaultKind.SERVER_ERROR, SendFaultKind.DROP_BEFORE])
async def test_a_person_does_not_wait_for_an_ai_message_whose_fate_is_unknown(
    desk: Desk, kind: SendFaultKind
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(kind))
    await desk.say("How long does delivery take?")
    ana = await desk.ana()
    conversation_id = (await desk.conversation())["id"]
    taken = await ana.post(f"/conversations/{conversation_id}/take-over")
    assert taken["ai_in_flight"] is True
    await ana.post(f"/conversations/{conversation_id}/messages", {"text": "Ana here."})
    await desk.work_until_idle()
    assert desk.phone().replies == ["Ana here."]
    # Later it is proven that the AI's did not arrive: it is too late for it all the same.
    await desk.say("Thanks, Ana")
    await desk.sql(
        "UPDATE outbound SET due_at = now(), sending_since = sending_since - interval '20 s' "
        "WHERE state = 'unknown' RETURNING id"
    )
    await desk.work_until_idle()
    assert desk.phone().replies == ["Ana here."]


async def test_a_takeover_while_the_post_is_on_the_wire_says_so(desk: Desk) -> None:
    desk.simulator.configure(send_latency_seconds=(15, 15))
    phone, ana = desk.phone(), await desk.ana()
    await phone.say("How long does delivery take?")
    await eventually(lambda: desk.sql("SELECT 1 FROM outbound WHERE state = 'sending'"))
    conversation_id = (await desk.conversation())["id"]
    taken = await ana.post(f"/conversations/{conversation_id}/take-over")
    assert taken["ai_in_flight"] is True
    desk.simulator.configure(send_latency_seconds=(0, 0))
    await desk.work_until_idle()
    assert len(phone.replies) == 1
    assert (await desk.conversation())["unanswered"] == 0


async def test_two_releases_at_once_give_it_back_once(desk: Desk) -> None:
    admin, conversation_id = await _waiting_reply(desk)
    await admin.post(f"/conversations/{conversation_id}/take-over")
    path = f"/api/v1/conversations/{conversation_id}/release"
    answers = await asyncio.gather(*(admin.http.post(path) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert len(await _let_send(desk)) == 1


async def _lost_on_the_wire(desk: Desk) -> tuple[Person, str]:
    """Taken over while an AI message is on the wire that WhatsApp then refuses for the moment."""
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=130429))
    desk.simulator.configure(send_latency_seconds=(15, 15))
    await desk.phone().say("How long does delivery take?")
    await eventually(lambda: desk.sql("SELECT 1 FROM outbound WHERE state = 'sending'"))
    ana, conversation_id = await desk.ana(), (await desk.conversation())["id"]
    taken = await ana.post(f"/conversations/{conversation_id}/take-over")
    assert taken["ai_in_flight"] is True
    return ana, conversation_id


async def _come_due(desk: Desk) -> None:
    desk.simulator.configure(send_latency_seconds=(0, 0))
    await desk.work_until_idle()
    await desk.sql("UPDATE outbound SET due_at = now() WHERE state = 'pending' RETURNING id")
    await desk.work_until_idle()
    assert await desk.sql(_BROKEN) == []


async def test_an_answer_refused_on_the_wire_is_not_tried_again_but_its_message_waits(
    desk: Desk,
) -> None:
    ana, conversation_id = await _lost_on_the_wire(desk)
    await _come_due(desk)
    assert desk.phone().replies == []
    assert (await desk.conversation())["unanswered"] == 1
    await ana.post(f"/conversations/{conversation_id}/release")
    await desk.work_until_idle()
    assert len(desk.phone().replies) == 1


async def test_an_answer_refused_on_the_wire_after_the_release_is_given_anew(desk: Desk) -> None:
    ana, conversation_id = await _lost_on_the_wire(desk)
    await ana.post(f"/conversations/{conversation_id}/release")
    await _come_due(desk)
    assert len(desk.phone().replies) == 1


async def test_an_answer_refused_on_the_wire_is_not_missed_once_a_person_has_written(
    desk: Desk,
) -> None:
    ana, conversation_id = await _lost_on_the_wire(desk)
    await ana.post(f"/conversations/{conversation_id}/messages", {"text": "Three days."})
    await ana.post(f"/conversations/{conversation_id}/release")
    await _come_due(desk)
    assert desk.phone().replies == ["Three days."]
