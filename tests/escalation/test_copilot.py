"""The copilot: what models write for people, what it rests on and costs, and what becomes of it."""

from typing import Any

import pytest
from tests.desk import Desk, Person

from frontdesk.escalation.edits import compare, edit_distance
from frontdesk.simulator import ModelFault, ModelFaultKind

PATH = "/conversations/{id}/suggestions"


async def _ask(desk: Desk, who: Person, task: str, **wish: Any) -> Any:
    """What came of a wish about the newest conversation."""
    path = PATH.format(id=(await desk.conversation())["id"])
    asked = await who.post(path, {"task": task, **wish}, status=202)
    assert asked["state"] == "queued"
    await desk.work_until_idle()
    return await who.get(f"/suggestions/{asked['id']}")


async def _taken_over(desk: Desk) -> Any:
    """A conversation that ana has, in which the contact asks something and waits."""
    await desk.say("I want to talk to a person.")
    conversation, ana = await desk.conversation(), await desk.ana()
    await ana.post(f"/conversations/{conversation['id']}/take-over")
    await ana.post(f"/conversations/{conversation['id']}/messages", {"text": "Hello, I am Ana."})
    await desk.say("How long does delivery take?")
    return conversation


async def test_people_have_models_draft_rewrite_translate_sum_up_and_explain(desk: Desk) -> None:
    await _taken_over(desk)
    ana, ben, admin = await desk.ana(), await desk.ben(), await desk.admin()
    sent_before = len(desk.phone().replies)
    wish = "Be brief, and mention max@example.com."
    draft = await _ask(desk, ana, "draft", instructions=wish)
    assert "Delivery takes 3 to 5 working days." in draft["text"]
    (source,) = draft["sources"]
    assert (source["kind"], source["title"]) == ("knowledge", "Shipping")
    assert (draft["prompt_name"], draft["prompt_version"]) == ("reply", "0.0.0")
    assert float(draft["cost_usd"]) > 0
    assert draft["confidence"] > 0.5
    request = desk.simulator.model.asked("reply")[-1]
    # Masked, which nothing is that stands in a system message.
    wishes = [m["role"] for m in request.messages if "mention [EMAIL_1].\n" in m["content"]]
    assert wishes == ["user"]
    assert "max@example.com" not in str(request.messages)
    text = "we send teh lamp tomorow. It is the green one. You need not do anything."
    fixed = await _ask(desk, ana, "rewrite", text=text, style="fix")
    assert fixed["text"].startswith("We send the lamp tomorrow. It")
    short = await _ask(desk, ana, "rewrite", text=text, style="shorter")
    assert 0 < len(short["text"]) < len(text) / 2
    german = await _ask(desk, ana, "translate", text="Your parcel arrives tomorrow.", language="de")
    assert (german["text"], german["language"]) == ("Dein Paket kommt morgen.", "de")
    theirs = await _ask(desk, ana, "translate", text="Tu pedido llega mañana, gracias.")
    assert theirs["language"] == "en"  # The contact's.
    summary = await _ask(desk, ana, "summarise")
    assert "How long does delivery take?" in summary["text"]
    explained = await _ask(desk, ana, "explain", question="What about returns for a refund?")
    assert "30 days" in explained["text"]
    kinds = {source["kind"] for source in explained["sources"]}
    assert kinds == {"knowledge", "message"}
    assert len(desk.phone().replies) == sent_before  # Nothing is ever sent by it.
    # Each call is counted as what it was for, on the conversation and on who asked.
    calls = await desk.sql("SELECT feature, user_id FROM llm_call WHERE feature LIKE 'copilot_%'")
    assert {call["user_id"] for call in calls} == {ana.id}
    features = ["draft", "explain", "rewrite", "summary", "translate"]
    assert sorted({call["feature"] for call in calls}) == [f"copilot_{name}" for name in features]
    # Only who asked is told, and can read it.
    for who, seen in ((ana, 7), (ben, 0), (admin, 0)):
        events = (await who.get("/feed/events", after="0", limit=500))["items"]
        assert sum(event["kind"] == "suggestion.finished" for event in events) == seen
        listed = await who.get(PATH.format(id=draft["conversation_id"]))
        assert len(listed["items"]) == seen
    assert (await ben.http.get(f"/api/v1/suggestions/{draft['id']}")).status_code == 404


async def test_a_wish_is_taken_once_and_fails_in_words(desk: Desk) -> None:
    await desk.say("How long does delivery take?")
    ana = await desk.ana()
    path = PATH.format(id=(await desk.conversation())["id"])
    fault = ModelFault(ModelFaultKind.STATUS, http_status=401)
    desk.simulator.model.faults.share(fault, 1.0)
    wish = {"task": "summarise"}
    first = await ana.post(path, wish, Idempotency_Key="once")
    assert (await ana.post(path, wish, Idempotency_Key="once"))["id"] == first["id"]
    refused = await ana.post(path, {"task": "draft"}, status=409, Idempotency_Key="once")
    assert refused["code"] == "idempotency_key_reused"
    await ana.post(path, {"task": "rewrite", "text": "x", "style": "tone"}, status=422)
    await desk.work_until_idle()
    failed = await ana.get(f"/suggestions/{first['id']}")
    assert (failed["state"], failed["error_code"]) == ("failed", "models_unavailable")
    assert failed["error"]
    assert failed["text"] is None
    desk.simulator.model.faults.clear()
    spent = {"scope": "feature", "feature": "copilot_summary", "period": "day"}
    await (await desk.admin()).post("/budgets", {**spent, "hard_usd": "0.000001"})
    broke = await _ask(desk, ana, "summarise")
    assert (broke["state"], broke["error_code"]) == ("failed", "budget_reached")
    assert "budget" in broke["error"].lower()


async def test_what_people_make_of_drafts_is_recorded_by_prompt_version(desk: Desk) -> None:
    conversation = await _taken_over(desk)
    ana, admin = await desk.ana(), await desk.admin()
    at = f"/conversations/{conversation['id']}"
    handoff = await ana.get(f"{at}/handoff")
    kept, edited, unused = [await _ask(desk, ana, "draft") for _ in range(3)]
    await ana.post(f"{at}/messages", {"text": kept["text"], "draft_id": kept["id"]})
    changed = edited["text"].replace("3 to 5", "4 to 6")
    await ana.post(f"{at}/messages", {"text": changed, "draft_id": edited["id"]})
    other = {"text": "Hello, this is Ana.", "draft_id": handoff["id"]}
    await ana.post(f"{at}/messages", other)
    await ana.post(f"/suggestions/{unused['id']}/discard")
    await ana.post(f"/suggestions/{unused['id']}/discard")
    summary = await _ask(desk, ana, "summarise")
    unknown = {"text": "Hi", "draft_id": summary["id"]}
    assert (await ana.post(f"{at}/messages", unknown, status=404))["code"] == "no_such_draft"
    listed = (await admin.get("/draft-outcomes"))["items"]
    fates = {outcome["draft_id"]: outcome["fate"] for outcome in listed}
    assert fates[kept["id"]] == "kept"
    assert fates[edited["id"]] == "edited"
    assert fates[unused["id"]] == "discarded"
    (found,) = [outcome for outcome in listed if outcome["draft_id"] == edited["id"]]
    assert (found["draft"], found["sent"]) == (edited["text"], changed)
    assert found["edit_ratio"] == pytest.approx(2 / len(changed), abs=1e-3)
    assert found["call_id"] == edited["call_ids"][-1]
    (packet,) = (await admin.get("/draft-outcomes", source="packet"))["items"]
    assert packet["draft"] == handoff["packet"]["draft_reply"]
    assert packet["prompt_name"] == "handoff"
    figures = await admin.get("/draft-outcomes/figures")
    (of_reply,) = [each for each in figures if each["prompt_name"] == "reply"]
    assert (of_reply["prompt_version"], of_reply["drafts"]) == ("0.0.0", 3)
    assert (of_reply["kept"], of_reply["edited"], of_reply["discarded"]) == (1, 1, 1)
    assert of_reply["edit_rate"] == pytest.approx(2 / 3)
    assert (await ana.http.get("/api/v1/draft-outcomes")).status_code == 403
    # With the contact the words go, and the figures stay.
    await admin.post("/erasures", {"contact_id": conversation["contact"]["id"]}, status=202)
    await desk.work_until_idle()
    rows = await desk.sql("SELECT draft, sent FROM draft_outcome")
    assert {(row["draft"], row["sent"]) for row in rows} == {("", None)}
    assert {row["text"] for row in await desk.sql("SELECT text FROM suggestion")} == {None}
    assert await admin.get("/draft-outcomes/figures") == figures


@pytest.mark.parametrize(
    ("draft", "sent", "fate", "ratio"),
    [
        ("It ships on Monday.", "It  ships on Monday. ", "kept", 0),
        ("It ships on Monday.", "It ships on Sunday.", "edited", 2 / 19),
        ("kitten", "sitting", "edited", 3 / 7),
        ("It ships on Monday.", "???!", "discarded", 1),
        ("", "Hello", "discarded", 1),
    ],
)
def test_how_far_a_text_is_from_its_draft(draft: str, sent: str, fate: str, ratio: float) -> None:
    found = compare(draft, sent)
    assert found.fate == fate
    assert found.edit_ratio == pytest.approx(ratio, abs=1e-3)
    assert edit_distance(draft, sent) == edit_distance(sent, draft)
