"""Programs with an API key: what lets them in, what they reach, and what ends it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from tests.conftest import app_on
from tests.identity.people import Browse, Company, MakeCompany, MakePerson
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from frontdesk.core import limits
from frontdesk.core.api import Allow
from frontdesk.core.callers import Role, Scope
from frontdesk.core.limits import RateLimiter
from frontdesk.core.redis import connect
from frontdesk.core.resources import Resources, open_resources
from frontdesk.core.settings import Settings
from frontdesk.identity.api_keys import new_key, tenant_of
from frontdesk.subscriptions import SUBSCRIPTIONS

KEYS = "/api/v1/api-keys"
INBOX = "/api/v1/conversations"
# Everything that a key opens, and with which scope: what is not written here stays closed to keys.
OPEN = {
    Scope.CONVERSATIONS_READ: {
        "list_conversations",
        "count_views",
        "get_conversation",
        "list_messages",
        "list_turns",
        "list_memory",
        "get_totals",
        "get_turn",
        "explain_message",
        "get_handoff",
        "list_waiting",
        "list_tags",
        "list_notes",
        "list_saved_replies",
        "fill_saved_reply",
        "search",
        "get_contact",
        "get_satisfaction",
        "get_suggestion",
        "get_survey",
        "list_commitments",
        "list_conversation_commitments",
        "list_contact_fields",
        "list_opt_outs",
        "list_overdue",
        "list_ratings",
        "list_suggestions",
        "list_templates",
        "preview_template",
        "read_media",
    },
    Scope.CONVERSATIONS_WRITE: {
        "take_over",
        "reply",
        "release",
        "close",
        "reopen",
        "snooze",
        "wake",
        "correct_fact",
        "delete_fact",
        "set_tags",
        "set_priority",
        "add_note",
        "change_note",
        "delete_note",
        "create_saved_reply",
        "change_saved_reply",
        "delete_saved_reply",
        "discard_suggestion",
        "fetch_media_again",
        "merge_contacts",
        "rate_answer",
        "reassign",
        "retry_message",
        "send_template",
        "separate_contact",
        "set_contact_fields",
        "set_opt_out",
        "settle_commitment",
        "start_suggestion",
        "unrate_answer",
        "upload_file",
    },
    Scope.USAGE_READ: {
        "report_usage",
        "get_conversation_usage",
        "get_subscription",
        "list_invoices",
        "get_invoice",
        "list_meter_batches",
        "list_batch_entries",
        "list_usage_entries",
        "report_month",
        "fetch_month_csv",
        "show_month",
        "get_cost_terms",
        "list_usage_anomalies",
        "list_budgets",
        "get_budget",
    },
    Scope.MODELS_USE: {"list_models", "create_chat_completion"},
    Scope.CONFIG_READ: {
        "list_agents",
        "list_gap_clusters",
        "list_gaps",
        "get_agent",
        "list_agent_versions",
        "get_agent_health",
        "diff_agent_versions",
        "get_routing",
        "list_tool_secrets",
        "list_sources",
        "get_source",
        "search_knowledge",
    },
    Scope.CONFIG_WRITE: {
        "add_file",
        "add_page",
        "refresh_source",
        "answer_gap",
        "dismiss_gap",
        "create_budget",
        "change_budget",
        "remove_budget",
        "set_cost_terms",
        "acknowledge_usage_anomaly",
        "save_routing",
        "save_tool_secret",
        "delete_tool_secret",
        "create_agent",
        "save_agent_config",
        "roll_back_agent",
        "add_source",
        "change_source",
        "enable_source",
        "disable_source",
        "delete_source",
    },
}


async def make_key(admin: httpx.AsyncClient, *scopes: Scope, **more: Any) -> dict[str, Any]:
    body = {"name": "Nightly export", "scopes": scopes or [Scope.CONVERSATIONS_READ], **more}
    answer = await admin.post(KEYS, json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.fixture
async def admin(browse: Browse, company: Company) -> httpx.AsyncClient:
    """The admin's browser."""
    return await browse(company.admin)


@pytest.fixture
async def program(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is no browser: no cookie, no Origin."""
    async with client_of(app) as client:
        yield client


def client_of(app: Any) -> httpx.AsyncClient:
    host = f"10.9.{uuid4().int % 250}.{uuid4().int % 250}"
    transport = httpx.ASGITransport(app, client=(host, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_a_key_reads_and_changes_what_its_scopes_say_without_a_browsers_marks(
    admin: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    reader = bearing((await make_key(admin, Scope.CONVERSATIONS_READ))["key"])
    assert (await program.get(INBOX, headers=reader)).json() == {"items": [], "next_cursor": None}
    closed = await program.post(f"{INBOX}/{uuid4()}/take-over", headers=reader)
    assert (closed.status_code, closed.json()["code"]) == (403, "missing_scope")
    assert "conversations:write" in closed.json()["detail"]
    writer = bearing((await make_key(admin, Scope.CONVERSATIONS_WRITE))["key"])
    tried = await program.post(f"{INBOX}/{uuid4()}/take-over", headers=writer)
    assert tried.status_code == 404


async def test_what_declares_no_scope_is_closed_to_every_key(
    admin: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    everything = bearing((await make_key(admin, *Scope))["key"])
    for path in (KEYS, "/api/v1/me", "/api/v1/users", "/api/v1/audit-entries", "/api/v1/feed"):
        answer = await program.get(path, headers=everything)
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_scope"), path
    more = await program.post(KEYS, headers=everything, json={"name": "x", "scopes": list(Scope)})
    assert more.status_code == 403


def test_every_route_that_keys_reach_is_written_down_with_its_scope(app: FastAPI) -> None:
    found: dict[Scope, set[str]] = {scope: set() for scope in Scope}
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            for rule in _rules(context.dependant):
                if rule.scope is not None:
                    found[rule.scope].add(str(context.unique_id))
    assert found == OPEN
    described = {
        operation["operationId"]: scheme["key"]
        for operations in app.openapi()["paths"].values()
        for operation in operations.values()
        for scheme in operation.get("security", [])
        if "key" in scheme
    }
    assert described == {name: [scope] for scope, names in OPEN.items() for name in names}


def _rules(dependant: Dependant) -> list[Allow]:
    mine = [dependant.call] if isinstance(dependant.call, Allow) else []
    return mine + [rule for child in dependant.dependencies for rule in _rules(child)]


async def test_a_missing_unknown_ended_or_revoked_key_gets_one_and_the_same_answer(
    admin: httpx.AsyncClient,
    program: httpx.AsyncClient,
    company: Company,
    admin_sql: asyncpg.Connection,
) -> None:
    revoked = await make_key(admin)
    assert (await program.get(INBOX, headers=bearing(revoked["key"]))).status_code == 200
    assert (await admin.delete(f"{KEYS}/{revoked['id']}")).status_code == 204
    ended = await make_key(admin, expires_at=str(datetime.now(UTC) + timedelta(hours=1)))
    await admin_sql.execute(
        "UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = $1", ended["id"]
    )
    good = (await make_key(admin))["key"]
    foreign = new_key(uuid4())
    tries: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": f"Basic {good}"},
        bearing(""),
        bearing("fd_live_"),
        bearing(good[:-1]),
        bearing(good[:-1] + ("A" if good[-1] != "A" else "B")),
        bearing("fd_live_" + "z" * 71),
        bearing(new_key(company.id)),
        bearing(foreign),
        bearing(revoked["key"]),
        bearing(ended["key"]),
    ]
    answers = [await program.get(INBOX, headers=headers) for headers in tries]
    bodies = [answer.json() | {"request_id": ""} for answer in answers]
    assert {answer.status_code for answer in answers} == {401}
    assert all(body == bodies[0] for body in bodies)


async def test_a_key_is_shown_once_and_stored_as_a_hash(
    admin: httpx.AsyncClient, company: Company, admin_sql: asyncpg.Connection
) -> None:
    made = await make_key(admin)
    key = made.pop("key")
    assert re.fullmatch(r"fd_live_[0-9A-Za-z]{71}", key)
    assert tenant_of(key) == company.id
    assert made["hint"] == key[-4:]
    listed = await admin.get(KEYS)
    assert listed.json()["items"] == [made]
    stored = str(await admin_sql.fetch("SELECT * FROM api_key WHERE id = $1", made["id"]))
    assert key not in stored
    assert key not in listed.text
    assert key not in (await admin.get("/api/v1/audit-entries")).text


async def test_a_revoked_key_ends_in_another_process_within_seconds(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    made = await make_key(admin)
    headers = bearing(made["key"])
    async with (
        open_resources(settings, SUBSCRIPTIONS) as elsewhere,
        client_of(app_on(elsewhere)) as program,
    ):
        assert (await program.get(INBOX, headers=headers)).status_code == 200
        assert (await admin.delete(f"{KEYS}/{made['id']}")).status_code == 204
        answered = [200]
        async with asyncio.timeout(30):
            while answered[-1] != 401:
                # No more often than a key may ask, however long it takes to be told.
                await asyncio.sleep(0.05)
                answered.append((await program.get(INBOX, headers=headers)).status_code)
    assert set(answered) == {200, 401}
    assert (await admin.delete(f"{KEYS}/{made['id']}")).status_code == 204
    [row] = (await admin.get(KEYS)).json()["items"]
    assert row["revoked_at"] is not None


@pytest.mark.parametrize("change", [{"role": "HUMAN_AGENT"}, {"disabled": True}])
async def test_the_keys_of_whoever_is_an_admin_no_longer_end(
    admin: httpx.AsyncClient,
    browse: Browse,
    program: httpx.AsyncClient,
    company: Company,
    make_person: MakePerson,
    change: dict[str, Any],
) -> None:
    leaving = await make_person(company.id, role=Role.ADMIN, name="Lena")
    theirs = await make_key(await browse(leaving))
    kept = await make_key(admin)
    for made in (theirs, kept):
        assert (await program.get(INBOX, headers=bearing(made["key"]))).status_code == 200
    assert (await admin.patch(f"/api/v1/users/{leaving.id}", json=change)).status_code == 200
    assert (await program.get(INBOX, headers=bearing(theirs["key"]))).status_code == 401
    assert (await program.get(INBOX, headers=bearing(kept["key"]))).status_code == 200
    entries = await admin.get("/api/v1/audit-entries", params={"action": "api_key.revoked"})
    told = [(entry["subject_id"], entry["user_id"]) for entry in entries.json()["items"]]
    assert told == [(theirs["id"], str(company.admin.id))]


async def test_a_key_that_ends_while_it_is_remembered_opens_nothing_more(
    admin: httpx.AsyncClient, program: httpx.AsyncClient
) -> None:
    for seconds in (1.5, 6, 24):
        soon = datetime.now(UTC) + timedelta(seconds=seconds)
        headers = bearing((await make_key(admin, expires_at=soon.isoformat()))["key"])
        remembered = await program.get(INBOX, headers=headers)
        # Else this machine was too busy, and there was nothing to remember any more.
        if datetime.now(UTC) < soon:
            break
    assert remembered.status_code == 200
    await asyncio.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.05)
    assert (await program.get(INBOX, headers=headers)).status_code == 401


async def test_only_admins_of_the_tenant_make_list_and_revoke_its_keys(
    admin: httpx.AsyncClient, browse: Browse, company: Company, make_company: MakeCompany
) -> None:
    made = await make_key(admin)
    human = await browse(company.human)
    assert (await human.get(KEYS)).status_code == 403
    asked = await human.post(KEYS, json={"name": "x", "scopes": ["usage:read"]})
    assert asked.status_code == 403
    assert (await human.delete(f"{KEYS}/{made['id']}")).status_code == 403
    other = await browse((await make_company()).admin)
    assert (await other.get(KEYS)).json()["items"] == []
    assert (await other.delete(f"{KEYS}/{made['id']}")).status_code == 404


async def test_a_key_reaches_its_own_tenant_only(
    admin: httpx.AsyncClient, browse: Browse, program: httpx.AsyncClient, make_company: MakeCompany
) -> None:
    other = await browse((await make_company()).admin)
    body = {"name": "Theirs", "config": {"company_name": "Green Leaf"}}
    theirs = (await other.post("/api/v1/agents", json=body)).json()
    headers = bearing((await make_key(admin, *Scope))["key"])
    found = await program.get(f"/api/v1/agents/{theirs['id']}", headers=headers)
    assert found.status_code == 404
    assert (await program.get("/api/v1/agents", headers=headers)).json()["items"] == []


async def test_a_key_beside_a_cookie_is_what_counts(
    admin: httpx.AsyncClient, browse: Browse, company: Company
) -> None:
    key = (await make_key(admin, Scope.USAGE_READ))["key"]
    assert (await admin.get(INBOX)).status_code == 200
    assert (await admin.get(INBOX, headers=bearing(key))).status_code == 403
    assert (await admin.get(INBOX, headers=bearing("nonsense"))).status_code == 401
    # A header that anybody can make up does not open the way for the cookie from another site.
    evil = {"Origin": "https://evil.example", "Authorization": "Bearer nonsense"}
    asked = await admin.post(KEYS, headers=evil, json={"name": "x", "scopes": ["usage:read"]})
    assert asked.status_code == 401


async def test_the_audit_log_names_the_key_and_whoever_made_it(
    admin: httpx.AsyncClient, program: httpx.AsyncClient, company: Company
) -> None:
    made = await make_key(admin, Scope.CONFIG_WRITE)
    body = {"name": "Mabel", "config": {"company_name": "Green Leaf"}}
    done = await program.post("/api/v1/agents", headers=bearing(made["key"]), json=body)
    assert done.status_code == 201, done.text
    await admin.delete(f"{KEYS}/{made['id']}")
    entries = (await admin.get("/api/v1/audit-entries")).json()["items"]
    told = {entry["action"]: (entry["user_id"], entry["api_key_id"]) for entry in entries}
    person = str(company.admin.id)
    assert told["api_key.created"] == told["api_key.revoked"] == (person, None)
    assert [who for action, who in told.items() if action.startswith("agent")] == [
        (person, made["id"])
    ]


async def test_use_is_written_down_once_a_minute_at_most(
    admin: httpx.AsyncClient, program: httpx.AsyncClient, settings: Settings
) -> None:
    key = (await make_key(admin))["key"]
    assert (await admin.get(KEYS)).json()["items"][0]["last_used_at"] is None
    await program.get(INBOX, headers=bearing(key))
    first = (await admin.get(KEYS)).json()["items"][0]["last_used_at"]
    assert first is not None
    async with open_resources(settings, SUBSCRIPTIONS) as elsewhere:
        await elsewhere.redis.flushdb()
        async with client_of(app_on(elsewhere)) as other:
            assert (await other.get(INBOX, headers=bearing(key))).status_code == 200
    assert (await admin.get(KEYS)).json()["items"][0]["last_used_at"] == first


async def test_each_key_has_a_rate_of_its_own_and_all_of_a_tenant_one_together(
    admin: httpx.AsyncClient, settings: Settings
) -> None:
    # At once two for each key, and three for the tenant.
    rates = {"requests_per_minute": 8, "tenant_requests_per_minute": 12}
    limits = settings.limits.model_copy(update=rates)
    slow = settings.model_copy(update={"limits": limits})
    one = bearing((await make_key(admin))["key"])
    other = bearing((await make_key(admin))["key"])
    third = bearing((await make_key(admin))["key"])
    async with (
        open_resources(slow, SUBSCRIPTIONS) as opened,
        client_of(app_on(opened)) as program,
    ):
        answers = [await program.get(INBOX, headers=one) for _ in range(4)]
        assert [answer.status_code for answer in answers[:2]] == [200, 200]
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert (await program.get(INBOX, headers=other)).status_code == 200
        assert (await program.get(INBOX, headers=third)).status_code == 429


@pytest.fixture
async def patient_app(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FastAPI]:
    """An application that counts in Redis alone, however slow this machine is just now."""
    monkeypatch.setattr(limits, "REDIS_PATIENCE_SECONDS", 50)
    redis = connect(settings.redis.model_copy(update={"socket_timeout_seconds": 50}))
    patient = replace(resources, redis=redis, limiter=RateLimiter(redis), _kept={})
    yield app_on(patient)
    await patient.stop_kept()
    await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize("network", ["10.8.{}.1", "2001:db8:{:x}:1:"])
async def test_unknown_keys_from_one_network_are_looked_up_so_often_only(
    patient_app: FastAPI, company: Company, network: str
) -> None:
    # Behind a proxy the address is the client's, and one who has a whole IPv6 network is one.
    proxied = ProxyHeadersMiddleware(patient_app, trusted_hosts="10.0.0.0/8")
    taken = uuid4().int % 250
    answers: list[int] = []
    began = time.monotonic()
    async with client_of(proxied) as program:
        # Two more a second are let through meanwhile, and no more than these.
        while 429 not in answers:
            assert len(answers) <= 120 + 2 * (time.monotonic() - began)
            source = network.format(taken) + (f":{len(answers):x}" if ":" in network else "")
            headers = bearing(new_key(company.id)) | {"X-Forwarded-For": source}
            answers.append((await program.get(INBOX, headers=headers)).status_code)
        elsewhere = bearing(new_key(company.id)) | {"X-Forwarded-For": "192.0.2.7"}
        assert (await program.get(INBOX, headers=elsewhere)).status_code == 401
    assert set(answers[:120]) == {401}


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": " " * 5},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["everything"]},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"tenant_id": str(uuid4())},
        {"key": "fd_live_mine"},
    ],
)
async def test_what_makes_no_sense_is_refused(
    admin: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    body = {"name": "x", "scopes": ["usage:read"]} | wrong
    assert (await admin.post(KEYS, json=body)).status_code == 422


async def test_a_tenant_has_a_hundred_good_keys_at_most(
    admin: httpx.AsyncClient, company: Company, admin_sql: asyncpg.Connection
) -> None:
    first = await make_key(admin)
    await admin_sql.execute(
        "INSERT INTO api_key (tenant_id, id, name, key_hash, hint, scopes, created_by) "
        "SELECT $1, gen_random_uuid(), 'x', gen_random_uuid()::text, 'abcd', '{}', $2 "
        "FROM generate_series(1, 99)",
        company.id,
        company.admin.id,
    )
    body = {"name": "x", "scopes": ["usage:read"]}
    full = await admin.post(KEYS, json=body)
    assert (full.status_code, full.json()["code"]) == (409, "too_many_api_keys")
    await admin.delete(f"{KEYS}/{first['id']}")
    assert (await admin.post(KEYS, json=body)).status_code == 201
    page = (await admin.get(KEYS, params={"limit": 100})).json()
    rest = (await admin.get(KEYS, params={"cursor": page["next_cursor"]})).json()
    assert (len(page["items"]), len(rest["items"])) == (100, 1)
