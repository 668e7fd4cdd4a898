import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.feed.shop import add_user, make_shop

from frontdesk.core.cache import Changes
from frontdesk.core.callers import Role
from frontdesk.core.resources import open_resources
from frontdesk.core.settings import PromptSettings
from frontdesk.prompts import DEFAULT_PROMPTS, NoSuchPrompt, load_prompt
from frontdesk.prompts.routes import router

TEXT = "You answer for {{ company_name }}.\n<facts>\n{{ facts }}\n</facts>\n"


async def write(shop, content=TEXT, *, name="reply", status=201, **more):
    answer = await shop.admin.http.post(
        f"/api/v1/prompts/{name}/versions", json={"content": content, **more}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def publish(shop, version, label="production", *, status=200):
    answer = await shop.admin.http.post(
        "/api/v1/prompts/reply/publish", json={"version": version, "label": label}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


async def roll_back(shop, *, status=200):
    answer = await shop.admin.http.post("/api/v1/prompts/reply/rollback", json={})
    assert answer.status_code == status, answer.text
    return answer.json()


def standing(prompt):
    return {label["label"]: label["version"] for label in prompt["labels"]}


async def test_a_new_tenant_uses_the_built_in_prompts(shop, resources):
    for name, default in DEFAULT_PROMPTS.items():
        prompt = await load_prompt(resources, shop.id, name)
        assert (prompt.version, prompt.content, prompt.version_id) == (
            "0.0.0",
            default.content,
            None,
        )
    listed = (await shop.admin.http.get("/api/v1/prompts")).json()
    assert {p["name"]: standing(p) for p in listed} == {
        name: {"production": "0.0.0"} for name in DEFAULT_PROMPTS
    }
    built_in = (await shop.admin.http.get("/api/v1/prompts/reply/versions/0.0.0")).json()
    assert built_in["content"] == DEFAULT_PROMPTS["reply"].content
    with pytest.raises(NoSuchPrompt):
        await load_prompt(resources, shop.id, "poem")


async def test_versions_count_up_and_are_used_once_published(shop, resources):
    first = await write(shop, note="Shorter")
    assert (first["version"], first["note"]) == ("1.0.0", "Shorter")
    assert first["variables"] == ["company_name", "facts"]
    assert first["author_id"] == str(shop.admin.id)
    second = await write(shop, TEXT + "Be kind.")
    third = await write(shop, TEXT + "Be kind.", bump="patch", status=409)
    assert third["version"] == "1.1.0"
    third = await write(shop, TEXT + "Be brief and kind.", bump="patch", tags=["tone", "tone"])
    assert (second["version"], third["version"]) == ("1.1.0", "1.1.1")
    assert third["tags"] == ["tone"]
    assert (await load_prompt(resources, shop.id, "reply")).version == "0.0.0"
    assert standing(await publish(shop, "1.1.0")) == {"production": "1.1.0"}
    used = await load_prompt(resources, shop.id, "reply")
    assert (used.version, used.content) == ("1.1.0", TEXT + "Be kind.\n")
    page = (await shop.admin.http.get("/api/v1/prompts/reply/versions?limit=2")).json()
    assert [(v["version"], v["labels"]) for v in page["items"]] == [
        ("1.1.1", []),
        ("1.1.0", ["production"]),
    ]
    page = (
        await shop.admin.http.get(
            "/api/v1/prompts/reply/versions", params={"cursor": page["next_cursor"]}
        )
    ).json()
    assert [v["version"] for v in page["items"]] == ["1.0.0"]


async def test_the_same_text_again_is_refused_by_the_version_that_has_it(shop):
    await write(shop)
    await write(shop, TEXT + "Be kind.")
    problem = await write(shop, TEXT.replace("\n", "\r\n") + "\n", status=409)
    assert (problem["code"], problem["version"]) == ("prompt_unchanged", "1.0.0")


async def test_unknown_variables_are_listed(shop):
    problem = await write(shop, TEXT + "{{ contact_name }} {{ order }}", status=422)
    assert (problem["code"], problem["unknown"]) == ("prompt_invalid", ["contact_name", "order"])
    problem = await write(shop, "Hello {{ company_name }}", status=422)
    assert problem["missing"] == ["facts"]
    problem = await write(shop, "{{ 'a' * 9 }}", status=422)
    assert problem["code"] == "prompt_invalid"
    assert (await write(shop, TEXT, name="poem", status=404))["code"] == "no_such_prompt"


async def test_a_rollback_goes_back_one_publication_at_a_time(shop, resources):
    for content in (TEXT, TEXT + "Be kind.", TEXT + "Be brief."):
        await write(shop, content, bump="patch")
    for version in ("1.0.0", "1.0.1", "1.0.2"):
        await publish(shop, version)
    assert standing(await roll_back(shop)) == {"production": "1.0.1"}
    assert (await load_prompt(resources, shop.id, "reply")).version == "1.0.1"
    await publish(shop, "1.0.2")
    assert standing(await roll_back(shop)) == {"production": "1.0.1"}
    assert standing(await roll_back(shop)) == {"production": "1.0.0"}
    assert standing(await roll_back(shop)) == {"production": "0.0.0"}
    assert (await load_prompt(resources, shop.id, "reply")).version == "0.0.0"
    assert (await roll_back(shop, status=409))["code"] == "nothing_to_roll_back"


async def test_publishing_what_is_published_changes_nothing(shop):
    await write(shop)
    await publish(shop, "1.0.0")
    await publish(shop, "1.0.0")
    assert len(await shop.sql("SELECT 1 FROM prompt_release")) == 1
    assert (await publish(shop, "9.9.9", status=404))["code"] == "no_such_prompt_version"


async def test_labels_stand_apart_and_lean_on_production(shop, resources):
    await write(shop)
    await write(shop, TEXT + "Be kind.", bump="patch")
    await publish(shop, "1.0.0")
    candidate = await load_prompt(resources, shop.id, "reply", "candidate")
    assert candidate.version == "1.0.0"
    await publish(shop, "1.0.1", "candidate")
    assert (await load_prompt(resources, shop.id, "reply", "candidate")).version == "1.0.1"
    assert (await load_prompt(resources, shop.id, "reply")).version == "1.0.0"


async def test_a_publication_is_in_use_everywhere_within_two_seconds(shop, settings):
    await write(shop)
    async with open_resources(settings, {}) as elsewhere:
        assert (await load_prompt(elsewhere, shop.id, "reply")).version == "0.0.0"
        await publish(shop, "1.0.0")
        waits = 0
        # So many short sleeps are no more than two seconds, unless this machine is busy.
        while (await load_prompt(elsewhere, shop.id, "reply")).version == "0.0.0":
            waits += 1
            assert waits < 100
            await asyncio.sleep(0.02)
        await elsewhere.keep(Changes).stop()


async def test_many_versions_at_once_get_numbers_of_their_own(shop):
    made = await asyncio.gather(
        *(write(shop, f"{TEXT}Number {number}.", bump="patch") for number in range(8))
    )
    assert sorted(version["version"] for version in made) == [f"1.0.{n}" for n in range(8)]


async def test_versions_are_compared_and_previewed(shop):
    await write(shop)
    await write(shop, TEXT + "Be kind.", bump="patch")
    http = shop.admin.http
    diff = (await http.get("/api/v1/prompts/reply/diff?from=1.0.0&to=1.0.1")).json()
    assert "+Be kind." in diff["diff"]
    assert (await http.get("/api/v1/prompts/reply/diff?from=1.0.0&to=7.0.0")).status_code == 404
    preview = (
        await http.post(
            "/api/v1/prompts/reply/preview",
            json={"version": "1.0.1", "variables": {"company_name": "Brass & Bone"}},
        )
    ).json()
    assert preview["text"].startswith("You answer for Brass & Bone.")
    assert preview["variables"] == ["company_name", "facts"]
    before = datetime.now(UTC).year
    draft = await http.post("/api/v1/prompts/reply/preview", json={"content": TEXT + "{{ today }}"})
    years = {str(before), str(datetime.now(UTC).year)}
    assert any(year in draft.json()["text"] for year in years)
    for wrong in (
        {"variables": {"secret": "x"}},
        {"content": TEXT, "version": "1.0.0"},
        {"content": "{{ facts.__class__ }}"},
        {
            "content": "{% for c in facts %}{{ facts }}{% endfor %}",
            "variables": {"facts": "x" * 9_000},
        },
    ):
        answer = await http.post("/api/v1/prompts/reply/preview", json=wrong)
        assert answer.status_code == 422, wrong


async def test_a_deployment_uses_the_prompts_of_its_own_label(shop, resources):
    await write(shop)
    await write(shop, TEXT + "Be kind.", bump="patch")
    await publish(shop, "1.0.0")
    await publish(shop, "1.0.1", "staging")
    staging = resources.settings.model_copy(update={"prompts": PromptSettings(label="staging")})
    elsewhere = replace(resources, settings=staging)
    assert (await load_prompt(elsewhere, shop.id, "reply")).version == "1.0.1"
    assert (await load_prompt(elsewhere, shop.id, "triage")).version == "0.0.0"
    assert (await load_prompt(resources, shop.id, "reply")).version == "1.0.0"


async def test_production_takes_what_another_user_approved_where_the_tenant_says_so(shop):
    http, colleague = shop.admin.http, await add_user(shop.resources, shop.app, shop.id, Role.ADMIN)
    shop.others.append(colleague)
    assert (await http.get("/api/v1/prompt-policy")).json() == {
        "requires_approval": False,
        "requires_run": False,
    }
    await http.put("/api/v1/prompt-policy", json={"requires_approval": True})
    assert (await write(shop))["state"] == "proposed"
    assert (await publish(shop, "1.0.0", status=409))["code"] == "approval_required"
    await publish(shop, "1.0.0", "staging")
    approve = "/api/v1/prompts/reply/versions/1.0.0/approve"
    assert (await http.post(approve)).json()["code"] == "own_version"
    approved = (await colleague.http.post(approve)).json()
    assert (approved["state"], approved["approved_by"]) == ("approved", str(colleague.id))
    assert (await http.post(approve)).json()["approved_by"] == str(colleague.id)
    assert standing(await publish(shop, "1.0.0"))["production"] == "1.0.0"
    await write(shop, TEXT + "Be kind.")
    assert standing(await roll_back(shop))["production"] == "0.0.0"
    actions = await shop.sql("SELECT action FROM audit_entry ORDER BY id")
    assert [row["action"] for row in actions][:2] == [
        "prompt.policy_changed",
        "prompt.version_created",
    ]
    assert "prompt.version_approved" in [row["action"] for row in actions]
    missing = await colleague.http.post("/api/v1/prompts/reply/versions/9.0.0/approve")
    assert missing.status_code == 404


async def test_prompts_are_for_admins(shop):
    http = shop.human.http
    answers = [
        await http.get("/api/v1/prompts"),
        await http.get("/api/v1/prompts/reply"),
        await http.get("/api/v1/prompts/reply/versions"),
        await http.post("/api/v1/prompts/reply/versions", json={"content": TEXT}),
        await http.post("/api/v1/prompts/reply/publish", json={"version": "1.0.0"}),
        await http.post("/api/v1/prompts/reply/rollback", json={}),
        await http.post("/api/v1/prompts/reply/preview", json={}),
        await http.post("/api/v1/prompts/reply/versions/1.0.0/approve"),
        await http.put("/api/v1/prompt-policy", json={"requires_approval": False}),
    ]
    assert {answer.status_code for answer in answers} == {403}


async def test_tenants_have_prompts_of_their_own(shop, resources):
    other = await make_shop(resources, router)
    await write(shop)
    await publish(shop, "1.0.0")
    assert (await load_prompt(resources, other.id, "reply")).version == "0.0.0"
    missing = await other.admin.http.get("/api/v1/prompts/reply/versions/1.0.0")
    assert missing.status_code == 404
    assert (await publish(other, "1.0.0", status=404))["code"] == "no_such_prompt_version"
    assert (await write(other))["version"] == "1.0.0"
    await other.aclose()


async def test_changes_are_audited_and_told_to_admins_only(shop):
    await write(shop)
    await publish(shop, "1.0.0")
    await roll_back(shop)
    actions = ["prompt.version_created", "prompt.published", "prompt.rolled_back"]
    audited = await shop.sql("SELECT action FROM audit_entry ORDER BY id")
    assert [row["action"] for row in audited] == actions
    told = await shop.sql("SELECT kind, audience FROM feed_event ORDER BY seq")
    assert [tuple(row) for row in told] == [(action, "admins") for action in actions]
