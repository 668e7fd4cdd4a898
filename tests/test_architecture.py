"""What care would forget: borders, policies, keys, declarations."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlmodel import SQLModel

import frontdesk
from frontdesk.core.api import Allow, _anyone
from frontdesk.core.settings import Settings
from frontdesk.core.work import Due
from frontdesk.observability.invariants import WORDS
from frontdesk.worker import due_kinds

SOURCE = Path(frontdesk.__file__).parent
# Methods whose meaning their base class gives.
OVERRIDING = {"wire", "capture_signals", "shutdown", "in_words"}
NO_CONTEXTS = {"core", "cli", "demo"}
CONTEXTS = sorted(
    path.name
    for path in SOURCE.iterdir()
    if (path / "__init__.py").exists() and path.name not in NO_CONTEXTS
)
# Tables of no tenant: reached before the tenant is known, or the platform's own.
WITHOUT_TENANT = {
    "tenant",
    "app_user",
    "user_session",
    "login_throttle",
    "outgoing_mail",
    "password_reset",
    "recovery_code",
    "totp_factor",
    "webhook_event",
    "worker_heartbeat",
    "model_check",
    "price",
    "price_change",
    "stripe_event",
    "alembic_version",
}
# What its policy says of every tenant table, of what is read and of what is written.
MINE = "(tenant_id=(NULLIF(current_setting('app.tenant_id',true),''))::uuid)"
# Unique on purpose over all tenants: the tenant is found by it.
UNIQUE_OVER_TENANTS = {"uq_channel_phone_number_id", "uq_stripe_account_customer_id"}
# Who may see all tenants at once, and what for.
SYSTEM_DOOR = {
    "core/db.py": "the door itself",
    "core/work.py": "sweeps",
    "core/resealing.py": "sealed values of all tenants, for a new key",
    "worker.py": "heartbeats, raw webhooks' retention",
    "conversation/searching.py": "ids of what was found, which the tenant's transaction reads",
    "knowledge/searching.py": "ids of what may fit, which the tenant's transaction reads",
    "demo": "making the first tenant",
    "cli/tending.py": "what an operator looks after, in all tenants",
    "cli/prompting.py": "finding the tenant an operator names",
    "cli/replaying.py": "an operator names a call, not its tenant",
    "cli/tracing.py": "an operator names a message, not its tenant",
    "cli/channels.py": "an operator sees the numbers of all tenants",
    "cli/billing.py": "an operator sees the accounts of all tenants",
    "cli/erasing.py": "an operator sees the erasures of all tenants",
    "billing/stripe/settling.py": "an operator sees the stuck batches of all tenants",
    "billing/stripe/events.py": "Stripe's events have no tenant yet",
    "billing/price_list.py": "prices are of no tenant, and their lack shows in all ledgers",
    "pipeline/receive.py": "raw webhooks have no tenant yet",
    "pipeline/dead_letters.py": "operators see the dead letters of all tenants",
    "pipeline/dead_webhooks.py": "raw webhooks have no tenant yet",
    "pipeline/shedding.py": "how long the oldest due work of each has waited",
    "messaging/inbox.py": "raw webhooks have no tenant yet",
    "feed/fanout.py": "one poll for the tenants that are watched",
    "messaging/token_checks.py": "an operator asks about the numbers of all tenants",
    "doctor": "an operator looks at the whole deployment",
    "messaging/work.py": "raw webhooks' retention",
    "messaging/registry.py": "finding the tenant of a number",
    "gateway/model_checks.py": "whether models answer, which is of no tenant",
    "identity": "signing in comes before the tenant",
    "privacy/erasures.py": "raw webhooks, and rows that are append-only otherwise",
    "observability/work.py": "texts of model calls, which are append-only otherwise",
    "observability/drills.py": "what each worker simulates for whom",
    "observability/health.py": "the oldest unfinished work of all",
    "observability/overdue.py": "the oldest unfinished work of all",
}


def _modules() -> list[Any]:
    names = [name for _, name, _ in pkgutil.walk_packages([str(SOURCE)], "frontdesk.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def test_no_context_exports_a_table() -> None:
    for context in CONTEXTS:
        module = importlib.import_module(f"frontdesk.{context}")
        for name in getattr(module, "__all__", ()):
            exported = getattr(module, name)
            is_table = inspect.isclass(exported) and hasattr(exported, "__table__")
            assert not is_table, f"{context} exports the table {name}"


def test_a_contexts_front_door_only_re_exports() -> None:
    for context in CONTEXTS:
        tree = ast.parse((SOURCE / context / "__init__.py").read_text())
        for node in tree.body:
            allowed = isinstance(node, ast.Expr | ast.Import | ast.ImportFrom | ast.Assign)
            assert allowed, f"{context}/__init__.py holds more than re-exports"


def test_the_web_process_never_loads_what_only_workers_need() -> None:
    heavy = {"litellm", "aiohttp", "stripe"}
    code = f"import sys, frontdesk.main; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_kind_of_due_work_is_registered(settings: Settings) -> None:
    registered = {due.kind for due in due_kinds(settings)}
    declared = {
        value.kind
        for module in _modules()
        for value in vars(module).values()
        if isinstance(value, Due)
    }
    assert declared <= registered


async def test_every_tenant_table_is_sealed_and_led_by_its_tenant(admin_sql: Any) -> None:
    tables = await admin_sql.fetch(
        "SELECT c.oid, c.relname AS name, c.relrowsecurity, c.relforcerowsecurity, "
        "ARRAY(SELECT pg_get_expr(p.polqual, c.oid) || ' / ' || pg_get_expr(p.polwithcheck, c.oid) "
        "FROM pg_policy p WHERE p.polrelid = c.oid) AS policies, "
        "EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid "
        "AND a.attname = 'tenant_id') AS has_tenant "
        "FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
    )
    assert {t["name"] for t in tables} >= {"conversation", "message", "outbound"}
    for table in tables:
        name = table["name"]
        if name in WITHOUT_TENANT:
            continue
        assert table["has_tenant"], f"{name} has no tenant_id"
        assert table["relrowsecurity"], f"{name} has no row-level security"
        assert table["relforcerowsecurity"], f"{name} is not forced"
        # Policies add up: a second, laxer one would open what the first one closes.
        (policy,) = table["policies"]
        for side in policy.split(" / "):
            assert re.sub(r"\s|::text", "", side) == MINE, f"{name} lets in more: {side}"


async def test_every_key_of_a_tenant_table_begins_with_the_tenant(admin_sql: Any) -> None:
    keys = await admin_sql.fetch(
        "SELECT t.relname AS table, i.relname AS key, a.attname AS first FROM pg_index x "
        "JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid "
        "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0] "
        "WHERE x.indisunique AND t.relnamespace = 'public'::regnamespace"
    )
    for key in keys:
        if key["table"] in WITHOUT_TENANT or key["key"] in UNIQUE_OVER_TENANTS:
            continue
        assert key["first"] == "tenant_id", f"{key['key']} does not begin with tenant_id"


async def test_every_reference_between_tenant_tables_carries_the_tenant(admin_sql: Any) -> None:
    references = await admin_sql.fetch(
        "SELECT c.conname AS name, t.relname AS table, f.relname AS to, (SELECT a.attname "
        "FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attnum = c.conkey[1]) AS first "
        "FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
        "JOIN pg_class f ON f.oid = c.confrelid WHERE c.contype = 'f'"
    )
    assert references
    for reference in references:
        if reference["to"] in WITHOUT_TENANT:
            continue
        assert reference["first"] == "tenant_id", reference["name"]


async def test_nothing_in_the_database_sees_more_than_who_asks(admin_sql: Any) -> None:
    beyond = await admin_sql.fetch(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND (relkind = 'm' OR relkind = 'v' AND NOT coalesce(reloptions, '{}') "
        "@> '{security_invoker=true}') UNION ALL SELECT proname FROM pg_proc "
        "WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )
    assert [row["name"] for row in beyond] == []


async def test_the_applications_role_owns_nothing_and_bypasses_nothing(admin_sql: Any) -> None:
    roles = {
        row["rolname"]: row
        for row in await admin_sql.fetch("SELECT * FROM pg_roles WHERE rolname LIKE 'frontdesk%'")
    }
    app = roles["frontdesk_app"]
    assert not app["rolsuper"]
    assert not app["rolbypassrls"]
    assert not roles["frontdesk_system"]["rolsuper"]
    owned = await admin_sql.fetch(
        "SELECT relname FROM pg_class WHERE relowner = 'frontdesk_app'::regrole"
    )
    assert owned == []
    for table in ("audit_entry", "llm_call", "usage_entry", "turn"):
        for right in ("UPDATE", "DELETE"):
            allowed = await admin_sql.fetchval(
                "SELECT has_table_privilege('frontdesk_app', $1, $2)", table, right
            )
            assert not allowed, f"{table} can be rewritten"


def test_only_those_named_here_see_all_tenants_at_once() -> None:
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE).as_posix()
        uses = {
            node.attr
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Attribute)
            and node.attr in ("system", "system_transaction")
            and ast.unparse(node.value).split(".")[-1] in ("db", "database")
        }
        known = any(place == name or place.startswith(f"{name}/") for name in SYSTEM_DOOR)
        assert not uses or known, f"{place} opens the system door"


def _calls(dependant: Any) -> Any:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _calls(dependency)


def test_every_route_says_who_may_call_it(app: FastAPI) -> None:
    seen = 0
    for context in iter_route_contexts(app.routes):
        route = context.route
        if not isinstance(route, APIRoute):
            continue
        seen += 1
        calls = list(_calls(route.dependant))
        dependencies = [d.dependency for d in getattr(context, "dependencies", []) or []]
        declared = any(isinstance(c, Allow) or c is _anyone for c in [*calls, *dependencies])
        assert declared, f"{route.methods} {route.path} does not say who may call it"
    assert seen > 40


def test_every_operation_is_described_with_its_errors(app: FastAPI) -> None:
    schema = app.openapi()
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            where = f"{method.upper()} {path}"
            assert operation.get("summary"), where
            assert operation.get("description"), where
            assert operation.get("tags"), where
            errors = {code for code in operation["responses"] if code >= "400"}
            if path.startswith("/api/"):
                assert {"401", "422", "429"} <= errors, where


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_public_function_has_a_docstring(context: str) -> None:
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    for path in (SOURCE / context).rglob("*.py"):
        body = ast.parse(path.read_text()).body
        classes = [node for node in body if isinstance(node, ast.ClassDef)]
        for node in [*body, *(inner for each in classes for inner in each.body)]:
            overrides = getattr(node, "name", None) in OVERRIDING
            if isinstance(node, definitions) and not node.name.startswith("_") and not overrides:
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_words_that_postgres_does_not_check_are_an_invariant() -> None:
    unchecked = {
        (table.name, column.name): tuple(column.type.enums)
        for table in SQLModel.metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, sa.Enum) and not column.type.create_constraint
    }
    assert unchecked == WORDS


def test_there_is_one_definition_of_each_table() -> None:
    assert len(SQLModel.metadata.tables) == len(set(SQLModel.metadata.tables))
