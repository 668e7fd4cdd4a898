"""Contacts as people: one person under two ids, a tenant's own fields, and who wants to hear less."""

from tests.desk import Desk

from frontdesk.conversation import is_opted_out

PHONE, HIDDEN = "4915550001", "4915550002"


async def test_two_contacts_of_one_person_are_seen_as_one_until_they_are_separated(
    desk: Desk,
) -> None:
    await desk.say("How long does delivery take?", number=PHONE, name="Zoë Quick")
    await desk.say("Can I return a lamp?", number=HIDDEN, name="zoe.q")
    first, second = await desk.conversation(PHONE), await desk.conversation(HIDDEN)
    kept, merged = first["contact"]["id"], second["contact"]["id"]
    ana = await desk.ana()
    before = [await ana.get(f"/contacts/{each}") for each in (kept, merged)]

    card = await ana.post(f"/contacts/{kept}/merge", {"contact_id": merged})
    assert card == await ana.get(f"/contacts/{merged}"), "whichever of them is asked for"
    assert (card["id"], [each["id"] for each in card["merged"]]) == (kept, [merged])
    assert {each["id"] for each in card["conversations"]} == {first["id"], second["id"]}
    assert {PHONE, HIDDEN} <= {each["value"] for each in card["aliases"]}
    found = (await ana.get("/search", q="zoe.q"))["items"]
    assert [hit["contact"]["id"] for hit in found if hit["kind"] == "contact"] == [kept]
    for number in (PHONE, HIDDEN):
        listed = (await ana.get("/conversations", contact=number))["items"]
        assert {each["id"] for each in listed} == {first["id"], second["id"]}
    # Each writes on in the thread of their own id.
    await desk.say("Thanks", number=HIDDEN)
    assert (await desk.conversation(HIDDEN))["last_activity_at"] > second["last_activity_at"]
    for one, other in ((kept, kept), (kept, merged), (merged, kept)):
        refused = await ana.post(f"/contacts/{one}/merge", {"contact_id": other}, status=409)
        assert refused["code"] == "cannot_merge"
    # What is known of a person is known of all that they are.
    await ana.put(f"/contacts/{merged}/opt-out", {"opted_out": True})
    async with desk.resources.db.hot(desk.id) as tx:
        assert await is_opted_out(tx, kept)
    opted_out = (await ana.get("/opt-outs"))["items"]
    assert {each["id"] for each in opted_out} == {kept, merged}
    await ana.put(f"/contacts/{kept}/opt-out", {"opted_out": False})
    erasure = await (await desk.admin()).post("/exports", {"contact_id": kept})
    await desk.work_until_idle()
    made = await (await desk.admin()).get(f"/exports/{erasure['id']}")
    assert made["state"] == "done", made

    # Nor is anybody asked how it was while they write under another of their ids.
    await desk.configure(survey_enabled=True)
    await ana.post(f"/conversations/{first['id']}/close", {})
    await desk.work_until_idle()
    survey = await ana.get(f"/conversations/{first['id']}/survey")
    assert survey["skipped_reason"] == "goes_on"

    apart = await ana.http.delete(f"/api/v1/contacts/{merged}/merge")
    assert apart.json()["id"] == merged
    after = [await ana.get(f"/contacts/{each}") for each in (kept, merged)]
    for was, now in zip(before, after, strict=True):
        said = {"conversations"}
        assert {k: v for k, v in was.items() if k not in said} == {
            k: v for k, v in now.items() if k not in said
        }
        assert [each["id"] for each in was["conversations"]] == [
            each["id"] for each in now["conversations"]
        ]
    audited = await desk.sql("SELECT action FROM audit_entry WHERE subject = 'contact' ORDER BY id")
    assert [row["action"] for row in audited][:1] == ["contact.merged"]
    assert "contact.separated" in [row["action"] for row in audited]


async def test_a_tenants_own_fields_hold_what_fits_them_and_go_into_saved_replies(
    desk: Desk,
) -> None:
    await desk.say("Hello", name="Zoë Quick")
    conversation = await desk.conversation()
    admin, ana = await desk.admin(), await desk.ana()
    tier = {"type": "choice", "choices": ["gold", "silver"]}
    await admin.put("/contact-fields/tier", tier)
    await admin.put("/contact-fields/orders", {"type": "number"})
    await admin.put("/contact-fields/since", {"type": "date"})
    assert (await admin.put("/contact-fields/tier", {"type": "text"}, status=409))["code"] == (
        "field_in_use"
    )
    await ana.put("/contact-fields/mine", {"type": "text"}, status=403)
    path = f"/contacts/{conversation['contact']['id']}/fields"
    values = {"tier": "gold", "orders": 3, "since": "2024-05-01"}
    assert (await ana.put(path, {"fields": values}))["fields"] == values
    for name, value in (("tier", "lead"), ("orders", "3"), ("since", "May"), ("nope", "x")):
        await ana.put(path, {"fields": {name: value}}, status=422)
    reply = {"shortcut": "thanks", "text": "For our {{field.tier}} and {{field.shoe}} people."}
    saved = await ana.post("/saved-replies", reply)
    filled = await ana.get(f"/conversations/{conversation['id']}/saved-replies/{saved['id']}")
    assert filled == {
        "text": "For our gold and {{field.shoe}} people.",
        "unknown": ["field.shoe"],
    }
    kept = await ana.put(path, {"fields": {"orders": None}})
    assert kept["fields"] == {"tier": "gold", "since": "2024-05-01"}
    await admin.http.delete("/api/v1/contact-fields/tier")
    card = await ana.get(f"/contacts/{conversation['contact']['id']}")
    assert card["fields"] == {"since": "2024-05-01"}
