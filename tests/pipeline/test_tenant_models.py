"""A tenant sets its models and keys over HTTP, and the next turn goes by them."""

from tests.desk import Desk

from frontdesk.simulator import Simulator


def asked(simulator: Simulator, schema: str) -> list[tuple[str, str]]:
    """The model and the key of each call for a schema."""
    requests = simulator.model.requests
    return [(r.body["model"], r.authorization) for r in requests if r.schema_name == schema]


async def test_routing_and_own_keys_take_effect_on_the_next_turn(desk: Desk) -> None:
    admin = await desk.admin()
    answer = await admin.http.get("/api/v1/models/routing")
    assert (answer.headers["etag"], answer.json()["routes"]) == ('"0"', {})
    assert answer.json()["deployment"]["default"]["models"][0] == "groq/openai/gpt-oss-20b"
    routes = {"routes": {"triage": {"models": ["openai/gpt-4o-mini"]}}}
    await admin.put("/models/routing", routes, status=428)
    saved = await admin.put("/models/routing", routes, If_Match='"0"')
    assert saved["version"] == 1
    await admin.put("/models/routing", routes, status=412, If_Match='"0"')
    unknown = {"routes": {"triage": {"models": ["nobody/x"]}}}
    await admin.put("/models/routing", unknown, status=422, If_Match='"1"')

    await admin.put("/models/keys/openai", {"api_key": "sk-our-own"}, status=204)
    for wrong in ("", "with space", "caf\u00e9", "a\u0000", "x" * 501):
        refused = await admin.http.put("/api/v1/models/keys/openai", json={"api_key": wrong})
        assert refused.status_code == 422
    listed = await admin.get("/models/keys")
    assert [(key["provider"], set(key)) for key in listed["items"]] == [
        ("openai", {"provider", "set_by", "set_at"})
    ]
    assert len(await desk.say("How long does delivery take?")) == 1
    assert asked(desk.simulator, "triage") == [("gpt-4o-mini", "Bearer sk-our-own")]
    assert asked(desk.simulator, "reply") == [("openai/gpt-oss-20b", "Bearer test-key")]
    usage = await admin.get("/usage", kind="llm", group_by="feature")
    owned = {item["key"]: float(item["own_key_usd"]) > 0 for item in usage["items"]}
    assert owned == {"triage": True, "reply": False}

    assert (await admin.http.delete("/api/v1/models/keys/openai")).status_code == 204
    assert (await admin.http.delete("/api/v1/models/keys/openai")).status_code == 404
    await desk.say("And how much is it?")
    assert asked(desk.simulator, "triage")[-1] == ("gpt-4o-mini", "Bearer test-key")
    ana = await desk.ana()
    assert (await ana.http.get("/api/v1/models/keys")).status_code == 403
    log = await desk.sql("SELECT details::text FROM audit_entry WHERE action LIKE 'provider_key%'")
    assert len(log) == 2
    assert not any("sk-our-own" in row["details"] for row in log)
