"""The command line as operators meet it: quick, helpful, and never with a traceback."""

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tests import forked
from tests.conftest import SOURCE
from typer.main import get_command
from typer.testing import CliRunner

from frontdesk.cli import app
from frontdesk.core.settings import with_database, with_user

HEAVY = ("pydantic", "fastapi", "sqlalchemy", "httpx", "uvicorn", "litellm", "asyncpg", "rich")
COMMANDS = [
    "demo",
    "simulator",
    "migrate",
    "init",
    "web",
    "worker",
    "invariants",
    "replay",
    "settings",
    "doctor",
]
GROUPS = {
    "keys": ("generate", "rotate", "status"),
    "simulate": ("chat", "send", "signup"),
    "channels": ("list", "health", "connect", "pause", "resume", "disconnect"),
    "tenants": ("list", "create", "suspend", "resume"),
    "users": ("list", "invite", "reset", "sign-out"),
    "backup": ("check",),
    "openapi": ("export",),
    "drill": ("start", "list", "show", "stop"),
    "dead": ("list", "show", "replay", "discard"),
    "prompts": ("list", "show", "diff", "publish", "rollback", "pull", "push"),
    "erasures": ("list", "start", "reapply"),
    "usage": ("report", "reconcile", "correct"),
    "prices": ("list", "set", "check"),
    "eval": ("import", "export", "run", "gate", "compare"),
}


def frontdesk(
    *arguments: str, give: str = "", **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command in an environment that holds nothing but what a test gives."""
    return forked.frontdesk(*arguments, environment=environment, give=give)


@pytest.fixture
def fresh(servers: dict[str, str]) -> dict[str, str]:
    """The variables of a deployment on a database that does not exist yet."""
    name = f"frontdesk_cli_{uuid4().hex[:12]}"
    return {
        "DATABASE__URL": with_database(with_user(servers["admin"], "frontdesk_app"), name),
        "DATABASE__ADMIN_URL": servers["admin"],
        "REDIS__URL": servers["redis"],
        "SECURITY__SESSION_SECRET": "a-secret-of-tests-and-nothing-else",
        "SECURITY__ENCRYPTION_KEYS": "k1:" + "QUJDRA" * 7 + "A=",
        "WHATSAPP__APP_SECRETS": "an-app-secret",
        "WHATSAPP__VERIFY_TOKEN": "verify",
    }


def test_help_loads_nothing_heavy():
    code = f"""
import sys, frontdesk.cli
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_every_command_is_listed_and_explains_itself():
    overview = CliRunner().invoke(app, ["--help"]).stdout
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", overview, re.MULTILINE), name
        shown = CliRunner().invoke(app, [name, "--help"]).stdout
        assert "Example" in shown, name
        assert "Exit codes:" in shown, name
    for group, names in GROUPS.items():
        for name in names:
            shown = CliRunner().invoke(app, [group, name, "--help"]).stdout
            assert f"frontdesk {group} {name}" in shown
            assert "Exit codes:" in shown


def every_command(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All commands that do something, by how they are called."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from every_command(inner, f"{path} {name}".strip())


def test_every_command_has_an_example_its_exit_codes_and_json():
    # Servers, a terminal, and what prints nothing but JSON.
    without = {"simulator", "web", "worker", "simulate chat", "openapi export", "eval export"}
    for called, command in every_command(get_command(app)):
        options = {option for parameter in command.params for option in parameter.opts}
        assert "Example" in (command.help or ""), called
        assert "Exit codes:" in (command.epilog or ""), called
        assert ("--json" in options) == (called not in without), called


def test_examples_in_help_are_commands_that_exist():
    commands = get_command(app).commands  # type: ignore[attr-defined]  # A group.
    pages = [
        CliRunner().invoke(app, [*path, "--help"]).stdout
        for path in ([], *map(list, zip(COMMANDS)))
    ]
    named = {
        found for page in pages for found in re.findall(r"^ .*?\bfrontdesk (?!-)(\w+)", page, re.M)
    }
    assert named
    assert named <= commands.keys()


def test_the_version_is_printed():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", frontdesk("--version").stdout)


def test_missing_settings_are_all_named_at_once_without_a_traceback():
    for command in (["settings", "--check"], ["web"], ["worker"]):
        done = frontdesk(*command)
        assert done.returncode == 2, command
        for name in ("DATABASE__URL", "REDIS__URL", "SECURITY__SESSION_SECRET"):
            assert name in done.stderr
        assert "Traceback" not in done.stderr


def test_complete_settings_pass_the_check(fresh):
    assert frontdesk("settings", "--check", **fresh).returncode == 0


def test_settings_show_what_is_set_and_never_a_secret():
    done = frontdesk("settings", "--json", WEB__PORT="8001", SECURITY__SESSION_SECRET="x" * 40)
    shown = {variable["name"]: variable for variable in json.loads(done.stdout)}
    assert shown["WEB__PORT"]["value"] == "8001"
    assert shown["SECURITY__SESSION_SECRET"]["set"] is True
    assert "xxxx" not in done.stdout
    plain = frontdesk("settings", SECURITY__SESSION_SECRET="x" * 40).stdout
    assert "xxxx" not in plain
    assert re.search(r"^DATABASE__URL +MISSING$", plain, re.MULTILINE)


def test_a_new_deployment_is_migrated_and_begun_once_however_often_it_is_told(fresh):
    done = frontdesk("migrate", **fresh)
    assert (done.returncode, done.stderr) == (0, "")
    assert "up to date" in done.stdout

    admin = ("--tenant", "Green Leaf & Söhne", "--email", "Mira.Sand@example.com")
    weak = frontdesk("init", *admin, give="short\n", **fresh)
    assert weak.returncode == 1
    assert "12 characters" in weak.stderr
    assert "Traceback" not in weak.stderr

    first = frontdesk(
        "init", "--json", *admin, FRONTDESK_INIT_PASSWORD="eleven purple boats sing", **fresh
    )
    assert first.returncode == 0, first.stderr
    made = json.loads(first.stdout)
    assert made["tenant"]["slug"] == "green-leaf-sohne"
    assert made["created"]["admin"] is True
    assert made["created"]["agent"] is True
    # Nobody looked after the platform yet.
    assert made["created"]["super_admin"] is True

    again = frontdesk("init", "--json", *admin, **fresh)
    assert again.returncode == 0, again.stderr
    same = json.loads(again.stdout)
    assert set(same["created"].values()) == {False}
    assert same["super_admin"] == made["super_admin"] == {"name": "mira.sand@example.com"}
    assert [same[what]["id"] for what in ("tenant", "admin", "agent")] == [
        made[what]["id"] for what in ("tenant", "admin", "agent")
    ]


def test_migrating_begins_a_deployment_that_nobody_types_into(fresh):
    told = {
        "FRONTDESK_INIT__TENANT": "Green Leaf",
        "FRONTDESK_INIT__EMAIL": "Mira@example.com",
        "FRONTDESK_INIT__SUPER_ADMIN_EMAIL": "ops@example.com",
    }
    silent = frontdesk("migrate", **fresh, **told)
    assert silent.returncode == 2
    assert "FRONTDESK_INIT__PASSWORD" in silent.stderr
    passwords = {
        "FRONTDESK_INIT__PASSWORD": "eleven purple boats sing",
        "FRONTDESK_INIT__SUPER_ADMIN_PASSWORD": "seven orange kites hum",
    }
    first, again, plain = forked.one_by_one(
        {**fresh, **told, **passwords}, ["migrate", "--json"], ["migrate", "--json"], ["init"]
    )
    # What the silent one had made before it missed a password stays: the tenant.
    created = json.loads(first["stdout"])["init"]["created"]
    assert created == {"tenant": False, "admin": True, "agent": True, "super_admin": True}
    assert set(json.loads(again["stdout"])["init"]["created"].values()) == {False}
    assert "The super admin ops@example.com was there already." in plain["stdout"]
    assert "Next: frontdesk web and frontdesk worker" in plain["stdout"]
    assert "kites" not in first["stdout"] + first["stderr"]
    rows = asyncio.run(fetch(fresh, "SELECT email, is_super_admin FROM app_user ORDER BY email"))
    assert rows == [("mira@example.com", False), ("ops@example.com", True)]


def test_the_doctor_names_what_is_broken_and_says_so_with_its_exit_code(fresh):
    unset = frontdesk("doctor", "--json")
    assert unset.returncode == 2
    told = json.loads(unset.stdout)
    assert (told["level"], {check["check"] for check in told["checks"]}) == ("broken", {"settings"})
    assert "Traceback" not in unset.stderr
    unmigrated = frontdesk("doctor", **fresh)
    assert unmigrated.returncode == 2
    assert re.search(r"^broken +database +can't be reached", unmigrated.stdout, re.MULTILINE)

    assert frontdesk("migrate", **fresh).returncode == 0
    done = frontdesk("doctor", "--json", **fresh)
    assert done.returncode == 2, done.stderr
    told = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    assert told["row_security"]["level"] == told["extensions"]["level"] == "ok"
    assert (told["workers"]["level"], told["model_keys"]["level"]) == ("broken", "broken")
    assert "frontdesk worker" in told["workers"]["fix"]


def test_commands_stand_under_what_one_wants_to_do_and_none_is_left_out():
    overview = CliRunner().invoke(app, ["--help"]).stdout
    commands = get_command(app)
    for title, names in commands.sections.items():  # type: ignore[attr-defined]  # An overview.
        assert f"{title}:" in overview
        assert names
    for name in commands.commands:  # type: ignore[attr-defined]  # A group.
        assert re.search(rf"^  {name} ", overview, re.MULTILINE), name


def test_the_api_is_described_without_settings_or_services(tmp_path):
    printed = frontdesk("openapi", "export")
    assert printed.returncode == 0, printed.stderr
    described = json.loads(printed.stdout)
    assert "/api/v1/conversations" in described["paths"]
    file = tmp_path / "openapi.json"
    assert frontdesk("openapi", "export", "--output", str(file)).returncode == 0
    assert json.loads(file.read_text()) == described


def test_a_backup_is_named_one_way_or_the_other(tmp_path):
    both = frontdesk("backup", "check", "a.dump", "--restored", "postgresql://x")
    assert both.returncode == frontdesk("backup", "check").returncode == 2
    missing = frontdesk("backup", "check", str(tmp_path / "none.dump"), "--json")
    assert (missing.returncode, json.loads(missing.stdout)["level"]) == (2, "broken")


def test_an_operator_proves_the_promises_and_moves_what_is_stuck(fresh):
    assert frontdesk("migrate", **fresh).returncode == 0
    sql = (
        "INSERT INTO webhook_event (source, body, state, attempts, last_error, received_at) VALUES "
        "('whatsapp', 'no json', 'dead', 4, 'unreadable: no JSON', now()), "
        "('whatsapp', '{}', 'pending', 0, NULL, now() - interval '1 hour'), "
        "('whatsapp', 'nor this', 'dead', 4, 'unreadable: no JSON', now())"
    )
    asyncio.run(execute(fresh, sql))
    nobody = str(uuid4())
    proven, broken, discarded, listed, shown, first, again, no_letter, no_id = forked.one_by_one(
        fresh,
        ["invariants", "--older-than-minutes", "90"],
        ["invariants", "--json"],
        ["dead", "discard", "3", "--json"],
        ["dead", "list", "--json"],
        ["dead", "show", "1"],
        ["dead", "replay", "1"],
        ["dead", "replay", "1", "--json"],
        ["dead", "show", nobody],
        ["dead", "show", "what?"],
    )
    assert (proven["code"], proven["stderr"]) == (0, "")
    assert broken["code"] == 1
    assert "webhooks_are_received" in broken["stderr"]
    by_name = {result["name"]: result for result in json.loads(broken["stdout"])}
    assert by_name["webhooks_are_received"]["broken"] == 1
    assert by_name["one_outcome"]["ok"] is True

    assert json.loads(discarded["stdout"])["changed"] is True
    (letter,) = json.loads(listed["stdout"])
    assert (letter["number"], letter["kind"], letter["tenant_ids"]) == (1, "webhook", [])
    assert "no json" in shown["stdout"]
    assert f"frontdesk dead replay {letter['id']}" in shown["stdout"]
    assert (first["code"], "tried again" in first["stdout"]) == (0, True)
    assert json.loads(again["stdout"])["changed"] is False
    for told, code in ((no_letter, 1), (no_id, 2)):
        assert (told["code"], "Traceback" in told["stderr"]) == (code, False), told["stderr"]
        assert told["stderr"].strip()


def test_migrate_without_the_right_to_prepare_prints_the_sql_and_exits_with_3(fresh):
    del fresh["DATABASE__ADMIN_URL"]
    done = frontdesk("migrate", **fresh)
    assert done.returncode == 3
    assert "CREATE DATABASE" in done.stdout
    assert "CREATE EXTENSION IF NOT EXISTS vector;" in done.stdout
    assert "administrator" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["migrate"], ["init", "--tenant", "T", "--email", "a@b.cd"]])
def test_a_database_that_is_not_there_is_told_in_a_sentence(fresh, command):
    del fresh["DATABASE__ADMIN_URL"]
    with closed_port() as port:
        nowhere = f"postgresql://frontdesk_app@127.0.0.1:{port}/frontdesk"
        done = frontdesk(*command, **fresh | {"DATABASE__URL": nowhere})
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_told_in_a_sentence(fresh):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = frontdesk("web", **fresh, WEB__PORT=port)
        assert done.returncode == 1
        assert f"127.0.0.1:{port}" in done.stderr
        assert "WEB__PORT" in done.stderr
        done = frontdesk("simulator", "--port", port)
        assert done.returncode == 1
        assert "in use" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--send-fault", "no_such=0.1"],
        ["--model-fault", "hang=often"],
        ["--latency", "fast"],
    ],
)
def test_the_simulator_refuses_what_it_does_not_know(arguments):
    done = frontdesk("simulator", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_phone_without_a_demo_says_how_to_get_one(tmp_path):
    done = frontdesk("simulate", "send", "Hi", "--folder", str(tmp_path))
    assert done.returncode == 1
    assert "frontdesk demo" in done.stderr


def test_a_phone_without_a_simulator_is_told_in_a_sentence():
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}"
        done = frontdesk("simulate", "send", "Hi", "--url", url)
    assert done.returncode == 1
    assert url in done.stderr
    assert "Traceback" not in done.stderr


async def execute(environment: dict[str, str], sql: str) -> None:
    name = environment["DATABASE__URL"].rpartition("/")[2]
    connection = await asyncpg.connect(with_database(environment["DATABASE__ADMIN_URL"], name))
    await connection.execute(sql)
    await connection.close()


async def fetch(environment: dict[str, str], sql: str) -> list[tuple[Any, ...]]:
    name = environment["DATABASE__URL"].rpartition("/")[2]
    connection = await asyncpg.connect(with_database(environment["DATABASE__ADMIN_URL"], name))
    rows = await connection.fetch(sql)
    await connection.close()
    return [tuple(row) for row in rows]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections: it is kept, so that nobody else begins to listen there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield int(probe.getsockname()[1])
