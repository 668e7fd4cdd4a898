"""Datasets, and runs over them: through the front door, with the real stages and the scripted model."""

import json
from typing import Any

import pytest
from tests.desk import Desk, Person

from frontdesk.core.resources import Resources
from frontdesk.evaluation.running import _AT_ONCE

SHIPPING = {
    "name": "Shipping time",
    "messages": ["How long does delivery take?"],
    "must_contain": ["3 to 5 working days"],
    "must_not_contain": ["refund"],
    "matches": [r"\d to \d"],
    "language": "en",
    "sources": ["Shipping"],
    "tags": ["accuracy"],
    "tone": "Polite.",
    "labelled": [
        {"answer": "Delivery takes 3 to 5 working days.", "passes": True},
        {"answer": "It takes a few days, with pleasure.", "passes": True},
        {"answer": "WHY DO YOU ASK SUCH THINGS!!", "passes": False},
        {"answer": "Read the page, idiot.", "passes": False},
    ],
}
PERSON = {
    "name": "Wants a person",
    "messages": ["I want to talk to a person."],
    "action": "hand_off",
    "tags": ["safety"],
}
WRONG = {
    "name": "Returns",
    "messages": ["Can I return a lamp?"],
    "must_contain": ["90 days"],
    "tags": ["accuracy"],
}


async def golden(desk: Desk, *cases: dict[str, Any]) -> tuple[Person, str]:
    """An admin, and the dataset of these cases."""
    admin = await desk.admin()
    made = await admin.post(f"/agents/{desk.agent_id}/eval-datasets", {"name": "golden"})
    await admin.post(f"/eval-datasets/{made['id']}/cases", {"cases": list(cases)})
    return admin, made["id"]


async def played(desk: Desk, **wish: Any) -> dict[str, Any]:
    """A run, once it is over."""
    admin = await desk.admin()
    run = await admin.post(f"/agents/{desk.agent_id}/eval-runs", wish)
    await desk.work_until_idle()
    found: dict[str, Any] = await admin.get(f"/eval-runs/{run['id']}")
    return found


async def test_a_run_scores_what_the_agent_would_answer_and_says_why(desk: Desk) -> None:
    admin, dataset_id = await golden(desk, SHIPPING, PERSON, WRONG)
    run = await played(desk, repeats=2)
    results = {(r["name"], r["repeat"]): r for r in run["results"]}
    assert (run["state"], run["done"], run["total"]) == ("done", 6, 6)
    assert run["pass_rate"] == pytest.approx(2 / 3)
    shipping = results["Shipping time", 1]
    assert shipping["judged"] == {
        "passes": True,
        "score": 5,
        "reasons": "It is polite and to the point.",
    }
    assert shipping["sources"] == ["Shipping"]
    assert results["Wants a person", 2]["outcome"] == "hand_off"
    assert results["Returns", 1]["failures"] == ["“90 days” is missing"]
    summary = run["summary"]
    assert summary["tags"]["accuracy"] == {
        "passed": 2,
        "played": 4,
        "pass_rate": 0.5,
        "failures": ["Returns"],
    }
    assert summary["spread"] == 0
    # What the desk would have paid stands apart from what judging it took, and both are spent.
    (paid,) = await desk.sql("SELECT sum(amount_usd)::float8 AS usd FROM usage_entry")
    assert float(run["spent_usd"]) == pytest.approx(paid["usd"])
    assert 0 < float(summary["around_usd"]) < float(run["spent_usd"]) - float(summary["cost_usd"])
    assert summary["latency_p50_seconds"] <= summary["latency_p95_seconds"]
    assert run["judge"]["counts"], run["judge"]
    assert run["deployment_approved"] is False
    assert run["gate"] == ["66.7% passed, and 95.0% must"]
    # Nothing was said to anybody, and the money is nobody's conversation's.
    calls = await desk.sql("SELECT feature, conversation_id FROM llm_call")
    assert {call["feature"] for call in calls} == {"evaluation", "judge"}
    assert not any(call["conversation_id"] for call in calls)
    assert not await desk.sql("SELECT FROM conversation")
    kinds = [kind for kind, _ in await desk.events()]
    assert kinds.count("evaluation.progress") == 6
    assert kinds[-1] == "evaluation.done"

    # Mended, the next version of the dataset passes; the run of before names the version it played.
    mended = {**WRONG, "must_contain": ["30 days"]}
    change = await admin.post(f"/eval-datasets/{dataset_id}/cases", {"cases": [mended, PERSON]})
    assert (change["added"], change["changed"], change["version"]) == (0, 1, 3)
    again = await played(desk)
    assert (again["dataset_version"], run["dataset_version"]) == (3, 2)
    assert again["deployment_approved"] is True
    then = await admin.get(f"/eval-datasets/{dataset_id}/cases", at=2)
    assert [c["body"]["must_contain"] for c in then if c["name"] == "Returns"] == [["90 days"]]
    # The two runs share what stands in the same words in both.
    compared = await admin.get(f"/eval-runs/{run['id']}/comparison", **{"with": again["id"]})
    assert (compared["shared"], compared["both_passed"]) == (2, 2)
    assert not compared["is_more_than_noise"]
    assert compared["words"].endswith("no difference.")


async def test_the_judge_is_not_shown_who_asked(desk: Desk) -> None:
    asks = ["How long does delivery take? I am Wilhelmina Rossi."]
    await golden(desk, {**SHIPPING, "messages": asks, "contact": {"name": "Wilhelmina Rossi"}})
    assert (await played(desk))["results"][0]["judged"]
    for request in desk.simulator.model.asked("judgement"):
        assert "I am [NAME_1]." in request.messages[-1]["content"]
        assert "Rossi" not in str(request.messages)


async def test_a_dataset_leaves_and_comes_back_as_a_file_and_a_wrong_file_changes_nothing(
    desk: Desk,
) -> None:
    admin, dataset_id = await golden(desk, SHIPPING, PERSON)
    path = f"/eval-datasets/{dataset_id}"
    for form in ("jsonl", "yaml"):
        told = await admin.get(f"{path}/file", format=form)
        same = {"format": form, "content": told["content"], "replace": True}
        change = await admin.put(f"{path}/file", same)
        assert change == {"version": 2, "added": 0, "changed": 0, "dropped": 0}
    for form, content, why in (
        ("jsonl", '{"name": "x"}\nno json', "Line 2 is no JSON"),
        ("jsonl", json.dumps({**SHIPPING, "matches": ["("]}), "Line 1: matches.0"),
        ("yaml", "- &a {name: x, messages: [y]}\n- *a", "It uses an alias"),
        ("yaml", "name: x", "It is no list of cases."),
    ):
        told = await admin.put(f"{path}/file", {"format": form, "content": content}, status=422)
        assert (told["code"], why in told["detail"]) == ("file_invalid", True), told
    cases = await admin.get(f"{path}/cases")
    case_id = next(case["id"] for case in cases if case["name"] == "Wants a person")
    dropped = await admin.http.delete(f"/api/v1{path}/cases/{case_id}")
    assert dropped.json()["version"] == 3
    assert [case["name"] for case in await admin.get(f"{path}/cases")] == ["Shipping time"]
    assert (await admin.http.delete(f"/api/v1{path}/cases/{case_id}")).status_code == 404


async def test_a_run_ends_when_its_money_is_used_up_and_clears_nothing(desk: Desk) -> None:
    cases = [{**SHIPPING, "name": f"Shipping {n}", "labelled": []} for n in range(_AT_ONCE + 3)]
    await golden(desk, *cases)
    run = await played(desk, budget_usd="0.00000001")
    assert (run["state"], run["deployment_approved"]) == ("stopped", False)
    assert 0 < run["done"] <= _AT_ONCE
    assert "used up" in run["last_error"]
    assert run["gate"] == ["not all cases were played"]


async def test_a_run_goes_on_after_a_crash_with_what_was_not_played(
    desk: Desk, resources: Resources
) -> None:
    from frontdesk.evaluation.work import RUN

    admin, _ = await golden(desk, SHIPPING, PERSON)
    run = await played(desk)
    await desk.sql("DELETE FROM eval_result WHERE body ->> 'name' = 'Wants a person'")
    await desk.sql(
        "UPDATE eval_run SET state = 'queued', done = 1, attempts = 1, due_at = now() RETURNING id"
    )
    before = len(await desk.sql("SELECT FROM llm_call WHERE feature = 'judge'"))
    await RUN.handle(resources, desk.id, run["id"])
    again = await admin.get(f"/eval-runs/{run['id']}")
    assert (again["state"], again["done"], len(again["results"])) == ("done", 2, 2)
    # Neither the judge nor its examples were asked once more.
    assert len(await desk.sql("SELECT FROM llm_call WHERE feature = 'judge'")) == before


async def test_what_was_said_in_message_three_is_known_after_two_hundred(desk: Desk) -> None:
    history = [{"author": "contact", "text": "Hello!"}, {"author": "agent", "text": "Hello!"}]
    history.append({"author": "contact", "text": "My order number is LO-4711."})
    for _ in range(98):
        history.append({"author": "agent", "text": "We ship within 2 working days."})
        history.append({"author": "contact", "text": "And how long does delivery take?"})
    ask = {
        "messages": ["What is my order number?"],
        "history": history,
        "must_contain": ["LO-4711"],
        "tags": ["memory"],
    }
    short = {
        **ask,
        "name": "Told",
        "history": [],
        "memory": {"facts": ["My order number is LO-4711."]},
    }
    await golden(desk, {**ask, "name": "Long"}, short)
    run = await played(desk)
    assert run["pass_rate"] == 1, [r["failures"] for r in run["results"]]
    long = next(result for result in run["results"] if result["name"] == "Long")
    sent = await desk.sql(
        "SELECT input_tokens FROM llm_call WHERE prompt_name = 'reply' ORDER BY input_tokens"
    )
    # What the answer was made from is as long as in a young conversation.
    assert sent[-1]["input_tokens"] < 3 * sent[0]["input_tokens"]
    assert long["text"]


async def test_a_customer_with_a_goal_and_a_mood_plays_a_whole_conversation(desk: Desk) -> None:
    glad = {
        "name": "Glad",
        "persona": {"goal": "How long does delivery take?", "mood": "friendly"},
        "must_contain": ["3 to 5 working days"],
        "tags": ["customers"],
    }
    lost = {
        "name": "Lost",
        "persona": {"goal": "Which colour is the moon?", "mood": "angry"},
        "tags": ["customers"],
    }
    expected = {**lost, "name": "Passed on", "action": "hand_off"}
    await golden(desk, glad, lost, expected)
    run = await played(desk)
    by_name = {result["name"]: result for result in run["results"]}
    assert by_name["Glad"]["passed"], by_name["Glad"]
    assert [line["author"] for line in by_name["Glad"]["transcript"]] == ["contact", "agent"]
    assert by_name["Lost"]["failures"][0] == "the goal was not reached"
    assert by_name["Passed on"]["passed"]
    assert run["summary"]["escalation_rate"] == pytest.approx(2 / 3)
    assert run["summary"]["mean_turns"] == 1
