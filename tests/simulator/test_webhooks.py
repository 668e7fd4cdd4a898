import asyncio
import hashlib
import hmac
import socket

import httpx
import orjson
import pytest

from frontdesk.simulator import (
    NoReply,
    Simulator,
    SimulatorSettings,
    Ticks,
    escape,
    running,
    sign,
)

from .conftest import PNID, SECRET, Desk, eventually, send_to, text_to


def test_the_documented_signature_comes_out() -> None:
    body = b'{"object":"whatsapp_business_account","entry":[]}'
    signature = "sha256=dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756"
    assert sign(body, "test_app_secret") == signature


def test_bodies_are_escaped_as_meta_does() -> None:
    payload = {"a": "ä/😀<b>50%@"}
    raw = escape(payload)
    assert raw == rb'{"a":"\u00e4\/\ud83d\ude00\u003Cb>50\u0025\u0040"}'
    assert orjson.loads(raw) == payload


async def test_what_is_posted_is_signed_as_it_is(simulator: Simulator, desk: Desk) -> None:
    posting = await simulator.phone().say("Grüße 😀 a/b")
    expected = hmac.new(SECRET.encode(), desk.bodies[0], hashlib.sha256).hexdigest()
    assert desk.signatures == [f"sha256={expected}"]
    assert b"Gr\\u00fc\\u00dfe" in desk.bodies[0]
    assert desk.messages()[0]["text"]["body"] == "Grüße 😀 a/b"
    assert (posting.delivered, posting.status) == (1, 200)


async def test_an_unanswered_webhook_is_posted_again_until_200(
    simulator: Simulator, desk: Desk
) -> None:
    desk.answers[:] = [500, 503, 202, 302]
    phone = simulator.phone()
    posting = phone.say("Hi")
    assert phone.messages[0].ticks is Ticks.SENT
    await posting
    assert [attempt.status for attempt in posting.attempts] == [500, 503, 202, 302, 200]
    assert len(set(desk.bodies)) == 1
    await phone.wait_for_ticks(posting.wamid, "delivered")


async def test_webhooks_wait_for_an_address(simulator: Simulator, desk: Desk) -> None:
    simulator.configure(webhook_url=None)
    posting = simulator.phone().say("Hi")
    await eventually(lambda: posting.attempts)
    assert desk.bodies == []
    simulator.configure(webhook_url="http://desk/later")
    await posting
    assert len(desk.bodies) == 1


async def test_a_desk_that_comes_up_later_loses_nothing() -> None:
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        received.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    settings = SimulatorSettings(app_secret=SECRET, retry_pauses_seconds=(0.01,))
    async with running(settings) as simulator:
        # Nobody listens there yet, and nobody else may begin to.
        place = socket.socket()
        place.bind(("127.0.0.1", 0))
        simulator.configure(webhook_url=f"http://127.0.0.1:{place.getsockname()[1]}/hook")
        posting = simulator.phone().say("Hi")
        await eventually(lambda: len(posting.attempts) > 1)
        assert posting.status is None
        async with await asyncio.start_server(answer, sock=place):
            await posting
    assert len(received) == 1


async def test_messages_of_a_thread_keep_their_order(simulator: Simulator, desk: Desk) -> None:
    phone = simulator.phone()
    for number in range(20):
        phone.say(str(number))
    await simulator.settle()
    assert [message["text"]["body"] for message in desk.messages()] == [str(n) for n in range(20)]


async def test_the_same_webhook_twice_and_several_messages_in_one(
    simulator: Simulator, desk: Desk
) -> None:
    phone = simulator.phone()
    await phone.say("Once", copies=2)
    assert desk.bodies[0] == desk.bodies[1]
    await phone.say("Again", wamid=phone.messages[0].wamid)
    assert len(phone.messages) == 1
    together = await phone.say_together("a", "b", "c")
    assert len(desk.values()[-1]["messages"]) == 3
    assert len(set(together.wamids)) == 3


async def test_any_bytes_with_any_signature(simulator: Simulator, desk: Desk) -> None:
    await simulator.post(b"\xff not json")
    await simulator.post(b"{}", signature=None)
    await simulator.post({"object": "x"}, signature="sha256=00")
    assert desk.bodies == [b"\xff not json", b"{}", b'{"object":"x"}']
    assert desk.signatures[1:] == [None, "sha256=00"]
    assert desk.signatures[0] == sign(b"\xff not json", SECRET)
    desk.answers[:] = [401]
    posting = await simulator.post(b"{}", signature="wrong", retry=False)
    assert [attempt.status for attempt in posting.attempts] == [401]


async def test_every_kind_of_message_has_its_shape(simulator: Simulator, desk: Desk) -> None:
    phone = simulator.phone(name="Ana")
    said = phone.say("Hi")
    await simulator.settle()
    phone.say("About that", quote="wamid.OUT")
    phone.send_audio()
    phone.send_location(name="Office")
    phone.send_document("../a.pdf", b"%PDF")
    phone.react("👍", said.wamid)
    phone.react("", said.wamid)
    phone.edit(said.wamid, "Hello")
    phone.share_number()
    phone.revoke(said.wamid)
    await simulator.settle()
    messages = desk.messages()
    assert [message["type"] for message in messages] == [
        "text", "text", "audio", "location", "document", "reaction", "reaction", "edit",
        "contacts", "revoke",
    ]  # fmt: skip
    assert messages[1]["context"] == {"from": "15550009999", "id": "wamid.OUT"}
    assert messages[2]["audio"]["voice"] is True
    assert messages[5]["reaction"] == {"message_id": said.wamid, "emoji": "👍"}
    assert messages[6]["reaction"] == {"message_id": said.wamid}
    assert messages[7]["edit"]["message"]["text"]["body"] == "Hello"
    assert messages[8]["contacts"][0]["origin"] == "contact_request"
    assert phone.messages[0].revoked
    assert all(message["timestamp"].isdigit() for message in messages)
    metadata = {"display_phone_number": "15550009999", "phone_number_id": PNID}
    assert all(value["metadata"] == metadata for value in desk.values())


async def test_other_fields_and_batches_for_several_accounts(
    simulator: Simulator, desk: Desk
) -> None:
    first = simulator.whatsapp.channel(PNID)
    await simulator.post_change(first, "account_update", {"event": "DISABLED_UPDATE"})
    assert desk.values()[0] == {"event": "DISABLED_UPDATE"}
    bodies = [
        {"entry": [{"id": str(n), "changes": [{"field": "x", "value": {"n": n}}]}]}
        for n in range(3)
    ]
    await simulator.post_together(bodies)
    assert desk.values()[1:] == [{"n": 0}, {"n": 1}, {"n": 2}]


async def test_the_handshake_compares_the_challenge(simulator: Simulator, desk: Desk) -> None:
    assert await simulator.webhooks.subscribe()
    desk.answers[:] = [403]
    assert not await simulator.webhooks.subscribe()


async def test_waiting_for_a_reply_that_never_comes(simulator: Simulator) -> None:
    with pytest.raises(NoReply, match="no reply to 15550001111"):
        await simulator.phone().wait_for_reply(timeout_seconds=0.02)


async def test_leaving_stops_retries_at_once() -> None:
    settings = SimulatorSettings(app_secret=SECRET, retry_pauses_seconds=(60.0,))
    async with asyncio.timeout(30), running(settings) as simulator:
        posting = simulator.phone().say("Hi")
        await eventually(lambda: posting.attempts)
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(simulator.url)


async def test_a_handmade_webhook_can_be_answered(
    simulator: Simulator, desk: Desk, graph: httpx.AsyncClient
) -> None:
    now = str(int(simulator.world.now()))
    bsuid = "US.13491208655302741918"
    message = {"from_user_id": bsuid, "id": "wamid.X", "timestamp": now, "type": "text"}
    value = {
        "metadata": {"phone_number_id": PNID},
        "messages": [{**message, "text": {"body": "Hi"}}, {"id": 1}, "nonsense"],
    }
    body = {"entry": [{"id": "2", "changes": [{"field": "messages", "value": value}]}, 7]}
    await simulator.post(orjson.dumps(body))
    assert (await send_to(graph, text_to(bsuid, "Hello"))).status_code == 200
    mark = {"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.X"}
    assert (await send_to(graph, mark)).status_code == 200
    for odd in (b"[]", b'{"entry": 3}', b'{"entry": [{"changes": [{"value": 1}]}]}'):
        await simulator.post(odd)


async def test_shares_of_doubled_and_lost_statuses(
    simulator: Simulator, desk: Desk, graph: httpx.AsyncClient
) -> None:
    simulator.configure(status_doubled_share=1.0, status_early_share=1.0)
    phone = simulator.phone()
    await phone.say("Hi")
    await send_to(graph, text_to(phone.contact.number))
    await simulator.settle()
    assert len(desk.statuses()) == 6
    simulator.configure(status_dropped_share=1.0)
    await send_to(graph, text_to(phone.contact.number))
    await simulator.settle()
    assert len(desk.statuses()) == 6
