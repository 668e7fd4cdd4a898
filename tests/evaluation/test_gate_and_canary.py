"""The walk of docs/evaluation.md: a bad prompt stopped by the gate and, forced through, rolled back."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

from tests.desk import Desk
from tests.evaluation.test_runs import PERSON, SHIPPING, golden, played

GOOD = "You answer for {{ company_name }}.\n<facts>\n{{ facts }}\n</facts>\n"
# It keeps the facts to itself, so that nothing can be answered.
BAD = "You answer for {{ company_name }}.{% if false %}{{ facts }}{% endif %} Say nothing.\n"
FORCED = "The campaign begins today and cannot wait."
LEAST_CONVERSATIONS = 20


async def day_of(desk: Desk) -> None:
    """Contacts ask what the shop's facts answer, until both arms have had enough of them."""
    for wave in range(10):
        for number in range(44 if wave == 0 else 5):
            desk.phone(f"4915{wave}600{number:02}").say("How long does delivery take?")
        await desk.work_until_idle()
        rows = await desk.sql(
            "SELECT count(*) AS n FROM turn GROUP BY exposures -> 0 ->> 'variant'"
        )
        if min(row["n"] for row in rows) >= LEAST_CONVERSATIONS:
            return


async def test_a_bad_prompt_is_stopped_by_the_gate_and_forced_through_rolled_back(
    desk: Desk, commands: Any, tmp_path: Path
) -> None:
    admin, _ = await golden(desk, SHIPPING, PERSON)
    path = "/prompts/reply"
    await admin.post(f"{path}/versions", {"content": GOOD})
    await admin.post(f"{path}/publish", {"version": "1.0.0"})
    await admin.put("/prompt-policy", {"requires_run": True})
    bad = (await admin.post(f"{path}/versions", {"content": BAD}))["version"]

    # What is in production passes; the bad one does not, in words and in CI's terms.
    assert (await played(desk))["deployment_approved"] is True
    run = await played(desk, candidate={"prompts": {"reply": bad}})
    assert run["deployment_approved"] is False
    assert "“accuracy” is worse than in production: 0 of 1 after 1 of 1" in run["gate"]
    tenant = f"--tenant {desk.id}"
    junit = tmp_path / "cases.xml"
    gate, compared, refused = await commands(
        f"eval gate {run['id']} {tenant} --junit {junit}",
        f"eval compare {run['id']} {run['id']} {tenant}",
        f"prompts publish reply {bad} {tenant}",
    )
    assert (gate["code"], compared["code"], refused["code"]) == (1, 0, 1), (gate, compared, refused)
    assert "does not clear the gate" in gate["stderr"]
    assert "has passed no evaluation run" in refused["stderr"]
    assert ET.parse(junit).getroot().get("failures") == "1"  # Our own.
    told = await admin.post(f"{path}/publish", {"version": bad}, status=409)
    assert told["code"] == "run_required"

    # Forced through as a canary, which is written down with its reason.
    start = {
        "name": "Fewer words",
        "variants": [{"name": "short", "version": bad, "share": 0.5}],
        "guards": ["handoff_rate", "thumbs_down_rate"],
    }
    await admin.post(f"{path}/experiments", start, status=409)
    canary = await admin.post(f"{path}/experiments", {**start, "override": FORCED})
    overridden = await desk.sql(
        "SELECT details ->> 'reason' AS reason FROM audit_entry "
        "WHERE action = 'prompt.gate_overridden'"
    )
    assert [row["reason"] for row in overridden] == [FORCED]

    # A simulated day: half of the contacts are handed over, and the guard takes the canary back.
    await day_of(desk)
    assert (await admin.get(f"{path}/experiments/{canary['id']}"))["state"] == "running"
    await desk.sql("UPDATE canary_watch SET due_at = now() RETURNING 1")
    await desk.work_until_idle()
    ended = await admin.get(f"{path}/experiments/{canary['id']}")
    step = ended["history"][-1]
    assert (ended["state"], step["by"]) == ("rolled_back", None)
    assert step["reason"].startswith("handoff_rate is 1 and 0 in production")
    assert step["evidence"]["handoff_rate canary"] == 1
    assert step["evidence"]["control conversations"] >= 20
    kinds = [kind for kind, _ in await desk.events()]
    assert "prompt.experiment_rolled_back" in kinds
    labels = (await admin.get(path))["labels"]
    assert [label["version"] for label in labels if label["label"] == "production"] == ["1.0.0"]
    # It is over: nobody looks again.
    seen = await admin.get(f"/canaries/{canary['id']}")
    assert (seen["looks"], seen["due_at"], seen["evidence"]["decision"]) == (1, None, "back")

    # What the day was like with the bad prompt everywhere, had it been asked before.
    traffic = await admin.post(
        f"/agents/{desk.agent_id}/eval-traffic",
        {"candidate": {"prompts": {"reply": bad}}, "sample": 10},
    )
    await desk.work_until_idle()
    preview = await admin.get(f"/eval-runs/{traffic['id']}")
    then = preview["summary"]["before"]
    assert (preview["state"], preview["done"]) == ("done", 10)
    assert then["escalation_rate_then"] == 1 > then["escalation_rate"]
    assert then["words"][0].endswith("and 100% would.")
    assert preview["deployment_approved"] is False


async def test_a_configuration_comes_into_force_once_exactly_it_has_passed(desk: Desk) -> None:
    admin, _ = await golden(desk, SHIPPING)
    path = f"/agents/{desk.agent_id}"
    agent = await admin.get(path)
    await admin.put(f"{path}/gate", {"requires_run": True})
    draft = agent["config"] | {"persona": "You are Ivy, who is brief."}
    etag = f'"{agent["version"]}"'
    told = await admin.put(f"{path}/config", draft, status=409, If_Match=etag)
    assert told["code"] == "run_required"
    run = await played(desk, candidate={"config": draft})
    assert run["deployment_approved"] is True
    saved = await admin.put(f"{path}/config", draft, If_Match=etag)
    assert saved["config"]["persona"] == draft["persona"]
    # Another one has not; a reason lets it in, and the way back is always open.
    other = draft | {"persona": "You are Zoe."}
    await admin.put(f"{path}/config", other, status=409, If_Match="*")
    await admin.put(f"{path}/config?override=The+owner+wants+it+today.", other, If_Match="*")
    await admin.post(f"{path}/rollback", {"version": 1})


async def test_other_reply_models_of_the_routing_table_need_a_passing_run_or_a_reason(
    desk: Desk,
) -> None:
    admin, _ = await golden(desk, SHIPPING)
    await admin.put(f"/agents/{desk.agent_id}/gate", {"requires_run": True})
    models = ["openai/gpt-4o"]

    async def route(**routes: list[str]) -> dict[str, Any]:
        return {"routes": {name: {"models": asked} for name, asked in routes.items()}}

    # What writes no replies is free.
    saved = await admin.put("/models/routing", await route(triage=models), If_Match='"0"')
    told = await admin.put(
        "/models/routing", await route(default=models), status=409, If_Match='"1"'
    )
    assert told["code"] == "run_required"
    assert "openai/gpt-4o" in told["detail"]
    assert (saved["version"], (await admin.get("/models/routing"))["version"]) == (1, 1)
    run = await played(desk, candidate={"models": models})
    assert run["deployment_approved"] is True
    await admin.put("/models/routing", await route(default=models), If_Match='"1"')
    # Another has passed none; a reason lets it in, and is kept with who gave it.
    other = await route(reply=["openai/gpt-4.1"])
    await admin.put("/models/routing", other, status=409, If_Match='"2"')
    place = "/models/routing?override=The+provider+switches+it+off."
    await admin.put(place, other, If_Match='"2"')
    (entry,) = await desk.sql(
        "SELECT user_id, details ->> 'reason' AS reason FROM audit_entry "
        "WHERE action = 'agent.gate_overridden'"
    )
    assert (entry["user_id"], entry["reason"]) == (admin.id, "The provider switches it off.")


async def test_a_run_that_was_cancelled_plays_no_other_case_and_clears_nothing(
    desk: Desk, commands: Any
) -> None:
    admin, _ = await golden(desk, SHIPPING, PERSON)
    run = (await played(desk))["id"]
    over = await admin.post(f"/eval-runs/{run}/cancel", status=409)
    assert over["code"] == "run_is_over"
    # As it is while a worker has it in hand, with a case left.
    in_hand = "UPDATE eval_run SET state = 'queued', done = 1, due_at = now() + interval '1 hour'"
    await desk.sql(f"{in_hand} RETURNING 1")
    cancelled = await admin.post(f"/eval-runs/{run}/cancel")
    assert (cancelled["state"], cancelled["deployment_approved"]) == ("cancelled", False)
    await desk.sql(f"{in_hand} RETURNING 1")
    tenant = f"--tenant {desk.id}"
    by_command, listed, gate = await commands(
        f"eval cancel {run} {tenant}", f"eval list {tenant}", f"eval gate {run} {tenant}"
    )
    assert (by_command["code"], listed["code"], gate["code"]) == (0, 0, 1)
    assert "1 of 2 were played" in by_command["stdout"]
    assert "cancelled" in listed["stdout"]
    assert "was cancelled" in gate["stderr"]
    await desk.work_until_idle()
    assert (await admin.get(f"/eval-runs/{run}"))["state"] == "cancelled"
    told = [payload["state"] for kind, payload in await desk.events() if kind == "evaluation.done"]
    assert told == ["done", "cancelled", "cancelled"]
