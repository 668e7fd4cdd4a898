"""What the tests of isolation know of ids: where a tenant's own come from, and what is none.

**A new route, parameter or field.** What looks like an id (see `Slot.names_something`) and is not
known here fails `test_crossing.py` with its name. Then add one of two lines:

- to `KINDS`, under the parameter's or field's name (or `operation_id.name`, when another operation
  means something else by it), with a query that gives one such id of the tenant `$1`. When there is
  none yet in a furnished tenant, let `furnish` make one the way a customer would.
- to `NO_IDS`, with the reason, when no row of a tenant is named by it.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from tests.desk import Desk
from tests.isolation.operations import Operation, Slot

from frontdesk.knowledge import note_gap
from frontdesk.observability import Outage
from frontdesk.pipeline import start_drill, stop_drill
from frontdesk.simulator.threads import Template

MISSING_ID = "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"


@dataclass(frozen=True)
class Kind:
    """A kind of id.

    Args:
        query: gives one of the tenant `$1`.
        missing: one that no tenant has.
        is_place: it says where in one's own rows to go on: nobody's is refused, and any may differ
            from a missing one, but what is shown must be one's own.
    """

    query: str
    missing: str | int = MISSING_ID
    is_place: bool = False


def _newest(table: str, column: str = "id", where: str = "true") -> str:
    return f"SELECT {column} FROM {table} WHERE tenant_id = $1 AND {where} ORDER BY 1 DESC LIMIT 1"


_PROMPT_VERSION = Kind(
    "SELECT version FROM prompt_version WHERE tenant_id = $1 ORDER BY created_at DESC LIMIT 1",
    "9.9.9",
)
_MEMBER = Kind(_newest("membership", "user_id"))
_SEQ = Kind(_newest("feed_event", "seq"), 9_999_999, is_place=True)
KINDS: dict[str, Kind] = {
    "agent_id": Kind(_newest("agent")),
    "batch_id": Kind(_newest("stripe_batch")),
    "anomaly_id": Kind(_newest("usage_anomaly")),
    "backtest_id": Kind(_newest("rule_backtest")),
    "budget_id": Kind(_newest("budget")),
    "call_id": Kind(_newest("llm_call")),
    "channel_id": Kind(_newest("channel")),
    "commitment_id": Kind(_newest("commitment")),
    "contact_id": Kind(_newest("contact")),
    "drill_id": Kind(_newest("drill")),
    "conversation_id": Kind(_newest("conversation")),
    "entry_id": Kind(_newest("usage_entry", where="corrects_id IS NULL")),
    "erasure_id": Kind(_newest("erasure")),
    "experiment_id": Kind(_newest("prompt_experiment")),
    "export_id": Kind(_newest("data_export")),
    "invite_id": Kind(_newest("invite")),
    "key_id": Kind(_newest("api_key")),
    "letter_id": Kind(_newest("outbound", where="state = 'failed'")),
    "media_id": Kind(_newest("media")),
    "message_id": Kind(_newest("outbound", where="state = 'needs_attention'")),
    "note_id": Kind(_newest("note")),
    "preview_id": Kind(_newest("agent_preview")),
    "preview_agent.version": Kind(_newest("agent_version", "version"), 99_999),
    "replay_id": Kind(_newest("llm_replay")),
    "start_eval_run.version": Kind(_newest("agent_version", "version"), 99_999),
    "start_traffic_run.version": Kind(_newest("agent_version", "version"), 99_999),
    "run_id": Kind(_newest("eval_run")),
    "dataset_id": Kind(_newest("eval_dataset")),
    "case_id": Kind(_newest("eval_case")),
    "proposal_id": Kind(_newest("eval_proposal")),
    "with": Kind(_newest("eval_run")),
    "saved_reply_id": Kind(_newest("saved_reply")),
    "gap_id": Kind(_newest("knowledge_gap")),
    "article_id": Kind(_newest("learnt_article")),
    "session_id": Kind(_newest("user_session")),
    "source_id": Kind(_newest("knowledge_source")),
    "site_id": Kind(_newest("knowledge_source"), is_place=True),
    "team_id": Kind(_newest("team")),
    "template_id": Kind(_newest("message_template")),
    "turn_id": Kind(_newest("turn")),
    "user_id": _MEMBER,
    "assigned_to": _MEMBER,
    "draft_id": Kind(_newest("suggestion")),
    "suggestion_id": Kind(_newest("suggestion")),
    "start_suggestion.message_id": Kind(_newest("message")),
    "around": Kind(_newest("message")),
    # Not one that other tests ask for in vain: that is in one's own audit log then.
    "subject_id": Kind(_newest("prompt"), "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e002"),
    "tenant_id": Kind("SELECT id FROM tenant WHERE id = $1"),
    "switch_tenant.tenant": Kind("SELECT slug FROM tenant WHERE id = $1", "nobody-at-all"),
    "roll_back_agent.version": Kind(_newest("agent_version", "version"), 99_999),
    "diff_agent_versions.from": Kind(_newest("agent_version", "version"), 99_999),
    "diff_agent_versions.to": Kind(_newest("agent_version", "version"), 99_999),
    "version": _PROMPT_VERSION,
    "diff_prompt_versions.from": _PROMPT_VERSION,
    "diff_prompt_versions.to": _PROMPT_VERSION,
    "after": _SEQ,
    "last-event-id": _SEQ,
}
# By name, or by `operation_id.name`.
NO_IDS = {
    "access_token": "a secret of WhatsApp's",
    "challenge": "a secret, which proves itself",
    "token": "a secret, which proves itself",
    "api_key": "a secret of a model provider's",
    "code": "a secret, which proves itself",
    "hub.verify_token": "a secret, which proves itself",
    "company_name": "text",
    "prompt_name": "one of Frontdesk's own prompts, which are the same for all",
    "prompt_version": "a word that the tenant's own rows are compared with",
    "mentions": "a list; `test_desk_tools.py` names a stranger in it, which any other tenant's user is",
    "return_to": "a word of ours",
    "url": "of a tool; the tenant's own to say",
    "provider": "one of Frontdesk's own list",
    "name": "text, or one of Frontdesk's own prompts, which are the same for all",
    "label": "a word, looked up under the tenant's own prompt",
    "slug": "of a tenant that is made; the platform sees them all",
    "sign_in.tenant": "only who belongs there gets further",
    "phone_number_id": "of WhatsApp's; whoever connected it has it, and others are told so",
    "waba_id": "of WhatsApp's; whoever connected it has it, and others are told so",
    "group_by": "a word of ours",
    "seen_message_id": "compared within the thread of the conversation in the path, and never shown",
    "number": "a place in the list that the conversation in the path has",
    "move_experiment.to": "a word of ours",
    "month": "a month",
    "effective_from": "a day",
    "report_usage.from": "a day",
    "report_repeated_facts.from": "a day",
    "report_repeated_facts.to": "a day",
    "report_usage.to": "a day",
    "invoice_id": "of Stripe's; `test_stripe_reconciling.py` asks for another tenant's",
    "list_meter_batches.from": "a time",
    "list_meter_batches.to": "a time",
    "If-Match": "the version of the row that the path names",
    "Idempotency-Key": "the client's own word; `test_shared_ground.py` uses one in two tenants",
    "cursor": "`test_crossing.py` takes those that the other tenant's own lists give out",
}


def kind_of(operation: Operation, slot: Slot) -> Kind | None:
    """The kind of id that goes there; None is no id at all."""
    if not slot.names_something:
        return None
    for name in (f"{operation.id}.{slot.name}", slot.name):
        if name in KINDS:
            return KINDS[name]
        if name in NO_IDS:
            return None
    raise AssertionError(
        f"{operation} takes {slot.where} {'.'.join(map(str, slot.place))}: add a line for "
        f"`{slot.name}` or `{operation.id}.{slot.name}` to KINDS or NO_IDS in {__name__}"
    )


async def id_of(admin_sql: asyncpg.Connection, kind: Kind, tenant_id: UUID) -> str | int:
    """One such id of a furnished tenant."""
    value = await admin_sql.fetchval(kind.query, tenant_id)
    assert value is not None, f"a furnished tenant has none: let `furnish` make one ({kind.query})"
    return value if isinstance(value, int) else str(value)


async def furnish(desk: Desk, admin_sql: asyncpg.Connection, mark: str, times: int) -> None:
    """Give a tenant some of everything, each with a mark in its words.

    Args:
        times: how many versions of what has numbered ones; more than another tenant has.
    """
    admin, agent = await desk.admin(), f"/agents/{desk.agent_id}"
    templates = (Template(mark, body=mark),)
    desk.simulator.register_channel(desk.phone_number_id, templates=templates)
    await admin.post("/templates/sync")
    await admin.post("/invites", {"email": f"new@{mark}.example", "role": "ADMIN"})
    await admin.post("/api-keys", {"name": mark, "scopes": ["usage:read"]})
    (tenant,) = await desk.sql("SELECT slug FROM tenant")
    drill = await start_drill(
        desk.resources, desk.id, Outage.REDIS, minutes=1, confirm=tenant["slug"]
    )
    await stop_drill(desk.resources, desk.id, drill.id)
    golden = await admin.post(f"{agent}/eval-datasets", {"name": "golden"})
    case = {"name": mark, "messages": [mark]}
    await admin.post(f"/eval-datasets/{golden['id']}/cases", {"cases": [case]})
    await admin.post(f"{agent}/eval-runs", {})
    config = (await admin.get(agent))["config"]
    await admin.post(f"{agent}/rule-backtests", {"config": config})
    await admin.post(f"{agent}/preview", {"messages": [mark]})
    team = await admin.post("/teams", {"name": mark, "skills": [mark]})
    await admin.put(f"/teams/{team['id']}/members/{admin.id}")
    await admin.post("/budgets", {"scope": "tenant", "period": "month", "hard_usd": "90"})
    for number in range(times):
        text = f"{mark} {number} {{{{ company_name }}}} {{{{ facts }}}}"
        await admin.post("/prompts/reply/versions", {"content": text, "note": mark})
        await desk.configure(persona=f"{mark} {number}")
    versions = await admin.get("/prompts/reply/versions")
    variant = {"name": "other", "version": versions["items"][0]["version"], "share": 0.01}
    experiments = "/prompts/reply/experiments"
    tried = await admin.post(experiments, {"name": mark, "variants": [variant]})
    await admin.post(f"{experiments}/{tried['id']}/move", {"to": "rolled_back"})
    await desk.say("Hello!", number="49155503", name=mark)
    gone = await admin_sql.fetchval("SELECT id FROM contact WHERE tenant_id = $1", desk.id)
    started = await admin.post("/erasures", {"contact_id": str(gone)})
    await desk.work_until_idle()
    erasure = await admin.get(f"/erasures/{started['id']}")
    assert erasure["state"] == "done", "it would take the export along when it goes on"
    desk.phone("49155502", name=mark).say("I want to talk to a person, now.")
    desk.phone("49155502", name=mark).send_image(mark)
    await desk.say(f"How long does shipping take? {mark}", number="49155501", name=mark)
    page = await admin.get("/conversations", contact="49155501", order="recent", limit=1)
    asking = page["items"][0]["id"]
    async with desk.resources.db.hot(desk.id) as tx:
        said = f"Do you repair lamps, {mark}?"
        await note_gap(tx, desk.agent_id, UUID(asking), question=said, missing=mark, language="en")
        await tx.sql.execute(
            "INSERT INTO learnt_article (id, agent_id, learnt_from, content_hash, conversation_id, "
            "title, body, state) VALUES ($1, $2, 'answer', $3, $4, $3, $3, 'proposed')",
            uuid4(),
            desk.agent_id,
            mark,
            UUID(asking),
        )
    conversation = f"/conversations/{asking}"
    await admin.post(f"{conversation}/notes", {"text": mark})
    thread = (await admin.get(f"{conversation}/messages"))["items"]
    answer = next(message for message in thread if message["author"] == "agent")
    await admin.put(f"/messages/{answer['id']}/rating", {"value": "down", "comment": mark})
    await admin.post(f"{agent}/eval-proposals")
    await admin.post(f"{conversation}/take-over")
    await admin.post(f"{conversation}/messages", {"text": f"We will refund {mark} by Friday."})
    rewrite = {"task": "rewrite", "style": "fix", "text": mark}
    await admin.post(f"{conversation}/suggestions", rewrite)
    await admin.put(f"{conversation}/tags", {"tags": [mark]})
    await admin.put(f"{conversation}/draft", {"text": mark})
    await admin.post("/saved-replies", {"shortcut": mark, "text": mark})
    await admin.post("/exports", {})
    call = (await admin.get("/llm-calls", limit=1))["items"][0]
    await admin.post(f"/llm-calls/{call['id']}/replay", {})
    await desk.work_until_idle()
    await admin_sql.execute(
        "INSERT INTO stripe_batch (tenant_id, id, meter, hour_at, entries, quantity, state) "
        "VALUES ($1, gen_random_uuid(), 'tokens', now(), 1, 1, 'sent')",
        desk.id,
    )
    await admin_sql.execute(
        "UPDATE outbound SET last_error = $2, state = CASE WHEN id::text = (SELECT max(id::text) "
        "FROM outbound WHERE tenant_id = $1) THEN 'failed' ELSE 'needs_attention' END "
        "WHERE tenant_id = $1",
        desk.id,
        mark,
    )
    await admin_sql.execute(
        "INSERT INTO usage_anomaly (tenant_id, id, hour, measure, value, usual, bound, reason) "
        "VALUES ($1, gen_random_uuid(), now(), 'cost', 9, 1, 3, $2)",
        desk.id,
        mark,
    )


async def marks_of(admin_sql: asyncpg.Connection, tenant_id: UUID) -> set[str]:
    """The ids of a tenant's rows, in all of its tables."""
    tables = await admin_sql.fetch(
        "SELECT table_name AS name FROM information_schema.columns c WHERE table_schema = 'public' "
        "AND column_name = 'id' AND data_type = 'uuid' AND EXISTS (SELECT 1 FROM "
        "information_schema.columns t WHERE t.table_name = c.table_name "
        "AND t.table_schema = 'public' AND t.column_name = 'tenant_id')"
    )
    union = " UNION ALL ".join(f"SELECT id FROM {t['name']} WHERE tenant_id = $1" for t in tables)
    return {str(tenant_id), *(str(row["id"]) for row in await admin_sql.fetch(union, tenant_id))}


# What a request may leave behind although it is refused, or only reads.
_TRACES = {
    "audit_entry": "the line about it",
    "worker_heartbeat": "of no tenant",
    "login_throttle": "of no tenant",
    "alembic_version": "of no tenant",
}
_TRACE_COLUMNS = ["seen_at", "last_used_at", "renewed_at", "generation"]


async def fingerprint(admin_sql: asyncpg.Connection, *tenant_ids: UUID) -> dict[str, str]:
    """A hash of each table: of the rows of these tenants, and of all rows where there is none."""
    tables: list[Any] = await admin_sql.fetch(
        "SELECT c.relname AS name, EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid "
        "AND a.attname = 'tenant_id') AS has_tenant FROM pg_class c WHERE c.relkind = 'r' "
        "AND c.relnamespace = 'public'::regnamespace ORDER BY 1"
    )
    parts = [
        f"SELECT '{t['name']}' AS name, md5(coalesce(string_agg(row, ',' ORDER BY row), '')) AS "
        f"hash FROM (SELECT (to_jsonb(t) - $2::text[])::text AS row FROM {t['name']} t "
        f"WHERE {'t.tenant_id = ANY($1)' if t['has_tenant'] else '$1::uuid[] IS NOT NULL'}) rows"
        for t in tables
        if t["name"] not in _TRACES
    ]
    rows = await admin_sql.fetch(" UNION ALL ".join(parts), list(tenant_ids), _TRACE_COLUMNS)
    return {row["name"]: row["hash"] for row in rows}
