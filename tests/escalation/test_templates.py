"""Templates: listed from Meta, seen with their price first, sent when nothing else may be."""

from typing import Any

from tests.desk import Desk

from frontdesk.simulator.threads import Template

UPDATE = Template("order_update", "en_US", "Hello {{1}}, order {{2}} is on its way.")
OFFER = Template("spring_offer", "en_US", "Lamps at half price!", "MARKETING")
PAUSED = Template("old_one", "en_US", "Hello.", status="PAUSED")


async def _with_templates(desk: Desk) -> Any:
    desk.simulator.register_channel(desk.phone_number_id, templates=(UPDATE, OFFER, PAUSED))
    admin = await desk.admin()
    await admin.post("/templates/sync", status=204)
    await desk.work_until_idle()
    return admin


async def test_a_closed_window_names_the_templates_that_work_and_one_is_sent_once(
    desk: Desk, admin_sql: Any
) -> None:
    admin, phone = await _with_templates(desk), desk.phone()
    assert desk.simulator.whatsapp.channel(desk.phone_number_id).templates
    await desk.say("Where is my order?")
    thread = f"/conversations/{(await desk.conversation())['id']}"
    await admin.post(f"{thread}/take-over")
    await admin_sql.execute(
        "UPDATE conversation SET last_inbound_at = now() - interval '25 hours' WHERE tenant_id = $1",
        desk.id,
    )
    refused = await admin.post(f"{thread}/messages", {"text": "It is on its way."}, status=409)
    assert refused["code"] == "window_closed"
    named = {template["name"]: template for template in refused["templates"]}
    assert set(named) == {"order_update", "spring_offer"}
    update = named["order_update"]
    assert [place["key"] for place in update["parameters"]] == ["body.1", "body.2"]

    body = {"template_id": update["id"], "parameters": {"body.1": "Ana\nK", "body.2": "4711"}}
    seen = await admin.post(f"{thread}/templates/preview", body)
    assert seen == {
        "text": "Hello Ana K, order 4711 is on its way.",
        "category": "UTILITY",
        "country": "DE",
        "price_usd": "0.055000000",
        "window_open": False,
    }
    offer = {"template_id": named["spring_offer"]["id"]}
    assert (await admin.post(f"{thread}/templates/preview", offer))["price_usd"] is None
    sent_before = len(phone.replies)
    for _ in range(2):
        sent = await admin.post(f"{thread}/templates", body, Idempotency_Key="k", status=201)
    await desk.work_until_idle()
    assert (sent["type"], sent["author"], sent["text"]) == ("template", "human_agent", seen["text"])
    (bubble,) = phone.thread.replies[sent_before:]
    components = bubble.body["template"]["components"]
    assert [p["text"] for p in components[0]["parameters"]] == ["Ana K", "4711"]
    (row,) = await desk.sql("SELECT state FROM outbound WHERE content->>'type' = 'template'")
    assert row["state"] == "sent"
    shown = await admin.get(thread)
    assert (shown["status"], shown["unanswered"], shown["window_seconds_left"]) == (
        "WITH_HUMAN",
        0,
        0,
    )

    wrong = body | {"parameters": {"body.1": " ", "body.3": "x"}}
    told = await admin.post(f"{thread}/templates", wrong, status=422)
    assert told["code"] == "template_parameters"
    assert "missing: body.1, body.2; unknown: body.3" in told["detail"]
    await desk.sql("UPDATE contact SET opted_out_at = now() RETURNING id")
    assert (await admin.post(f"{thread}/templates", offer, status=409))["code"] == "opted_out"
    # What was sent before they said so was sent: whoever lost the answer gets it again.
    again = await admin.post(f"{thread}/templates", body, Idempotency_Key="k", status=201)
    assert again["id"] == sent["id"]


async def test_what_meta_says_of_a_template_holds_at_once(desk: Desk) -> None:
    admin = await _with_templates(desk)
    listed = await admin.get("/templates", channel_id=str(desk.channel_id))
    assert {t["name"]: t["problem"] for t in listed} == {
        "old_one": "WhatsApp has it as paused.",
        "order_update": None,
        "spring_offer": None,
    }
    channel = desk.simulator.whatsapp.channel(desk.phone_number_id)
    news = {
        "event": "DISABLED",
        "message_template_id": 1,
        "message_template_name": "order_update",
        "message_template_language": "en-US",
        "reason": "NONE",
    }
    await desk.simulator.post_change(channel, "message_template_status_update", news)
    await desk.work_until_idle()
    names = [t["name"] for t in await admin.get("/templates", sendable=True)]
    assert names == ["spring_offer"]
    await desk.say("Hello there")
    thread = f"/conversations/{(await desk.conversation())['id']}"
    gone = next(t for t in listed if t["name"] == "order_update")
    told = await admin.post(f"{thread}/templates/preview", {"template_id": gone["id"]}, status=409)
    assert (told["code"], told["detail"]) == (
        "template_not_sendable",
        "WhatsApp has it as disabled.",
    )
    assert told["part"] == "status"
    # What Meta lists no more is gone with the next list.
    desk.simulator.register_channel(desk.phone_number_id, templates=(OFFER,))
    await admin.post("/templates/sync", status=204)
    await desk.work_until_idle()
    assert [t["name"] for t in await admin.get("/templates")] == ["spring_offer"]
