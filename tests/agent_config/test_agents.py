import asyncio

import pytest
from tests.desk import eventually
from tests.feed.shop import make_shop

from frontdesk.agent_config import NoSuchAgent, load_agent
from frontdesk.agent_config.routes import router
from frontdesk.core import ids
from frontdesk.core.cache import Changes
from frontdesk.core.resources import open_resources

CONFIG = {"company_name": "Lumen & Oak", "languages": ["en", "es"]}


async def make(shop, name="Shop agent", **config):
    answer = await shop.admin.http.post(
        "/api/v1/agents", json={"name": name, "config": {**CONFIG, **config}}
    )
    assert answer.status_code == 201, answer.text
    return answer


async def save(shop, agent_id, if_match, **config):
    headers = {} if if_match is None else {"If-Match": if_match}
    return await shop.admin.http.put(
        f"/api/v1/agents/{agent_id}/config", json={**CONFIG, **config}, headers=headers
    )


async def test_an_agent_is_made_read_and_listed(shop):
    made = await make(shop)
    agent = made.json()
    assert (agent["version"], made.headers["etag"]) == (1, '"1"')
    assert agent["config"]["auto_close_minutes"] == 1440
    read = await shop.human.http.get(f"/api/v1/agents/{agent['id']}")
    assert (read.json(), read.headers["etag"]) == (agent, '"1"')
    await make(shop, "Second")
    page = (await shop.admin.http.get("/api/v1/agents", params={"limit": 1})).json()
    assert [item["id"] for item in page["items"]] == [agent["id"]]
    page = (
        await shop.admin.http.get("/api/v1/agents", params={"cursor": page["next_cursor"]})
    ).json()
    assert ([item["name"] for item in page["items"]], page["next_cursor"]) == (["Second"], None)


async def test_two_agents_of_a_tenant_cannot_have_one_name(shop):
    await make(shop)
    answer = await shop.admin.http.post(
        "/api/v1/agents", json={"name": "Shop agent", "config": CONFIG}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "agent_name_taken")


async def test_a_change_says_which_version_it_changes(shop):
    agent_id = (await make(shop)).json()["id"]
    assert (await save(shop, agent_id, None)).status_code == 428
    assert (await save(shop, agent_id, '"7"')).status_code == 412
    saved = await save(shop, agent_id, '"1"', persona="You are Olive.")
    assert (saved.status_code, saved.headers["etag"]) == (200, '"2"')
    assert saved.json()["config"]["persona"] == "You are Olive."
    stale = await save(shop, agent_id, '"1"', persona="You are Ben.")
    assert (stale.status_code, stale.json()["version"]) == (412, 2)


async def test_the_same_configuration_again_makes_no_version(shop):
    agent_id = (await make(shop)).json()["id"]
    again = await save(shop, agent_id, '"1"')
    assert (again.status_code, again.json()["version"]) == (200, 1)


async def test_of_many_who_save_at_once_one_wins(shop):
    agent_id = (await make(shop)).json()["id"]
    answers = await asyncio.gather(
        *(save(shop, agent_id, '"1"', persona=f"Number {number}") for number in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]


async def test_every_version_is_kept_and_can_be_brought_back(shop):
    agent_id = (await make(shop, persona="First.")).json()["id"]
    await save(shop, agent_id, '"1"', persona="Second.")
    back = await shop.admin.http.post(f"/api/v1/agents/{agent_id}/rollback", json={"version": 1})
    assert (back.json()["version"], back.json()["config"]["persona"]) == (3, "First.")
    versions = (await shop.admin.http.get(f"/api/v1/agents/{agent_id}/versions")).json()["items"]
    assert [(v["version"], v["config"]["persona"]) for v in versions] == [
        (3, "First."),
        (2, "Second."),
        (1, "First."),
    ]
    assert all(version["author_id"] == str(shop.admin.id) for version in versions)
    gone = await shop.admin.http.post(f"/api/v1/agents/{agent_id}/rollback", json={"version": 9})
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_agent_version")
    refused = await shop.admin.http.post(
        f"/api/v1/agents/{agent_id}/rollback", json={"version": 1}, headers={"If-Match": '"1"'}
    )
    assert refused.status_code == 412


async def test_two_versions_are_compared_in_words_and_fields(shop):
    agent_id = (await make(shop, languages=["en", "fr"], tools={"max_steps": 3})).json()["id"]
    await save(shop, agent_id, '"1"', answers_enabled=False, greeting="Welcome!")

    async def compare(**versions):
        answer = await shop.human.http.get(
            f"/api/v1/agents/{agent_id}/diff", params={"from": 1, "to": 2} | versions
        )
        return answer.json()

    found = await compare()
    assert {each["field"]: each["message"] for each in found["changes"]} == {
        "answers_enabled": "Answers enabled: switched off.",
        "greeting": "Greeting: set to “Welcome!”.",
        "languages": "Languages: “es” came; “fr” went.",
        "tools.max_steps": "Tools, max steps: from 3 to 5.",
    }
    (languages,) = [each for each in found["changes"] if each["field"] == "languages"]
    assert (languages["before"], languages["after"]) == (["en", "fr"], ["en", "es"])
    assert '-  "answers_enabled": true,\n+  "answers_enabled": false,\n' in found["diff"]
    same = await compare(to=1)
    assert (same["changes"], same["diff"]) == ([], "")
    assert (await compare(to=9))["code"] == "no_such_agent_version"


async def test_human_agents_read_and_change_nothing(shop):
    agent_id = (await make(shop)).json()["id"]
    http = shop.human.http
    assert (
        await http.post("/api/v1/agents", json={"name": "x", "config": CONFIG})
    ).status_code == 403
    put = await http.put(
        f"/api/v1/agents/{agent_id}/config", json=CONFIG, headers={"If-Match": '"1"'}
    )
    assert put.status_code == 403
    back = await http.post(f"/api/v1/agents/{agent_id}/rollback", json={"version": 1})
    assert back.status_code == 403


async def test_another_tenants_agent_is_not_there(shop, resources):
    agent_id = (await make(shop)).json()["id"]
    other = await make_shop(resources, router)
    http = other.admin.http
    answers = [
        await http.get(f"/api/v1/agents/{agent_id}"),
        await http.get(f"/api/v1/agents/{agent_id}/versions"),
        await http.put(f"/api/v1/agents/{agent_id}/config", json=CONFIG, headers={"If-Match": "*"}),
        await http.post(f"/api/v1/agents/{agent_id}/rollback", json={"version": 1}),
    ]
    assert {answer.status_code for answer in answers} == {404}
    nobodys = ids.new()
    missing = (await http.get(f"/api/v1/agents/{nobodys}")).json()
    theirs = {**answers[0].json(), "request_id": missing["request_id"]}
    theirs["detail"] = theirs["detail"].replace(agent_id, str(nobodys))
    assert theirs == missing
    with pytest.raises(NoSuchAgent):
        await load_agent(resources, other.id, agent_id)
    await other.aclose()


async def test_unknown_fields_are_refused(shop):
    answer = await shop.admin.http.post(
        "/api/v1/agents", json={"name": "x", "config": CONFIG, "tenant_id": str(ids.new())}
    )
    assert answer.status_code == 422


async def test_a_saved_configuration_is_in_use_everywhere_soon(shop, resources, settings):
    agent_id = (await make(shop)).json()["id"]
    async with open_resources(settings, {}) as elsewhere:
        assert (await load_agent(elsewhere, shop.id, agent_id)).version == 1
        assert (await load_agent(resources, shop.id, agent_id)).config.persona
        await save(shop, agent_id, '"1"', persona="You are Olive.")
        here = await load_agent(resources, shop.id, agent_id)
        assert (here.version, here.config.persona) == (2, "You are Olive.")

        async def is_in_use() -> bool:
            return (await load_agent(elsewhere, shop.id, agent_id)).version == 2

        # Long before its copies run out by themselves.
        await eventually(is_in_use, seconds=10)
        await elsewhere.keep(Changes).stop()


async def test_a_configuration_of_an_older_release_still_loads(shop, resources):
    agent_id = (await make(shop)).json()["id"]
    await shop.sql(
        "UPDATE agent_version SET config = config || '{\"forgotten_option\": 1}' "
        "WHERE agent_id = $1",
        agent_id,
    )
    assert (await load_agent(resources, shop.id, agent_id)).config.company_name == "Lumen & Oak"
    assert (await shop.admin.http.get(f"/api/v1/agents/{agent_id}")).status_code == 200


async def test_changes_are_audited_and_told_to_dashboards(shop):
    agent_id = (await make(shop)).json()["id"]
    await save(shop, agent_id, '"1"', persona="You are Olive.")
    audited = await shop.sql("SELECT action, user_id FROM audit_entry ORDER BY id")
    assert [row["action"] for row in audited] == ["agent.created", "agent.config_saved"]
    assert {row["user_id"] for row in audited} == {shop.admin.id}
    told = await shop.sql("SELECT kind FROM feed_event ORDER BY seq")
    assert [row["kind"] for row in told] == ["agent.created", "agent.config_saved"]
