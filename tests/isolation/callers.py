"""Whoever may ask: each role of a tenant, super admins, an API key of each scope, and nobody."""

import re
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from tests.desk import PASSWORD, Desk
from tests.isolation.asking import ORIGIN, Answer, ask

from frontdesk import identity
from frontdesk.core.api import Allow
from frontdesk.core.callers import Role, Scope

SUPER_ADMIN, ACTING, NOBODY = "SUPER_ADMIN", "SUPER_ADMIN acting", "nobody"


@dataclass(frozen=True)
class Caller:
    """Somebody with what proves who they are."""

    name: str
    headers: dict[str, str]
    role: Role | None = None
    scope: Scope | None = None

    @property
    def is_in_tenant(self) -> bool:
        return self.name not in (SUPER_ADMIN, NOBODY)

    @property
    def is_super_admin(self) -> bool:
        return self.name in (SUPER_ADMIN, ACTING)

    def may(self, rule: Allow | None) -> bool:
        """Whether an operation that declares this lets them in."""
        if rule is None:
            return True
        if self.scope is not None:
            return rule.scope is self.scope
        if self.is_super_admin and rule.super_admin:
            return True
        return self.role is not None and self.role in rule.roles


async def sign_in(app: FastAPI, email: str) -> dict[str, str]:
    """The headers of a signed-in browser of ours."""
    answer = await ask(
        app,
        "POST",
        "/api/v1/auth/sign-in",
        headers={"origin": ORIGIN},
        json_body={"email": email, "password": PASSWORD},
    )
    assert answer.status == 200, answer.text
    cookies = re.findall(r"(frontdesk[\w-]*=[^;]+);", answer.header("set-cookie"))
    return {"origin": ORIGIN, "cookie": "; ".join(cookies)}


async def callers_of(app: FastAPI, desk: Desk) -> list[Caller]:
    """Everybody who may ask something of this tenant, freshly signed in."""
    platform, acting = [
        await sign_in(app, await _super_admin(desk, name)) for name in ("sue", "sam")
    ]
    way_in = f"/api/v1/tenants/{desk.id}/act-as"
    entered = await ask(app, "POST", way_in, headers=acting, json_body={"reason": "Ticket 311"})
    assert entered.status == 201, entered.text
    admin = await sign_in(app, desk.people[0].email)
    keys = [
        Caller(f"key {scope}", {"authorization": f"Bearer {made.json()['key']}"}, scope=scope)
        for scope in Scope
        if (made := await _make_key(app, admin, scope))
    ]
    return [
        Caller(SUPER_ADMIN, platform),
        Caller(ACTING, acting, Role.ADMIN),
        Caller("ADMIN", admin, Role.ADMIN),
        Caller("HUMAN_AGENT", await sign_in(app, desk.people[1].email), Role.HUMAN_AGENT),
        *keys,
        Caller(NOBODY, {"origin": ORIGIN}),
    ]


async def _super_admin(desk: Desk, name: str) -> str:
    email = f"{name}-{desk.id}@example.com"
    async with desk.resources.db.system_transaction() as tx:
        if await tx.sql.fetchval("SELECT 1 FROM app_user WHERE email = $1", email) is None:
            await identity.create_user(tx, email, name.title(), PASSWORD, is_super_admin=True)
    return email


async def _make_key(app: FastAPI, admin: dict[str, str], scope: Scope) -> Answer:
    body: dict[str, Any] = {"name": str(scope), "scopes": [scope]}
    made = await ask(app, "POST", "/api/v1/api-keys", headers=admin, json_body=body)
    assert made.status == 201, made.text
    return made
