"""`frontdesk usage` and `frontdesk prices`, as operators run them."""

import asyncio
import json
import os
import subprocess
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from tests import forked

from frontdesk.billing.books import keep_books
from frontdesk.core import ids
from frontdesk.core.resources import Resources

from .conftest import SUPER_ADMIN, SignIn
from .using import days_ago, use


async def frontdesk(resources: Resources, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on the tests' database."""
    settings = resources.settings
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE__URL": settings.database.app_dsn,
        "REDIS__URL": settings.redis.url.get_secret_value(),
        "SECURITY__SESSION_SECRET": settings.security.session_secret.get_secret_value(),
        "SECURITY__ENCRYPTION_KEYS": ",".join(
            f"{name}:{key.get_secret_value()}"
            for name, key in settings.security.encryption_keys.items()
        ),
        "WHATSAPP__APP_SECRETS": settings.whatsapp.app_secrets[0].get_secret_value(),
        "WHATSAPP__VERIFY_TOKEN": settings.whatsapp.verify_token.get_secret_value(),
    }
    return await asyncio.to_thread(forked.frontdesk, *arguments, environment=environment)


async def test_books_are_reported_found_wrong_mended_and_corrected(
    resources: Resources, tenant_id: UUID, tmp_path: Path
) -> None:
    yesterday = days_ago(1)
    entry = await use(resources, tenant_id, f"{yesterday}T12:00:00Z", usd="0.5")
    await keep_books(resources, tenant_id, tenant_id)
    of = ("--tenant", str(tenant_id), "--month", f"{yesterday:%Y-%m}")
    page = tmp_path / "month.html"
    assert (await frontdesk(resources, "usage", "report", *of, "--out", str(page))).returncode == 0
    assert "Bakery" in page.read_text()
    assert (await frontdesk(resources, "usage", "reconcile", *of)).returncode == 0

    async with resources.db.hot(tenant_id) as tx:
        await tx.sql.execute("UPDATE usage_rollup SET calls = 7")
    wrong = await frontdesk(resources, "usage", "reconcile", *of, "--repair", "--json")
    assert wrong.returncode == 1
    (difference,) = json.loads(wrong.stdout)
    assert (difference["day"], '"calls": 7' in difference["is_so"]) == (str(yesterday), True)
    assert (await frontdesk(resources, "usage", "reconcile", *of)).returncode == 0

    correct = ("usage", "correct", str(entry), "--tenant", str(tenant_id), "--reason", "Twice.")
    assert "-0.500000000 USD" in (await frontdesk(resources, *correct)).stdout
    again = await frontdesk(resources, *correct)
    assert (again.returncode, "Traceback" in again.stderr) == (1, False)
    report = json.loads((await frontdesk(resources, "usage", "report", *of, "--json")).stdout)
    assert report["total"]["amount_usd"] == "0.000000000"


async def test_prices_are_set_and_their_lack_is_told_by_the_exit_code(
    resources: Resources, tenant_id: UUID
) -> None:
    model = f"openai/{ids.new()}"
    await use(resources, tenant_id, datetime.now(UTC), model=model, usd=None)
    lacking = await frontdesk(resources, "prices", "check", "--json")
    assert lacking.returncode == 1
    assert model in {item["model"] for item in json.loads(lacking.stdout)}
    wrong = await frontdesk(
        resources, "prices", "set", model, "--input", "much", "--source", "a list"
    )
    assert wrong.returncode == 2
    done = await frontdesk(resources, "prices", "set", model, "--input", "1", "--source", "a list")
    assert done.returncode == 0, done.stderr
    listed = json.loads((await frontdesk(resources, "prices", "list", "--json")).stdout)
    assert model in {price["model"] for price in listed}
    lacking = await frontdesk(resources, "prices", "check", "--json")
    assert model not in {item["model"] for item in json.loads(lacking.stdout)}


async def test_who_set_a_price_when_and_what_it_was_before_is_kept(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    model = f"openai/{ids.new()}"
    first = ("prices", "set", model, "--input", "1", "--source", "a list")
    assert (await frontdesk(resources, *first)).returncode == 0
    platform = sign_in(tenant_id, SUPER_ADMIN)
    body = {
        "model": model,
        "input_usd_per_million": "2",
        "output_usd_per_million": "3",
        "source": "a newer list",
    }
    said = await platform.post("/api/v1/prices", json=body)
    assert said.status_code == 201, said.text
    log = await frontdesk(resources, "prices", "log", model, "--json")
    newer, older = json.loads(log.stdout)
    assert (older["before"], older["user_id"]) == (None, None)
    assert newer["before"] == older["after"]
    assert newer["user_id"] == platform.headers["x-user"]
    assert newer["after"]["source"] == "a newer list"
    assert Decimal(newer["after"]["input_usd_per_million"]) == 2
    shown = (await frontdesk(resources, "prices", "log", model)).stdout
    assert "by the operator" in shown
    async with resources.db.system() as sql:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await sql.execute("DELETE FROM price_change")
