"""Experiments and canaries: who gets what, what is written down of it, and how each ends."""

import json
from collections import Counter
from typing import Any
from uuid import UUID, uuid5

import pytest
from tests.desk import Desk, Person

from frontdesk.prompts.rules import ExperimentState, may_move, variant_of

TEXT = "You answer for {{ company_name }}.\n<facts>\n{{ facts }}\n</facts>\n"
EXPERIMENT = UUID(int=7)
CONVERSATIONS = [uuid5(EXPERIMENT, str(number)) for number in range(2_000)]
START = {
    "name": "Kinder answers",
    "variants": [{"name": "kind", "version": "1.0.0", "share": 1}],
    "guards": ["thumbs_down_rate", "refusal_rate"],
}


def given(shares: list[tuple[str, float]], experiment_id: UUID = EXPERIMENT) -> list[str | None]:
    return [
        variant_of(shares, experiment_id=experiment_id, prompt="reply", unit_id=each)
        for each in CONVERSATIONS
    ]


def test_variants_get_their_share_of_the_conversations_and_always_the_same_ones() -> None:
    shares = [("a", 0.25), ("b", 0.05)]
    counted = Counter(given(shares))
    assert counted["a"] == pytest.approx(500, rel=0.15)
    assert counted["b"] == pytest.approx(100, rel=0.3)
    assert given(shares) == given(shares)
    assert given([("all", 1)]) == ["all"] * len(CONVERSATIONS)


def test_a_growing_share_keeps_whom_it_has_and_the_next_experiment_takes_others() -> None:
    few, many = given([("a", 0.05)]), given([("a", 0.2)])
    assert all(later == "a" for early, later in zip(few, many, strict=True) if early == "a")
    elsewhere = given([("a", 0.05)], UUID(int=8))
    both = sum(x == y == "a" for x, y in zip(few, elsewhere, strict=True))
    assert both < few.count("a") / 2


def test_what_has_ended_stays_as_it_ended() -> None:
    running, held, forward, back = ExperimentState
    allowed = {(a, b) for a in ExperimentState for b in ExperimentState if may_move(a, b)}
    assert allowed == {
        (running, held),
        (running, forward),
        (running, back),
        (held, running),
        (held, forward),
        (held, back),
    }


async def write(admin: Person, *contents: str) -> None:
    for content in contents:
        await admin.post("/prompts/reply/versions", {"content": content, "bump": "patch"})


async def used(desk: Desk) -> list[Any]:
    """Version and variant of each reply call so far."""
    return [
        (row["prompt_version"], row["variant"])
        for row in await desk.sql(
            "SELECT prompt_version, variant FROM llm_call WHERE feature = 'reply' "
            "ORDER BY created_at"
        )
    ]


async def test_a_canary_goes_from_the_next_turn_on_and_forward_into_production(desk: Desk) -> None:
    admin = await desk.admin()
    await write(admin, TEXT, TEXT + "Be kind.")
    await admin.post("/prompts/reply/publish", {"version": "1.0.0"})
    body = {**START, "variants": [{"name": "kind", "version": "1.0.1", "share": 1}]}
    canary = await admin.post("/prompts/reply/experiments", body, status=201)
    move = f"/prompts/reply/experiments/{canary['id']}/move"
    await desk.say("How long does delivery take?")
    await desk.say("Can I return a lamp?")
    await admin.post(move, {"to": "held", "reason": "A complaint."})
    await desk.say("Are you open on Monday?")
    assert await used(desk) == [("1.0.1", "kind"), ("1.0.1", "kind"), ("1.0.0", None)]
    # A share so small that this conversation is not among it.
    await admin.post(move, {"to": "running", "share": 0.000001})
    await desk.say("How long does delivery take?")
    assert (await used(desk))[-1] == ("1.0.0", "control")

    turns = await desk.sql("SELECT id, exposures FROM turn ORDER BY to_seq")
    assert [json.loads(turn["exposures"] or "null") for turn in turns] == [
        [{"prompt": "reply", "version": v, "experiment_id": canary["id"], "variant": w}]
        if w
        else None
        for v, w in await used(desk)
    ]
    assert (await admin.get(f"/turns/{turns[0]['id']}"))["exposures"][0]["variant"] == "kind"
    found = await admin.get(f"/prompts/reply/experiments/{canary['id']}")
    assert [(e["variant"], e["calls"], e["conversations"]) for e in found["exposures"]] == [
        ("control", 1, 1),
        ("kind", 2, 1),
    ]

    await admin.post(move, {"to": "rolled_forward", "evidence": {"thumbs_down_rate": 0.01}})
    await desk.say("Can I return a lamp?")
    assert (await used(desk))[-1] == ("1.0.1", None)
    prompt = await admin.get("/prompts/reply")
    assert (prompt["labels"][0]["version"], prompt["experiment_id"]) == ("1.0.1", None)
    (ended,) = (await admin.get("/prompts/reply/experiments"))["items"]
    assert (ended["state"], ended["winner"]) == ("rolled_forward", "kind")
    assert [step["to"] for step in ended["history"]] == [
        "running",
        "held",
        "running",
        "rolled_forward",
    ]
    assert ended["history"][-1]["evidence"] == {"thumbs_down_rate": 0.01}
    assert ended["history"][-1]["by"] == str(admin.id)
    assert (await admin.post(move, {"to": "held"}, status=409))["code"] == "experiment_step"


async def test_while_one_is_open_production_stands_still_and_a_rollback_ends_it(desk: Desk) -> None:
    admin = await desk.admin()
    await write(admin, TEXT, TEXT + "Be kind.")
    await admin.post("/prompts/reply/experiments", START, status=201)
    for path, body in (
        ("/prompts/reply/experiments", START),
        ("/prompts/reply/publish", {"version": "1.0.1"}),
    ):
        assert (await admin.post(path, body, status=409))["code"] == "experiment_running"
    await admin.post("/prompts/reply/publish", {"version": "1.0.1", "label": "staging"})
    await desk.say("How long does delivery take?")
    rolled_back = await admin.post("/prompts/reply/rollback", {})
    await desk.say("How long does delivery take?")
    assert await used(desk) == [("1.0.0", "kind"), ("0.0.0", None)]
    assert rolled_back["experiment_id"] is None
    (ended,) = (await admin.get("/prompts/reply/experiments"))["items"]
    assert ended["state"] == "rolled_back"
    await admin.post("/prompts/reply/publish", {"version": "1.0.1"})
    audited = await desk.sql("SELECT action FROM audit_entry WHERE action LIKE 'prompt.exp%'")
    assert {row["action"] for row in audited} == {
        "prompt.experiment_running",
        "prompt.experiment_rolled_back",
    }


async def test_what_can_not_be_tried_is_refused(desk: Desk) -> None:
    admin = await desk.admin()
    await write(admin, TEXT, TEXT + "Be kind.")
    kind = START["variants"][0]
    for variants in (
        [],
        [kind, kind],
        [{**kind, "name": "control"}],
        [{**kind, "share": 0}],
        [kind, {**kind, "name": "other", "share": 0.1}],
    ):
        body = {**START, "variants": variants}
        await admin.post("/prompts/reply/experiments", body, status=422)
    missing = {**START, "variants": [{**kind, "version": "9.9.9"}]}
    await admin.post("/prompts/reply/experiments", missing, status=404)
    await admin.post("/prompts/poem/experiments", START, status=404)
    await admin.put("/prompt-policy", {"requires_approval": True})
    refused = await admin.post("/prompts/reply/experiments", START, status=409)
    assert refused["code"] == "approval_required"
    await admin.put("/prompt-policy", {"requires_approval": False})
    two = [{**kind, "share": 0.5}, {"name": "other", "version": "1.0.1", "share": 0.5}]
    body = {**START, "unit": "tenant", "variants": two}
    experiment = await admin.post("/prompts/reply/experiments", body, status=201)
    move = f"/prompts/reply/experiments/{experiment['id']}/move"
    for wrong in (
        {"to": "rolled_forward"},
        {"to": "rolled_forward", "winner": "nobody"},
        {"to": "running", "share": 0.1},
        {"to": "held", "share": 0.1},
    ):
        await admin.post(move, wrong, status=422)
    await admin.post(f"/prompts/reply/experiments/{UUID(int=1)}/move", {"to": "held"}, status=404)
    # By tenant: every conversation gets the same.
    for number in ("4915550001", "4915550002", "4915550003"):
        await desk.say("How long does delivery take?", number=number)
    assert len(set(await used(desk))) == 1
    ana = await desk.ana()
    await ana.post(move, {"to": "rolled_back"}, status=403)
    assert (await admin.post(move, {"to": "rolled_back"}))["state"] == "rolled_back"
