"""Tenants and their people, as an operator looks after them from the shell."""

import json
from typing import Any
from uuid import uuid4

from tests.desk import Desk


async def test_an_operator_makes_a_tenant_suspends_it_and_serves_it_again(
    desk: Desk, commands: Any
) -> None:
    slug = f"leaf-{uuid4().hex[:10]}"
    made, taken, wrong, listed, suspended, gone, resumed = await commands(
        f"tenants create Leaf --slug {slug} --max-users 5 --json",
        f"tenants create Leaf --slug {slug}",
        "tenants create Leaf --slug NOT/A/SLUG",
        "tenants list --json",
        f"tenants suspend {slug} --reason unpaid",
        f"tenants suspend nobody-{slug} --reason unpaid",
        f"tenants resume {slug} --json",
    )
    assert made["code"] == 0, made["stderr"]
    tenant = json.loads(made["stdout"])
    assert (tenant["slug"], tenant["status"], tenant["max_users"]) == (slug, "ACTIVE", 5)
    assert (taken["code"], wrong["code"], gone["code"]) == (1, 2, 1)
    assert slug in {each["slug"] for each in json.loads(listed["stdout"])}
    assert suspended["stdout"] == f"{slug} is SUSPENDED.\n"
    assert json.loads(resumed["stdout"])["status"] == "ACTIVE"
    async with desk.resources.db.system() as connection:
        entries = await connection.fetch(
            "SELECT action, user_id FROM audit_entry WHERE tenant_id = $1 ORDER BY id", tenant["id"]
        )
    assert [tuple(entry) for entry in entries] == [
        ("tenant.created", None),
        ("tenant.suspended", None),
        ("tenant.resumed", None),
    ]


async def test_an_operator_sees_who_belongs_to_a_tenant_and_puts_them_out(
    desk: Desk, commands: Any
) -> None:
    ana = await desk.ana()
    (row,) = await desk.sql("SELECT slug FROM tenant")
    listed, plain, out, stranger = await commands(
        f"users list --tenant {row['slug']} --json",
        f"users list --tenant {row['slug']}",
        f"users sign-out {ana.email} --tenant {row['slug']} --json",
        f"users sign-out nobody@example.com --tenant {row['slug']}",
    )
    people = {each["email"]: each for each in json.loads(listed["stdout"])}
    assert people[ana.email]["role"] == "HUMAN_AGENT"
    assert "3 in all." in plain["stdout"]
    assert json.loads(out["stdout"])["id"] == str(ana.id)
    assert (stranger["code"], "Traceback" in stranger["stderr"]) == (1, False)
    async with desk.resources.db.system() as connection:
        open_sessions = await connection.fetchval(
            "SELECT count(*) FROM user_session WHERE user_id = $1 AND revoked_at IS NULL", ana.id
        )
    assert open_sessions == 0
    (entry,) = await desk.sql(
        "SELECT subject_id FROM audit_entry WHERE action = 'member.signed_out'"
    )
    assert entry["subject_id"] == str(ana.id)


async def test_invites_and_new_passwords_need_a_way_to_send_them(desk: Desk, commands: Any) -> None:
    (row,) = await desk.sql("SELECT slug FROM tenant")
    admin = desk.people[0].email
    invited, stranger, reset = await commands(
        f"users invite cora@example.com --tenant {row['slug']} --admin {admin}",
        f"users invite cora@example.com --tenant {row['slug']} --admin nobody@example.com",
        f"users reset {admin}",
    )
    for told in (invited, stranger, reset):
        assert (told["code"], "Traceback" in told["stderr"]) == (1, False), told
    assert "MAIL__SMTP_HOST" in invited["stderr"]
    assert "There is no admin" in stranger["stderr"]
