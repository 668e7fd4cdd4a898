"""Whether the deployment's models answer, as `/readyz` tells it and a worker finds out."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import ValidationError
from tests.conftest import app_on
from tests.observability.test_health import asking

from frontdesk.core.settings import LlmSettings
from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.door import Door
from frontdesk.gateway.model_checks import model_checks

from .conftest import GROQ, OPENAI, Desk, MakeDesk
from .stub_provider import Provider, fails, says


@pytest.fixture(autouse=True)
async def unasked(desk: Desk) -> AsyncIterator[None]:
    async with desk.resources.db.system() as connection:
        await connection.execute("DELETE FROM model_check")
    yield
    async with desk.resources.db.system() as connection:
        await connection.execute("DELETE FROM model_check")


async def sweep(desk: Desk) -> int:
    """Do what is due, as a worker; how many rows were."""
    (due,) = model_checks(desk.resources.settings)
    async with desk.resources.db.system() as connection:
        rows = await due.list_ids(connection, 10)
    for tenant_id, row_id in rows:
        await due.handle(desk.resources, tenant_id, row_id)
    return len(rows)


async def told(desk: Desk) -> dict[str, object]:
    async with asking(app_on(desk.resources)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200, answer.text
    check: dict[str, object] = answer.json()["checks"]["models"]
    return check


async def test_no_model_is_asked_unless_the_settings_want_it(desk: Desk) -> None:
    assert model_checks(desk.resources.settings) == ()
    assert await told(desk) == {
        "ok": True,
        "required": False,
        "detail": f"{GROQ} is not known to fail; {OPENAI} is not known to fail",
        "value": 0,
    }


async def test_a_breaker_that_is_open_is_told(desk: Desk) -> None:
    breaker = desk.resources.keep(Door).breaker
    for _ in range(5):
        await breaker.settle(GROQ, Outcome.PROVIDER_DOWN, await breaker.admit(GROQ), None)
    check = await told(desk)
    assert (check["ok"], check["value"]) == (False, 1)
    assert f"{GROQ} failed too often and is tried again in" in str(check["detail"])


async def test_a_worker_asks_each_model_once_a_minute_and_readyz_tells_it(
    make_desk: MakeDesk, provider: Provider
) -> None:
    # Nobody listens at the discard port.
    desk = make_desk(check_seconds=60, openai_api_base="http://127.0.0.1:9/v1")
    provider.plan = [says("ok")]
    assert await sweep(desk) == 1
    assert await sweep(desk) == 0
    assert provider.models == [GROQ.removeprefix("groq/")]
    check = await told(desk)
    assert (check["ok"], check["value"]) == (False, 1)
    assert f"{GROQ} answered in " in str(check["detail"])
    assert f"{OPENAI} did not answer: provider down" in str(check["detail"])


async def test_what_was_seen_long_ago_is_no_longer_told(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk(check_seconds=60, chain=(GROQ,))
    provider.plan = [fails(401)]
    await sweep(desk)
    assert f"{GROQ} did not answer: configuration (401)" in str((await told(desk))["detail"])
    async with desk.resources.db.system() as connection:
        await connection.execute(
            "UPDATE model_check SET answered_at = answered_at - interval '10 minutes'"
        )
    later = replace(desk.resources, _kept={})  # The page keeps an answer for a second.
    check = await told(Desk(later, desk.tenant_id))
    assert (check["ok"], check["detail"]) == (True, f"{GROQ} is not known to fail")


def test_models_are_not_asked_more_often_than_once_a_minute() -> None:
    with pytest.raises(ValidationError, match="at least 60"):
        LlmSettings(check_seconds=30)
