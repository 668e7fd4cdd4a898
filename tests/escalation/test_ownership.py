"""Who has a conversation: takeover, replies, release, close, and the races between them."""

import asyncio
from typing import Any

from tests.desk import Desk, Person, eventually, held_up_here

from frontdesk.core.ids import NIL
from frontdesk.pipeline.receive import receive
from frontdesk.simulator import SendFault, SendFaultKind


async def _taken(desk: Desk, who: Person) -> str:
    await desk.say("How long does delivery take?")
    conversation_id = (await desk.conversation())["id"]
    await who.post(f"/conversations/{conversation_id}/take-over")
    return str(conversation_id)


async def test_a_human_agent_takes_over_replies_and_gives_back(desk: Desk) -> None:
    ana = await desk.ana()
    conversation_id = await _taken(desk, ana)
    before = len(desk.phone().replies)
    assert len(await desk.say("Are you there?")) == before, "the AI is silent"
    await ana.post(f"/conversations/{conversation_id}/messages", {"text": "Hello, this is Ana."})
    await desk.work_until_idle()
    assert desk.phone().replies[-1] == "Hello, this is Ana."
    assert (await desk.conversation())["waiting_since"] is None
    await ana.post(f"/conversations/{conversation_id}/release")
    assert "30 days" in (await desk.say("Can I return a lamp?"))[-1]


async def test_release_answers_what_waited_once(desk: Desk) -> None:
    ana = await desk.ana()
    conversation_id = await _taken(desk, ana)
    await desk.say("Can I return a lamp?", "Within how many days?")
    before = len(desk.phone().replies)
    await ana.post(f"/conversations/{conversation_id}/release")
    await desk.work_until_idle()
    assert len(desk.phone().replies) == before + 1


async def test_of_two_who_take_over_at_once_one_wins(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    conversation_id = (await desk.conversation())["id"]
    answers = await asyncio.gather(
        *(
            person.http.post(f"/api/v1/conversations/{conversation_id}/take-over")
            for person in (await desk.ana(), await desk.ben())
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert loser.json()["code"] == "already_taken"


async def test_a_takeover_while_the_model_thinks_throws_the_draft_away(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    conversation_id = (await desk.conversation())["id"]
    ana = await desk.ana()
    desk.simulator.configure(model_latency_seconds=(15, 15))
    phone = desk.phone()
    phone.say("Can I return a lamp?")
    await eventually(lambda: len(desk.simulator.model.asked("triage")) == 2)
    taken = await ana.post(f"/conversations/{conversation_id}/take-over")
    desk.simulator.configure(model_latency_seconds=(0, 0))
    await desk.work_until_idle()
    assert taken["ai_in_flight"] is False
    assert len(phone.replies) == 1
    calls = await desk.sql("SELECT feature FROM llm_call ORDER BY created_at")
    assert len(calls) >= 3, "the calls are recorded and paid for all the same"


async def test_a_double_click_sends_one_message(desk: Desk) -> None:
    ana = await desk.ana()
    conversation_id = await _taken(desk, ana)
    path, body = f"/conversations/{conversation_id}/messages", {"text": "Only once."}
    first, second = await asyncio.gather(
        *(ana.post(path, body, Idempotency_Key="click-1") for _ in range(2))
    )
    await desk.work_until_idle()
    assert first["id"] == second["id"]
    assert desk.phone().replies.count("Only once.") == 1
    reused = await ana.post(path, {"text": "Other."}, status=409, Idempotency_Key="click-1")
    assert reused["code"] == "idempotency_key_reused"


async def test_only_the_owner_or_an_admin_may_reply(desk: Desk) -> None:
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    conversation_id = await _taken(desk, ana)
    path = f"/conversations/{conversation_id}/messages"
    refused = await ben.post(path, {"text": "Hi"}, status=403)
    assert refused["code"] == "not_yours"
    await admin.post(path, {"text": "The manager here."}, status=201)


async def test_nobody_replies_while_the_ai_has_it(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    conversation_id = (await desk.conversation())["id"]
    ana = await desk.ana()
    refused = await ana.post(
        f"/conversations/{conversation_id}/messages", {"text": "x"}, status=409
    )
    assert refused["code"] == "not_taken_over"


async def test_what_can_not_be_sent_or_stored_is_refused_clearly(desk: Desk) -> None:
    ana = await desk.ana()
    conversation_id = await _taken(desk, ana)
    path = f"/conversations/{conversation_id}/messages"
    for text in (" \n ", "\x00", "x" * 4097):
        refused = await ana.post(path, {"text": text}, status=422)
        assert refused["code"] == "invalid"
    answer = await ana.http.get("/api/v1/conversations", params={"contact": "a\x00b"})
    assert answer.status_code == 422


async def test_a_closed_conversation_is_over_and_the_next_message_opens_another(
    desk: Desk,
) -> None:
    ana = await desk.ana()
    conversation_id = await _taken(desk, ana)
    closed = await ana.post(f"/conversations/{conversation_id}/close", {"reason": "done"})
    assert closed["conversation"]["status"] == "CLOSED"
    again = await ana.post(f"/conversations/{conversation_id}/close", {"reason": "x"}, status=409)
    assert again["code"] == "conversation_closed"
    await desk.say("Can I return a lamp?")
    newest = await desk.conversation()
    assert newest["id"] != conversation_id
    reopened = await ana.post(f"/conversations/{conversation_id}/reopen", status=409)
    assert reopened["code"] == "another_conversation_open"


async def test_one_key_for_two_conversations_at_once_sends_one_message(desk: Desk) -> None:
    ana = await desk.ana()
    paths = []
    for number in ("4915550001", "4915550002"):
        await desk.say("How long does delivery take?", number=number)
        conversation_id = (await desk.conversation(number))["id"]
        await ana.post(f"/conversations/{conversation_id}/take-over")
        paths.append(f"/api/v1/conversations/{conversation_id}/messages")
    answers = await asyncio.gather(
        *(
            ana.http.post(path, json={"text": "Hi"}, headers={"Idempotency-Key": "same-key"})
            for path in paths
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_an_answer_withdrawn_by_a_takeover_leaves_the_contact_waiting(desk: Desk) -> None:
    admin = await desk.admin()
    await admin.post(f"/channels/{desk.channel_id}/pause")
    assert await desk.say("How long does delivery take?") == []
    conversation_id = (await desk.conversation())["id"]
    await admin.post(f"/conversations/{conversation_id}/take-over")
    await admin.post(f"/channels/{desk.channel_id}/resume")
    await desk.work_until_idle()
    assert desk.phone().replies == []
    assert (await desk.conversation())["waiting_since"] is not None


async def test_an_answer_in_the_phone_app_counts_as_a_takeover(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    for _ in range(2):  # Meta repeats webhooks.
        desk.simulator.post(_echo(desk, "Tom from the shop here."))
        await desk.work_until_idle()
    assert len(await desk.sql("SELECT 1 FROM conversation")) == 1
    conversation = await desk.conversation()
    assert conversation["status"] == "WITH_HUMAN"
    before = len(desk.phone().replies)
    assert len(await desk.say("Thank you Tom, one more thing")) == before


async def test_an_echo_that_another_worker_takes_in_with_a_first_message_is_of_the_same_contact(
    desk: Desk, admin_sql: Any
) -> None:
    async with admin_sql.transaction():
        await admin_sql.execute("LOCK TABLE conversation IN SHARE ROW EXCLUSIVE MODE")
        # The message names both ids of its contact, the echo the number only.
        desk.phone().say("How long does delivery take?")
        await eventually(lambda: held_up_here(admin_sql))
        await desk.simulator.post(_echo(desk, "Tom from the shop here."))
        other_worker = asyncio.create_task(receive(desk.resources, NIL, NIL))

        async def both_wait() -> bool:
            return await held_up_here(admin_sql) == 2

        await eventually(both_wait)
    await other_worker
    await desk.work_until_idle()
    assert len(await desk.sql("SELECT 1 FROM contact")) == 1
    assert len(await desk.sql("SELECT 1 FROM conversation")) == 1


async def test_what_we_sent_ourselves_comes_back_as_an_echo_and_is_nobodys_takeover(
    desk: Desk,
) -> None:
    desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.DROP_AFTER))  # A status settles it.
    await desk.say("How long does delivery take?")
    (sent,) = await desk.sql("SELECT wamid FROM outbound")
    desk.simulator.post(_echo(desk, "As we said.", wamid=sent["wamid"]))
    await desk.work_until_idle()
    assert (await desk.conversation())["status"] == "ACTIVE"
    assert len(await desk.sql("SELECT 1 FROM message")) == 2


async def test_the_longest_waiting_contact_comes_first_in_the_inbox(desk: Desk) -> None:
    for number in (2, 1):
        await desk.say("I want to talk to a person", number=f"49155515{number:03}")
    await desk.say("How long does delivery take?", number="49155515009")
    inbox = await (await desk.ana()).get("/conversations")
    assert [item["contact"]["wa_id"][-3:] for item in inbox["items"]] == ["002", "001", "009"]
    first = await (await desk.ana()).get("/conversations", limit=1)
    second = await (await desk.ana()).get("/conversations", limit=1, cursor=first["next_cursor"])
    assert second["items"][0]["contact"]["wa_id"][-3:] == "001"


def _echo(desk: Desk, text: str, wamid: str | None = None) -> dict[str, Any]:
    return {
        "object": "whatsapp_business_account",
        "entry": [
            {
                "id": desk.waba_id,
                "changes": [
                    {
                        "field": "smb_message_echoes",
                        "value": {
                            "messaging_product": "whatsapp",
                            "metadata": {
                                "display_phone_number": "15550001111",
                                "phone_number_id": desk.phone_number_id,
                            },
                            "message_echoes": [
                                {
                                    "from": "15550001111",
                                    "to": "4915550001",
                                    "id": wamid or f"wamid.ECHO-{desk.id}",
                                    "timestamp": str(int(desk.simulator.world.now())),
                                    "type": "text",
                                    "text": {"body": text},
                                }
                            ],
                        },
                    }
                ],
            }
        ],
    }
