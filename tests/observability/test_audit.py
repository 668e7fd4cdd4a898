"""The audit log: whatever an admin changes leaves an entry, which nobody can change or take away."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from tests.desk import PASSWORD, Desk, Person

from frontdesk.billing.stripe.plans import set_up
from frontdesk.core.api import Allow
from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.observability import changes

# What changes nothing, so it leaves nothing: a text filled in to look at, rules that are tried.
# Of the tenant's own; listing templates anew only asks Meta what there is.
CHANGES_NOTHING = {
    "preview_prompt",
    "sync_templates",
    "try_agent_rules",
    "try_rules_on_conversation",
}


def _rule(dependant: Dependant) -> Allow | None:
    if isinstance(dependant.call, Allow):
        return dependant.call
    return next(filter(None, map(_rule, dependant.dependencies)), None)


def admin_routes(app: FastAPI) -> Iterator[tuple[str, str, str]]:
    """(name, method, path) of every route that only a tenant's admins may call and that changes
    something."""
    for context in iter_route_contexts(app.routes):
        route = context.route
        if not isinstance(route, APIRoute):
            continue
        rule = _rule(route.dependant)
        if rule is not None and tuple(rule.roles) == (Role.ADMIN,):
            for method in sorted(route.methods - {"GET", "HEAD", "OPTIONS"}):
                assert context.path is not None
                yield route.name, method, context.path


class Examples:
    """For each route by its name: what stands in its path, its body and its headers."""

    def __init__(self, desk: Desk, admin: Person, admin_sql: Any) -> None:
        self.desk = desk
        self.admin = admin
        self.admin_sql = admin_sql

    async def of(self, name: str) -> dict[str, Any]:
        """The example of a route; a new one needs a method of its name here."""
        example = getattr(self, name, None)
        assert example is not None, f"Examples.{name} is missing: how is this route called?"
        made: dict[str, Any] = await example()
        return made

    async def _prompt(self, *, published: int = 0) -> str:
        for number in range(2):
            text = (await self.create_prompt_version())["json"]
            written = await self.admin.post("/prompts/reply/versions", text)
            if number < published:
                body = {"version": written["version"]}
                await self.admin.post("/prompts/reply/publish", body)
        version: str = written["version"]
        return version

    async def _source(self) -> dict[str, Any]:
        (source, *_) = await self.desk.sql(
            "SELECT id FROM knowledge_source WHERE enabled AND kind = 'text'"
        )
        return {"source_id": source["id"]}

    async def _contact(self) -> str:
        contact_id = uuid4()
        await self.desk.sql(
            "INSERT INTO contact (id, wa_id) VALUES ($1, $2) RETURNING id",
            contact_id,
            str(uuid4().int)[:12],
        )
        return str(contact_id)

    async def _letter(self) -> dict[str, Any]:
        letter_id = uuid4()
        await self.admin_sql.execute(
            "INSERT INTO webhook_event (source, body, state, letter_id, concerns) VALUES "
            "('whatsapp', $1, 'dead', $2, $3)",
            b'{"object": "whatsapp_business_account", "entry": []}',
            letter_id,
            [self.desk.id],
        )
        return {"letter_id": letter_id}

    async def _channel(self) -> dict[str, Any]:
        return {"channel_id": self.desk.channel_id}

    pause_channel = resume_channel = _channel

    async def connect_channel(self) -> dict[str, Any]:
        number = str(uuid4().int)[:15]
        return {
            "json": {
                "name": "Second",
                "agent_id": str(self.desk.agent_id),
                "phone_number_id": number,
                "waba_id": self.desk.waba_id,
                "display_phone_number": "+1 555 000 2222",
                "access_token": "EAAB-second",
            }
        }

    async def connect_by_signup(self) -> dict[str, Any]:
        body = {"name": "Third", "agent_id": str(self.desk.agent_id), "code": "AQB-none"}
        return {"json": body}

    async def disconnect_channel(self) -> dict[str, Any]:
        made = await self.admin.post("/channels/signup", (await self.connect_by_signup())["json"])
        return {"channel_id": made["id"]}

    async def reconnect_channel(self) -> dict[str, Any]:
        made = await self.disconnect_channel()
        await self.admin.post(f"/channels/{made['channel_id']}/disconnect")
        await self.desk.work_until_idle()
        return {**made, "json": {"access_token": "EAAB-again"}}

    async def replace_access_token(self) -> dict[str, Any]:
        return {**await self._channel(), "json": {"access_token": "EAAB-next"}}

    async def create_agent(self) -> dict[str, Any]:
        config = await self._config()
        return {"json": {"name": "Another", "config": config}}

    async def _config(self) -> Any:
        return (await self.admin.get(f"/agents/{self.desk.agent_id}"))["config"]

    async def save_agent_config(self) -> dict[str, Any]:
        config = await self._config() | {"persona": f"You are Olive {uuid4().hex}."}
        return {"agent_id": self.desk.agent_id, "json": config, "headers": {"If-Match": "*"}}

    async def roll_back_agent(self) -> dict[str, Any]:
        return {
            "agent_id": self.desk.agent_id,
            "json": {"version": 1},
            "headers": {"If-Match": "*"},
        }

    async def create_prompt_version(self) -> dict[str, Any]:
        content = f"{{{{ facts }}}} {uuid4().hex}"
        return {"name": "reply", "json": {"content": content, "note": "n"}}

    async def approve_prompt_version(self) -> dict[str, Any]:
        version = await self._prompt()
        await self.desk.sql("UPDATE prompt_version SET author_id = NULL RETURNING id")
        return {"name": "reply", "version": version}

    async def set_prompt_policy(self) -> dict[str, Any]:
        return {"json": {"requires_approval": False}}

    async def start_experiment(self) -> dict[str, Any]:
        variant = {"name": "new", "version": await self._prompt(), "share": 0.5}
        return {"name": "reply", "json": {"name": "New", "variants": [variant]}}

    async def move_experiment(self) -> dict[str, Any]:
        (one,) = (await self.admin.get("/prompts/reply/experiments"))["items"]
        return {"name": "reply", "experiment_id": one["id"], "json": {"to": "rolled_back"}}

    async def replay_llm_call(self) -> dict[str, Any]:
        await self.desk.say("How long does delivery take?", number="4915550077")
        (call, *_) = (await self.admin.get("/llm-calls"))["items"]
        return {"call_id": call["id"], "json": {}}

    async def save_tool_secret(self) -> dict[str, Any]:
        return {"name": "shop_key", "json": {"value": "a-key-of-the-shop"}}

    async def delete_tool_secret(self) -> dict[str, Any]:
        return {"name": "shop_key"}

    async def put_policy_of_contacts(self) -> dict[str, Any]:
        return {"json": {"masked_for_human_agents": True}}

    async def create_budget(self) -> dict[str, Any]:
        return {"json": {"scope": "tenant", "period": "month", "hard_usd": "50"}}

    async def change_budget(self) -> dict[str, Any]:
        return await self.remove_budget() | {"json": {"hard_usd": "60"}}

    async def remove_budget(self) -> dict[str, Any]:
        (budget, *_) = (await self.admin.get("/budgets"))["items"]
        return {"budget_id": budget["id"], "headers": {"If-Match": "*"}}

    async def start_checkout(self) -> dict[str, Any]:
        await set_up(self.desk.resources)
        return {"json": {"plan": "standard"}}

    async def open_billing_portal(self) -> dict[str, Any]:
        await self.admin.post("/billing/checkout", (await self.start_checkout())["json"])
        return {}

    async def set_cost_terms(self) -> dict[str, Any]:
        return {"json": {"human_usd_per_minute": "0.4"}, "headers": {"If-Match": "*"}}

    async def acknowledge_usage_anomaly(self) -> dict[str, Any]:
        anomaly_id = uuid4()
        await self.desk.sql(
            "INSERT INTO usage_anomaly (id, hour, measure, value, usual, bound, reason) "
            "VALUES ($1, now(), 'cost', 9, 1, 3, 'Much was spent.') RETURNING id",
            anomaly_id,
        )
        return {"anomaly_id": anomaly_id}

    async def save_routing(self) -> dict[str, Any]:
        routes = {"reply": {"models": [f"groq/{uuid4().hex}"]}}
        return {"json": {"routes": routes}, "headers": {"If-Match": "*"}}

    async def set_provider_key(self) -> dict[str, Any]:
        return {"provider": "openai", "json": {"api_key": "sk-own"}}

    async def remove_provider_key(self) -> dict[str, Any]:
        await self.admin.put("/models/keys/openai", {"api_key": "sk-own"})
        return {"provider": "openai"}

    async def publish_prompt(self) -> dict[str, Any]:
        return {"name": "reply", "json": {"version": await self._prompt()}}

    async def roll_back_prompt(self) -> dict[str, Any]:
        await self._prompt(published=2)
        return {"name": "reply", "json": {}}

    async def add_source(self) -> dict[str, Any]:
        body = {"agent_id": str(self.desk.agent_id), "title": "Gifts", "body": "We wrap gifts."}
        return {"json": body}

    async def change_source(self) -> dict[str, Any]:
        return {**await self._source(), "json": {"title": "Changed", "body": "Changed."}}

    disable_source = delete_source = _source

    async def enable_source(self) -> dict[str, Any]:
        return await self._source()

    async def _page(self) -> dict[str, Any]:
        made = await self.admin.post("/knowledge/pages", (await self.add_page())["json"])
        return {"source_id": made["id"]}

    refresh_source = _page

    async def add_page(self) -> dict[str, Any]:
        body = {"agent_id": str(self.desk.agent_id), "url": f"https://{uuid4().hex}.example/help"}
        return {"json": body}

    async def add_file(self) -> dict[str, Any]:
        file = {"file": ("hours.md", f"# Hours\nFrom nine, {uuid4()}.".encode(), "text/markdown")}
        return {"params": {"agent_id": str(self.desk.agent_id)}, "files": file}

    async def _gap(self) -> dict[str, Any]:
        (made,) = await self.desk.sql(
            "INSERT INTO knowledge_gap (id, agent_id, key, question, missing, language, times, "
            "times_after, state, last_asked_at) VALUES ($1, $2, $3, 'Do you repair?', '', 'en', 1, 0, "
            "'open', now()) RETURNING id",
            uuid4(),
            self.desk.agent_id,
            uuid4().hex,
        )
        return {"gap_id": made["id"]}

    dismiss_gap = _gap

    async def answer_gap(self) -> dict[str, Any]:
        return {**await self._gap(), "json": {"title": "Repairs", "body": "We repair."}}

    async def _learnt(self) -> dict[str, Any]:
        (made,) = await self.desk.sql(
            "INSERT INTO learnt_article (id, agent_id, learnt_from, content_hash, title, body, state) "
            "VALUES ($1, $2, 'answer', $3, 'Repairs', 'We repair.', 'proposed') RETURNING id",
            uuid4(),
            self.desk.agent_id,
            uuid4().hex,
        )
        return {"article_id": made["id"]}

    approve_learnt_article = reject_learnt_article = _learnt

    async def _of_agent(self) -> dict[str, Any]:
        return {"agent_id": self.desk.agent_id}

    start_learning = stop_learning = _of_agent

    collect_eval_proposals = stop_eval_proposals = _of_agent

    async def set_agent_gate(self) -> dict[str, Any]:
        return {"agent_id": self.desk.agent_id, "json": {"requires_run": False}}

    async def create_eval_dataset(self) -> dict[str, Any]:
        return {"agent_id": self.desk.agent_id, "json": {"name": uuid4().hex}}

    async def _dataset(self) -> dict[str, Any]:
        body = (await self.create_eval_dataset())["json"]
        made = await self.admin.post(f"/agents/{self.desk.agent_id}/eval-datasets", body)
        return {"dataset_id": made["id"]}

    async def put_eval_cases(self) -> dict[str, Any]:
        case = {"name": uuid4().hex, "messages": ["Hello"], "must_contain": ["hello"]}
        return {**await self._dataset(), "json": {"cases": [case]}}

    async def drop_eval_case(self) -> dict[str, Any]:
        put = await self.put_eval_cases()
        place = f"/eval-datasets/{put['dataset_id']}/cases"
        await self.admin.post(place, put["json"])
        (case,) = await self.admin.get(place)
        return {"dataset_id": put["dataset_id"], "case_id": case["id"]}

    async def import_eval_dataset(self) -> dict[str, Any]:
        content = json.dumps({"name": "Hours", "messages": ["When are you open?"]})
        return {**await self._dataset(), "json": {"format": "jsonl", "content": content}}

    async def start_eval_run(self) -> dict[str, Any]:
        put = await self.put_eval_cases()
        await self.admin.post(f"/eval-datasets/{put['dataset_id']}/cases", put["json"])
        return {**await self._of_agent(), "json": {"dataset_id": put["dataset_id"]}}

    async def cancel_eval_run(self) -> dict[str, Any]:
        # Not due: no worker is quicker.
        (made,) = await self.desk.sql(
            "INSERT INTO eval_run (id, agent_id, state, threshold) VALUES ($1, $2, 'queued', 1) RETURNING id",
            uuid4(),
            self.desk.agent_id,
        )
        return {"run_id": made["id"]}

    async def start_traffic_run(self) -> dict[str, Any]:
        return {**await self._of_agent(), "json": {"candidate": {}}}

    async def _proposal(self) -> dict[str, Any]:
        (made,) = await self.desk.sql(
            "INSERT INTO eval_proposal (id, agent_id, origin, content_hash, body, state) VALUES "
            "($1, $2, 'thumbs_down', $3, $4, 'proposed') RETURNING id",
            uuid4(),
            self.desk.agent_id,
            uuid4().hex,
            json.dumps((await self.put_eval_cases())["json"]["cases"][0]),
        )
        return {"proposal_id": made["id"]}

    accept_eval_proposal = reject_eval_proposal = _proposal

    async def start_rule_backtest(self) -> dict[str, Any]:
        agent = await self.admin.get(f"/agents/{self.desk.agent_id}")
        return {"agent_id": self.desk.agent_id, "json": {"config": agent["config"]}}

    async def preview_agent(self) -> dict[str, Any]:
        return {"agent_id": self.desk.agent_id, "json": {"messages": ["Hello!"]}}

    async def create_user(self) -> dict[str, Any]:
        body = {
            "email": f"{uuid4().hex}@example.com",
            "name": "New",
            "role": "HUMAN_AGENT",
            "password": PASSWORD,
        }
        return {"json": body}

    async def update_user(self) -> dict[str, Any]:
        return {"user_id": self.desk.people[1].id, "json": {"role": "ADMIN"}}

    async def create_invite(self) -> dict[str, Any]:
        return {"json": {"email": f"{uuid4().hex}@example.com", "role": "HUMAN_AGENT"}}

    async def _invite(self) -> dict[str, Any]:
        made = await self.admin.post("/invites", (await self.create_invite())["json"])
        return {"invite_id": made["id"]}

    resend_invite = revoke_invite = _invite

    async def create_team(self) -> dict[str, Any]:
        return {"json": {"name": f"Team {uuid4().hex}", "languages": ["en"], "skills": ["returns"]}}

    async def _team(self) -> dict[str, Any]:
        made = await self.admin.post("/teams", (await self.create_team())["json"])
        return {"team_id": made["id"]}

    delete_team = _team

    async def change_team(self) -> dict[str, Any]:
        return {**await self._team(), **await self.create_team()}

    async def join_team(self) -> dict[str, Any]:
        return {**await self._team(), "user_id": self.desk.people[1].id}

    async def leave_team(self) -> dict[str, Any]:
        member = await self.join_team()
        await self.admin.put("/teams/{team_id}/members/{user_id}".format(**member))
        return member

    async def define_contact_field(self) -> dict[str, Any]:
        return {"name": "tier", "json": {"type": "text"}}

    async def delete_contact_field(self) -> dict[str, Any]:
        await self.admin.put("/contact-fields/gone", {"type": "text"})
        return {"name": "gone"}

    async def set_assignment_policy(self) -> dict[str, Any]:
        return {"json": {"return_after_minutes": 15, "return_to": "queue"}}

    async def put_policy(self) -> dict[str, Any]:
        await self.admin_sql.execute(
            "UPDATE tenant SET mfa_required = true WHERE id = $1", self.desk.id
        )
        return {"json": {"mfa_required": False}}

    async def create_api_key(self) -> dict[str, Any]:
        return {"json": {"name": "Key", "scopes": ["usage:read"]}}

    async def revoke_api_key(self) -> dict[str, Any]:
        made = await self.admin.post("/api-keys", (await self.create_api_key())["json"])
        return {"key_id": made["id"]}

    replay_dead_letter = discard_dead_letter = _letter

    async def start_export(self) -> dict[str, Any]:
        return {"json": {}}

    async def start_erasure(self) -> dict[str, Any]:
        return {"json": {"contact_id": await self._contact()}}

    async def set_retention(self) -> dict[str, Any]:
        return {"json": {"feed_days": 1}}


async def test_whatever_an_admin_changes_leaves_an_entry(
    desk: Desk,
    app: FastAPI,
    admin_sql: Any,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings.mail, "outbox_folder", str(tmp_path / "mail"))
    monkeypatch.setattr(settings.privacy, "folder", str(tmp_path / "privacy"))
    admin = await desk.admin()
    examples = Examples(desk, admin, admin_sql)
    silent = []
    for name, method, path in admin_routes(app):
        if name in CHANGES_NOTHING:
            continue
        example = await examples.of(name)
        sent = {
            key: example[key] for key in ("json", "headers", "params", "files") if key in example
        }
        parts = {key: value for key, value in example.items() if key not in sent}
        since = await desk.sql("SELECT id FROM audit_entry ORDER BY id DESC LIMIT 1")
        answer = await admin.http.request(method, path.format(**parts), **sent)
        assert answer.is_success, f"{name}: {answer.text}"
        entries = await desk.sql(
            "SELECT user_id, request_id FROM audit_entry WHERE id > $1",
            since[0]["id"] if since else UUID(int=0),
        )
        told = {(row["user_id"], row["request_id"]) for row in entries}
        if (admin.id, answer.headers["x-request-id"]) not in told:
            silent.append(f"{name} ({told})")
    await desk.work_until_idle()  # While the folders are this test's own.
    assert silent == []


async def test_an_entry_can_be_neither_changed_nor_taken_away(desk: Desk) -> None:
    await desk.configure(persona="You are Olive.")
    for statement in (
        "UPDATE audit_entry SET action = 'x'",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.sql(statement)


async def test_a_change_of_configuration_tells_what_it_was_before_and_after(desk: Desk) -> None:
    await desk.configure(persona="You are Olive.", languages=["en"])
    await desk.configure(persona="You are Oliver.")
    admin = await desk.admin()
    page = await admin.get("/audit-entries", action="agent.config_saved")
    (entry, first, *_) = page["items"]
    assert entry["details"]["changes"] == {"persona": ["You are Olive.", "You are Oliver."]}
    assert first["details"]["changes"]["languages"] == [["en", "es", "de"], ["en"]]
    assert entry["user_id"] == str(admin.id)
    assert entry["request_id"]


def test_a_long_text_is_cut_in_a_comparison_and_what_is_alike_is_left_out() -> None:
    before = {"a": {"b": 1, "c": "x" * 500}, "same": [1]}
    after = {"a": {"b": 2, "c": "y" * 500}, "same": [1], "new": True}
    told = changes(before, after)
    assert told["a.b"] == [1, 2]
    assert told["new"] == [None, True]
    assert "same" not in told
    assert all(len(text) == 201 for text in told["a.c"])


async def test_the_log_is_found_by_who_what_whereof_and_when(desk: Desk) -> None:
    admin = await desk.admin()
    await desk.configure(persona="You are Olive.")
    await admin.post(f"/channels/{desk.channel_id}/pause")
    await admin.put("/retention", {"feed_days": 1})

    async def found(**wanted: Any) -> set[str]:
        page = await admin.get("/audit-entries", **wanted)
        return {entry["action"] for entry in page["items"]}

    assert await found(subject="tenant_retention") == {"retention.changed"}
    assert await found(subject="agent", user_id=str(admin.id)) == {"agent.config_saved"}
    assert await found(user_id=str((await desk.ben()).id), subject="agent") == set()
    await admin.http.get("/api/v1/audit-entries", params={"user_id": str(uuid4())})
    assert "request.refused" in await found()
    assert await found(subject_id=str(desk.channel_id), user_id=str(admin.id))
    now = datetime.now(UTC)
    assert await found(since=(now + timedelta(minutes=1)).isoformat()) == set()
    assert await found(until=(now - timedelta(hours=1)).isoformat()) == set()
    assert "retention.changed" in await found(since=(now - timedelta(minutes=1)).isoformat())
    malformed = await admin.http.get("/api/v1/audit-entries", params={"since": "yesterday"})
    assert malformed.status_code == 422
    first = await admin.get("/audit-entries", limit=1)
    second = await admin.get("/audit-entries", limit=1, cursor=first["next_cursor"])
    assert second["items"][0]["id"] < first["items"][0]["id"]


async def test_the_log_as_csv_is_whole_safe_for_spreadsheets_and_one_tenants(
    desk: Desk, resources: Resources
) -> None:
    neighbour = await Desk.make(desk.app, resources, desk.dispatcher, desk.simulator)
    await (await neighbour.admin()).put("/retention", {"feed_days": 1})
    admin = await desk.admin()
    await admin.put("/retention", {"feed_days": 2})
    await desk.sql(
        "INSERT INTO audit_entry (id, action, subject, subject_id, details) SELECT "
        "gen_random_uuid(), 'test.made', 'test', '=HYPERLINK(1)', '{}' FROM "
        "generate_series(1, 1500) RETURNING 1"
    )
    answer = await admin.http.get("/api/v1/audit-entries/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["cache-control"] == "no-store"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    # All there were, and that it was fetched.
    assert len(rows) == (await desk.sql("SELECT count(*) FROM audit_entry"))[0][0]
    assert {row["subject_id"] for row in rows if row["action"] == "test.made"} == {"'=HYPERLINK(1)"}
    assert sum(row["action"] == "retention.changed" for row in rows) == 1
    only = await admin.http.get("/api/v1/audit-entries/csv", params={"action": "audit.downloaded"})
    assert len(re.findall("audit.downloaded", only.text)) == 2
    assert (await (await desk.ana()).http.get("/api/v1/audit-entries/csv")).status_code == 403
    await neighbour.aclose()


async def test_nobody_reads_another_tenants_log(desk: Desk, resources: Resources) -> None:
    neighbour = await Desk.make(desk.app, resources, desk.dispatcher, desk.simulator)
    stranger = await neighbour.admin()
    admin = await desk.admin()
    await admin.put("/retention", {"feed_days": 2})
    mine = await admin.get("/audit-entries")
    for wanted in ({"user_id": str(admin.id)}, {"subject_id": str(desk.agent_id)}):
        for path in ("/api/v1/audit-entries", "/api/v1/audit-entries/csv"):
            assert (await stranger.http.get(path, params=wanted)).status_code == 404
    theirs = await stranger.get("/audit-entries")
    assert not {e["id"] for e in mine["items"]} & {e["id"] for e in theirs["items"]}
    # A cursor out of another tenant's list shows nothing of it either.
    page = await admin.get("/audit-entries", limit=1)
    if page["next_cursor"]:
        peeked = await stranger.get("/audit-entries", cursor=page["next_cursor"])
        assert not {e["id"] for e in mine["items"]} & {e["id"] for e in peeked["items"]}
    assert (await (await desk.ana()).http.get("/api/v1/audit-entries")).status_code == 403
    await neighbour.aclose()
