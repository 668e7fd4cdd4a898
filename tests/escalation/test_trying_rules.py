"""Rules tried out before they are saved: on a message, a conversation, and the last conversations."""

from tests.desk import Desk

_REFUND = {"sign": "mentions", "words": {"en": ["refund"]}}
_BIG_REFUND = {"when": [_REFUND, {"sign": "amount_over", "amount": 50}], "team": "Billing"}


async def test_a_pasted_message_shows_which_rule_fires_which_came_close_and_what_is_not_known(
    desk: Desk,
) -> None:
    admin = await desk.admin()
    agent = await admin.get(f"/agents/{desk.agent_id}")
    config = agent["config"] | {
        "escalation_rules": [_BIG_REFUND, {"when": [_REFUND, {"sign": "mood", "at_most": 0}]}]
    }
    path = f"/agents/{desk.agent_id}/rules/test"
    fires = await admin.post(path, {"text": "Refund my 80 EUR", "config": config})
    (look,) = fires["looks"]
    assert look["fired"]["place"] == 1
    assert [c["seen"] for c in look["fired"]["conditions"]] == ["“refund”", "80 EUR"]
    assert "The mood" not in look["fired"]["rule"]
    close = await admin.post(
        path, {"text": "Refund my 45 EUR", "config": config, "mood": 0.2, "confidence": 0.45}
    )
    (look,) = close["looks"]
    assert look["fired"] is None
    assert [rule["place"] for rule in look["came_close"]] == [1, 2, 9]
    (look,) = (await admin.post(path, {"text": "I want a refund", "config": config}))["looks"]
    assert 2 in [rule["place"] for rule in look["not_known"]], "nobody knows the mood"
    # Without a configuration, the one in force; and only one of the two may be given.
    assert (await admin.post(path, {"text": "A real person, please"}))["looks"][0]["fired"] == {
        "place": 1,
        "is_built_in": True,
        "rule": "When the contact asks for a person → person.",
        "reason": "requested",
        "conditions": [{"condition": "the contact asks for a person", "holds": True, "seen": ""}],
    }
    await admin.post(path, {}, status=422)
    await (await desk.ana()).post(path, {"text": "x"}, status=403)


async def test_a_backtest_tells_what_rules_would_have_handed_over_before_they_are_saved(
    desk: Desk,
) -> None:
    admin, ana = await desk.admin(), await desk.ana()
    await ana.put("/me/availability", {"presence": "online", "max_conversations": 4})
    await desk.say("How long does delivery take?", number="49155540001")
    await desk.say(
        "Can I return anything within 30 days for a full refund of 80 EUR?", number="49155540002"
    )
    await desk.say(
        "Can I return anything within 30 days for a full refund of 20 EUR?", number="49155540003"
    )
    await desk.say("I want to talk to a person", number="49155540004")
    asked = (await desk.conversation("49155540004"))["id"]
    await ana.post(f"/conversations/{asked}/close", {"reason": "done"})
    await desk.sql(
        "UPDATE handoff SET assigned_at = ended_at - interval '720 minutes' RETURNING id"
    )
    agent = await admin.get(f"/agents/{desk.agent_id}")
    body = {"config": agent["config"] | {"escalation_rules": [_BIG_REFUND]}, "conversations": 100}
    started = await admin.post(f"/agents/{desk.agent_id}/rule-backtests", body, status=202)
    await desk.work_until_idle()
    done = await admin.get(f"/rule-backtests/{started['id']}")
    assert done["state"] == "done"
    result = done["result"]
    assert (result["conversations"], result["handed_over"], result["handed_over_then"]) == (4, 1, 2)
    assert (result["extra"], result["fewer"], result["extra_a_day"]) == (1, 0, 1.0)
    assert result["load"] == {
        "handling_minutes": 720.0,
        "at_once": 0.5,
        "at_once_then": 1.0,
        "capacity": 4,
    }
    (example,) = result["extra_examples"]
    big = (await desk.conversation("49155540002"))["id"]
    assert example["conversation_id"] == big
    assert "80 EUR" in example["text"]
    assert example["rule"].endswith("→ person, team Billing.")
    assert agent["version"] == (await admin.get(f"/agents/{desk.agent_id}"))["version"]

    # The same conversation, looked at closely.
    path = f"/conversations/{big}/rules/test"
    assert (await admin.post(path))["looks"][0]["fired"] is None
    (look,) = (await admin.post(path, {"config": body["config"]}))["looks"]
    assert look["fired"]["place"] == 1
    assert look["turn_id"] == example["turn_id"]
