import asyncio
import time
from types import SimpleNamespace

import httpx
import pytest

from frontdesk.simulator import (
    SendFault,
    SendFaultKind,
    Simulator,
    Template,
    Ticks,
)

from .conftest import PNID, Desk, eventually, send_to, text_to

ANA = "15550001111"


def code(response: httpx.Response) -> int:
    error = response.json()["error"]
    assert error["type"] == "OAuthException"
    assert error["error_data"]["details"]
    assert error["fbtrace_id"]
    return int(error["code"])


async def test_a_reply_inside_the_window_travels_to_the_phone_and_back(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    phone = simulator.phone(ANA, name="Ana")
    await phone.say("When do you ship?")
    response = await send_to(
        graph, text_to("+1 555 000-1111", "Monday.", biz_opaque_callback_data="out:1.1")
    )
    assert response.status_code == 200
    wamid = response.json()["messages"][0]["id"]
    assert response.json()["contacts"] == [{"input": "+1 555 000-1111", "wa_id": ANA}]
    reply = await phone.wait_for_reply()
    assert (reply.text, reply.wamid) == ("Monday.", wamid)
    await phone.wait_for_ticks(wamid, "read")
    await simulator.settle()
    assert simulator.whatsapp.sent == ["Monday."]
    statuses = desk.statuses()
    assert [status["status"] for status in statuses] == ["sent", "delivered", "read"]
    for status in statuses:
        assert status["id"] == wamid
        assert status["biz_opaque_callback_data"] == "out:1.1"
        assert status["recipient_id"] == ANA
        assert status["recipient_user_id"] == phone.bsuid
    assert ["pricing" in status for status in statuses] == [True, True, False]
    assert statuses[1]["pricing"]["category"] == "service"
    assert desk.values()[-1]["contacts"][0]["wa_id"] == ANA


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"messaging_product": "sms"}, 100),
        ({"to": None}, 100),
        ({"to": "not a number"}, 131009),
        ({"recipient_type": "group"}, 100),
        ({"type": "poem"}, 100),
        ({"text": None}, 131008),
        ({"text": {"body": ""}}, 100),
        ({"text": {"body": "x" * 4097}}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 100),
        ({"context": {}}, 131008),
        ({"type": "image", "image": {}}, 131008),
        ({"type": "audio", "audio": {"id": "1", "caption": "no"}}, 100),
        ({"type": "image", "image": {"id": "1", "caption": "x" * 1025}}, 131009),
        ({"type": "reaction", "reaction": {"emoji": "x"}}, 131008),
        ({"type": "location", "location": {"latitude": 1}}, 131008),
        ({"type": "template", "template": {"name": "hello"}}, 131008),
        ({"type": "interactive", "interactive": {"type": "button"}}, 131008),
    ],
)
async def test_a_malformed_send_is_refused_with_its_code(
    simulator: Simulator,
    graph: httpx.AsyncClient,
    change: dict[str, object],
    expected: int,
) -> None:
    simulator.phone(ANA).say("Hi")
    response = await send_to(graph, {**text_to(ANA), **change})
    assert code(response) == expected
    assert simulator.whatsapp.log == []


def buttons(*titles: str) -> dict[str, object]:
    replies = [{"type": "reply", "reply": {"id": f"b:{t}", "title": t}} for t in titles]
    return {"type": "button", "body": {"text": "Helped?"}, "action": {"buttons": replies}}


@pytest.mark.parametrize(
    ("interactive", "expected"),
    [
        (buttons("Yes", "No"), 200),
        (buttons("a", "b", "c", "d"), 131009),
        (buttons("Yes", "Yes"), 131009),
        (buttons("x" * 21), 131009),
        ({**buttons("Yes"), "body": {"text": "x" * 1025}}, 100),
        ({**buttons("Yes"), "footer": {"text": "x" * 61}}, 131009),
        ({"type": "request_contact_info", "body": {"text": "?"}, "action": {"name": "x"}}, 200),
        ({"type": "riddle", "body": {"text": "?"}, "action": {}}, 131009),
        (
            {
                "type": "list",
                "body": {"text": "Pick"},
                "action": {
                    "button": "Choose",
                    "sections": [{"rows": [{"id": str(n), "title": str(n)} for n in range(11)]}],
                },
            },
            131009,
        ),
    ],
)
async def test_interactive_messages_keep_their_limits(
    simulator: Simulator,
    graph: httpx.AsyncClient,
    interactive: dict[str, object],
    expected: int,
) -> None:
    simulator.phone(ANA).say("Hi")
    body = {**text_to(ANA), "type": "interactive", "interactive": interactive}
    response = await send_to(graph, body)
    assert (200 if response.is_success else code(response)) == expected


@pytest.mark.parametrize(
    "header", [{}, {"Authorization": "Bearer"}, {"Authorization": "Bearer old"}]
)
async def test_a_missing_or_expired_token_is_refused(
    simulator: Simulator, header: dict[str, str]
) -> None:
    simulator.whatsapp.expired_tokens.add("old")
    async with httpx.AsyncClient(base_url=simulator.url, headers=header) as client:
        response = await client.post(f"/v26.0/{PNID}/messages", json=text_to(ANA))
    assert (response.status_code, code(response)) == (401, 190)


async def test_the_window_closes_after_24_hours_and_templates_still_pass(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    assert code(await send_to(graph, text_to(ANA))) == 131047
    simulator.phone(ANA).say("Hi", sent_at=time.time() - 24 * 3600 + 60)
    assert (await send_to(graph, text_to(ANA))).status_code == 200
    simulator.configure(clock_offset_seconds=120)
    assert code(await send_to(graph, text_to(ANA))) == 131047
    template = {"name": "hello", "language": {"code": "en_US"}}
    response = await send_to(graph, {**text_to(ANA), "type": "template", "template": template})
    assert response.json()["messages"][0]["message_status"] == "accepted"


async def test_a_closed_window_can_also_show_as_a_failed_status(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    simulator.configure(window_errors="async")
    response = await send_to(graph, text_to(ANA, biz_opaque_callback_data="out:9"))
    assert response.status_code == 200
    await simulator.settle()
    (status,) = desk.statuses()
    assert status["status"] == "failed"
    assert status["errors"][0]["code"] == 131047
    assert status["biz_opaque_callback_data"] == "out:9"
    assert "contacts" not in desk.values()[0]
    assert simulator.phone(ANA).replies == []


async def test_template_sends_are_checked_against_the_account(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    simulator.register_channel(PNID, templates=(Template("order", body="Hi {{1}}, it is {{2}}."),))

    def template(name: str, *texts: str) -> dict[str, object]:
        parameters = [{"type": "text", "text": text} for text in texts]
        components = [{"type": "body", "parameters": parameters}]
        part = {"name": name, "language": {"code": "en_US"}, "components": components}
        return {**text_to(ANA), "type": "template", "template": part}

    assert code(await send_to(graph, template("nope", "a", "b"))) == 132001
    assert code(await send_to(graph, template("order", "a"))) == 132000
    assert code(await send_to(graph, template("order", "a\nb", "c"))) == 132018
    assert (await send_to(graph, template("order", "a", "b"))).status_code == 200
    listed = await graph.get("/v26.0/200000000000002/message_templates")
    assert listed.json()["data"][0]["name"] == "order"


async def test_pair_and_throughput_limits_hold_when_switched_on(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    simulator.configure(pair_limit=True)
    simulator.phone(ANA).say("Hi")
    codes = [(await send_to(graph, text_to(ANA))).status_code for _ in range(46)]
    assert codes == [200] * 45 + [400]
    assert code(await send_to(graph, text_to(ANA))) == 131056
    simulator.configure(pair_limit=False, throughput_limit=2, clock_offset_seconds=10)
    codes = [(await send_to(graph, text_to(ANA))).status_code for _ in range(3)]
    assert codes == [200, 200, 400]
    assert code(await send_to(graph, text_to(ANA))) == 130429


async def test_a_contact_without_a_number_is_reached_by_bsuid_only(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    phone = simulator.phone("4915112345678", number_hidden=True, username="ana.k")
    await phone.say("Grüße")
    value = desk.values()[0]
    assert "from" not in value["messages"][0]
    assert "wa_id" not in value["contacts"][0]
    bsuid = value["messages"][0]["from_user_id"]
    assert bsuid.startswith("DE.")
    response = await send_to(graph, text_to(bsuid, "Hallo"))
    assert response.json()["contacts"] == [{"input": bsuid, "user_id": bsuid}]
    assert (await phone.wait_for_reply()).text == "Hallo"
    await simulator.settle()
    assert all("recipient_id" not in status for status in desk.statuses())
    assert {status["recipient_user_id"] for status in desk.statuses()} == {bsuid}
    other = simulator.register_channel("100000000000009")
    assert simulator.phone("4915112345678", channel=other).bsuid != bsuid


async def test_a_bsuid_in_to_is_accepted_and_lost(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    phone = simulator.phone(ANA)
    await phone.say("Hi")
    body = {**text_to(ANA), "to": phone.bsuid}
    assert (await send_to(graph, body)).status_code == 200
    await simulator.settle()
    assert simulator.whatsapp.log[-1].number is None
    assert (phone.replies, desk.statuses()) == ([], [])


async def test_another_spelling_of_a_number_is_answered_with_the_right_one(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    phone = simulator.phone("551188887777", aliases=("5511988887777",))
    phone.say("Oi")
    response = await send_to(graph, text_to("5511988887777"))
    assert response.json()["contacts"][0]["wa_id"] == "551188887777"
    assert phone.replies == ["Hello"]


async def test_reading_and_typing_show_on_the_phone(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    phone = simulator.phone(ANA)
    first, second = phone.say("One"), phone.say("Two")
    await second
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": second.wamid}
    response = await send_to(graph, {**mark, "typing_indicator": {"type": "text"}})
    assert response.json() == {"success": True}
    assert phone.typing
    assert [bubble.ticks for bubble in phone.messages] == [Ticks.READ, Ticks.READ]
    assert first.wamid == phone.messages[0].wamid
    await send_to(graph, text_to(ANA))
    assert not phone.typing
    await send_to(graph, {**mark, "typing_indicator": {"type": "text"}})
    simulator.configure(clock_offset_seconds=26)
    assert not phone.typing
    assert code(await send_to(graph, {**mark, "message_id": "wamid.unknown"})) == 131009


async def test_offline_and_closed_chats_hold_the_ticks_back(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    phone = simulator.phone(ANA, chat_open=False)
    await phone.say("Hi")
    phone.go_offline()
    wamid = (await send_to(graph, text_to(ANA))).json()["messages"][0]["id"]
    await simulator.settle()
    assert [status["status"] for status in desk.statuses()] == ["sent"]
    phone.come_online()
    await phone.wait_for_ticks(wamid, Ticks.DELIVERED)
    phone.open_chat()
    await simulator.settle()
    assert [status["status"] for status in desk.statuses()] == ["sent", "delivered", "read"]


async def test_health_of_a_number(simulator: Simulator, graph: httpx.AsyncClient) -> None:
    whole = (await graph.get(f"/v26.0/{PNID}")).json()
    assert whole["health_status"]["can_send_message"] == "AVAILABLE"
    assert {"verified_name", "quality_rating", "throughput", "is_on_biz_app"} <= set(whole)
    some = await graph.get(f"/v26.0/{PNID}", params={"fields": "display_phone_number,status"})
    assert some.json() == {
        "display_phone_number": "15550009999",
        "status": "CONNECTED",
        "id": PNID,
    }
    simulator.configure(strict_channels=True)
    assert code(await graph.get("/v26.0/999")) == 33


async def test_media_can_be_fetched_for_five_minutes(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    await simulator.phone(ANA).send_image("broken", content=b"png bytes")
    image = desk.messages()[0]["image"]
    assert image["caption"] == "broken"
    described = (await graph.get(f"/v26.0/{image['id']}")).json()
    assert (await graph.get(described["url"])).content == b"png bytes"
    async with httpx.AsyncClient() as anonymous:
        assert (await anonymous.get(described["url"])).status_code == 401
    simulator.configure(clock_offset_seconds=301)
    assert (await graph.get(described["url"])).status_code == 404
    uploaded = await graph.post(
        f"/v26.0/{PNID}/media",
        data={"messaging_product": "whatsapp", "type": "image/png"},
        files={"file": ("a.png", b"mine", "image/png")},
    )
    assert (await graph.get(f"/v26.0/{uploaded.json()['id']}")).json()["file_size"] == 4


async def test_account_calls_are_answered_and_kept(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    assert (await graph.get("/v26.0/2/subscribed_apps")).json()["data"] == []
    assert (await graph.post("/v26.0/2/subscribed_apps")).json() == {"success": True}
    assert len((await graph.get("/v26.0/2/subscribed_apps")).json()["data"]) == 1
    assert code(await graph.post("/v26.0/2/nonsense")) == 2500
    assert code(await graph.post("/latest/2/subscribed_apps")) == 2500


# Faults


async def test_planned_refusals_come_in_their_order(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    simulator.phone(ANA).say("Hi")
    faults = simulator.whatsapp.faults
    faults.next(SendFault(SendFaultKind.ERROR, code=131056), times=2)
    faults.next(None)
    faults.next(SendFault(SendFaultKind.ERROR, code=190))
    faults.next(SendFault(SendFaultKind.SERVER_ERROR))
    faults.next(SendFault(SendFaultKind.SERVER_ERROR, code=131000, graph_body=True))
    answers = [await send_to(graph, text_to(ANA)) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [400, 400, 200, 401, 500, 500, 200]
    assert [code(answers[n]) for n in (0, 1, 3, 5)] == [131056, 131056, 190, 131000]
    assert answers[4].headers["content-type"].startswith("text/html")
    assert len(simulator.whatsapp.log) == 2


async def test_a_send_can_fail_later(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    phone = simulator.phone(ANA)
    await phone.say("Hi")
    simulator.whatsapp.faults.next(SendFault(SendFaultKind.FAILED, code=131026))
    assert (await send_to(graph, text_to(ANA))).status_code == 200
    await simulator.settle()
    assert desk.statuses()[0]["errors"][0]["code"] == 131026
    assert phone.messages[-1].error_code == 131026
    assert phone.replies == []


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (SendFaultKind.HANG_BEFORE, 0),
        (SendFaultKind.DROP_BEFORE, 0),
        (SendFaultKind.HANG_AFTER, 1),
        (SendFaultKind.DROP_AFTER, 1),
        (SendFaultKind.HANG_AND_LOSE_STATUS, 1),
    ],
)
async def test_an_unanswered_send_may_have_been_accepted_or_not(
    simulator: Simulator,
    graph: httpx.AsyncClient,
    desk: Desk,
    kind: SendFaultKind,
    accepted: int,
) -> None:
    await simulator.phone(ANA).say("Hi")
    simulator.whatsapp.faults.next(SendFault(kind, seconds=0.05))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await send_to(graph, text_to(ANA))
    await simulator.settle()
    assert len(simulator.whatsapp.log) == accepted
    told = accepted and kind is not SendFaultKind.HANG_AND_LOSE_STATUS
    assert len(desk.statuses()) == (3 if told else 0)


async def test_a_hang_ends_when_the_caller_gives_up(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    simulator.phone(ANA).say("Hi")
    simulator.whatsapp.faults.next(SendFault(SendFaultKind.HANG_BEFORE))
    brief = httpx.Timeout(30, read=0.1)
    with pytest.raises(httpx.ReadTimeout):
        await graph.post(f"/v26.0/{PNID}/messages", json=text_to(ANA), timeout=brief)
    assert (await send_to(graph, text_to(ANA))).status_code == 200


async def test_accepted_and_then_an_error(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    phone = simulator.phone(ANA)
    await phone.say("Hi")
    simulator.whatsapp.faults.next(SendFault(SendFaultKind.ACCEPT_THEN_ERROR, http_status=503))
    simulator.whatsapp.faults.next(SendFault(SendFaultKind.LOSE_STATUS))
    assert (await send_to(graph, text_to(ANA, "A"))).status_code == 503
    assert (await send_to(graph, text_to(ANA, "B"))).status_code == 200
    await simulator.settle()
    assert phone.replies == ["A", "B"]
    assert {status["id"] for status in desk.statuses()} == {simulator.whatsapp.log[0].wamid}


async def test_statuses_come_early_twice_or_backwards(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    simulator.configure(status_delay_seconds=(1.0, 1.0))
    await simulator.phone(ANA).say("Hi")
    faults = simulator.whatsapp.faults
    faults.next(SendFault(SendFaultKind.EARLY_STATUS))
    await send_to(graph, text_to(ANA))
    assert [status["status"] for status in desk.statuses()] == ["sent"]
    await simulator.settle()
    assert [status["status"] for status in desk.statuses()] == ["sent", "delivered", "read"]
    simulator.configure(status_delay_seconds=(0.02, 0.02))
    desk.bodies.clear()
    faults.next(SendFault(SendFaultKind.REVERSE_STATUS))
    await send_to(graph, text_to(ANA))
    await simulator.settle()
    assert [status["status"] for status in desk.statuses()] == ["read", "delivered", "sent"]
    desk.bodies.clear()
    faults.next(SendFault(SendFaultKind.DOUBLE_STATUS))
    await send_to(graph, text_to(ANA))
    await simulator.settle()
    seen = [status["status"] for status in desk.statuses()]
    assert sorted(seen) == sorted(["sent", "delivered", "read"] * 2)


async def test_statuses_come_late(
    simulator: Simulator, graph: httpx.AsyncClient, desk: Desk
) -> None:
    await simulator.phone(ANA).say("Hi")
    simulator.whatsapp.faults.next(SendFault(SendFaultKind.LATE_STATUS, seconds=2))
    await send_to(graph, text_to(ANA))
    assert (await send_to(graph, text_to(ANA))).status_code == 200
    await eventually(lambda: len(desk.statuses()) == 3)
    late = simulator.whatsapp.log[0].wamid
    assert late not in {status["id"] for status in desk.statuses()}
    await simulator.settle()
    assert [s["status"] for s in desk.statuses() if s["id"] == late] == [
        "sent",
        "delivered",
        "read",
    ]


async def test_an_outage_ends_by_itself(
    simulator: Simulator, graph: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("frontdesk.simulator.faults.time", clock)
    simulator.phone(ANA).say("Hi")
    down = SendFault(SendFaultKind.SERVER_ERROR, code=131016, http_status=503, graph_body=True)
    simulator.whatsapp.faults.share(down, 1.0, for_seconds=0.2)
    answer = await send_to(graph, text_to(ANA))
    assert (answer.status_code, code(answer)) == (503, 131016)
    now[0] += 0.2
    assert (await send_to(graph, text_to(ANA))).status_code == 200
    assert simulator.whatsapp.faults.describe()["shares"] == []


async def test_a_seeded_plan_repeats_itself(simulator: Simulator, graph: httpx.AsyncClient) -> None:
    async def play(seed: int = 1) -> list[int]:
        simulator.configure(seed=seed)
        await simulator.reset()
        simulator.whatsapp.faults.share(SendFault(SendFaultKind.SERVER_ERROR), 0.4, only=PNID)
        simulator.whatsapp.faults.share(SendFault(SendFaultKind.SERVER_ERROR), 1.0, only="1")
        simulator.phone(ANA).say("Hi")
        return [(await send_to(graph, text_to(ANA))).status_code for _ in range(20)]

    first = await play()
    assert first == await play()
    assert first != await play(seed=2)
    assert {200, 500} == set(first)


async def test_many_sends_at_once_are_all_logged(
    simulator: Simulator, graph: httpx.AsyncClient
) -> None:
    phones = [simulator.phone(f"1555000{n:04}") for n in range(60)]
    for phone in phones:
        phone.say("Hi")
    await asyncio.gather(*(send_to(graph, text_to(p.contact.number)) for p in phones))
    await eventually(lambda: all(phone.replies == ["Hello"] for phone in phones))
    assert len(simulator.whatsapp.sent) == 60
