"""Where models are asked and with whose key: by settings, by feature, by tenant."""

from typing import Any

import pytest

from frontdesk.core import ids
from frontdesk.core.errors import Invalid
from frontdesk.core.settings import load_settings
from frontdesk.gateway import ModelsUnavailable, complete
from frontdesk.gateway.route_schemas import RoutingUpdate
from frontdesk.gateway.tenant_models import save_routing, set_key

from .conftest import GROQ, OPENAI, Desk, MakeDesk
from .stub_provider import Provider, fails, says


async def own_key(desk: Desk, name: str = "groq", key: str = "the-tenants-own") -> None:
    async with desk.resources.db.transaction(desk.tenant_id) as session:
        await set_key(session, desk.resources, name, key, by=ids.new())


async def routes(desk: Desk, **by_feature: Any) -> None:
    body = RoutingUpdate(routes={name: {"models": models} for name, models in by_feature.items()})
    async with desk.resources.db.transaction(desk.tenant_id) as session:
        await save_routing(session, desk.resources, body, check=lambda version: None, by=ids.new())


async def test_any_address_that_speaks_openais_protocol_is_a_provider(
    make_desk: MakeDesk, provider: Provider
) -> None:
    settings = load_settings(
        None,
        database={"url": "postgresql://a@127.0.0.1/b"},
        redis={"url": "redis://127.0.0.1"},
        security=make_desk().resources.settings.security,
        whatsapp=make_desk().resources.settings.whatsapp,
        llm={
            "providers": {
                "mistral": {"api_base": f"{provider.url}/mistral/v1", "api_key": "m-key"}
            },
            "routes": "triage=mistral/small, groq/x ; summary=groq/y",
        },
    )
    assert settings.llm.routes == {"triage": ("mistral/small", "groq/x"), "summary": ("groq/y",)}
    desk = make_desk(
        providers=settings.llm.providers,
        routes=settings.llm.routes,
        ollama_api_base=f"{provider.url}/ollama/v1",
        gemini_api_base=f"{provider.url}/gemini",
    )
    completion = await complete(desk.resources, desk.request(feature="triage"))
    assert completion.model == "mistral/small"
    assert provider.models == ["small"]
    assert provider.headers[0]["Authorization"] == "Bearer m-key"
    await complete(desk.resources, desk.request(models=("ollama/llama3.2:1b",)))
    assert provider.models[-1] == "llama3.2:1b"
    # No key is set for Gemini, and nobody has heard of the other.
    for model in ("gemini/gemini-3-flash", "nobody/x"):
        with pytest.raises(ModelsUnavailable, match=f"{model}: configuration"):
            await complete(desk.resources, desk.request(models=(model,)))
    assert len(provider.bodies) == 2


async def test_a_tenants_own_key_is_used_instead_and_the_ledger_says_so(
    desk: Desk, provider: Provider
) -> None:
    await complete(desk.resources, desk.request())
    await own_key(desk)
    await complete(desk.resources, desk.request())
    await complete(desk.resources, desk.request(models=(OPENAI,)))
    assert [headers["Authorization"] for headers in provider.headers] == [
        "Bearer test-groq-key", "Bearer the-tenants-own", "Bearer test-openai-key",
    ]  # fmt: skip
    assert [entry["own_key"] for entry in await desk.usage()] == [False, True, False]
    (row,) = await desk._rows("SELECT api_key_sealed FROM provider_key")
    assert "the-tenants-own" not in row["api_key_sealed"]
    stored = [await desk.resources.redis.get(key) for key in await desk.resources.redis.keys()]
    assert not any(b"the-tenants-own" in (value or b"") for value in stored)


async def test_an_own_key_that_is_refused_or_worn_out_concerns_nobody_else(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk()
    await own_key(desk)
    provider.plan = [fails(401, code="invalid_api_key"), says("Yes.")]
    completion = await complete(desk.resources, desk.request())
    assert completion.model == OPENAI, "the deployment's key is not used instead"
    provider.default = fails(429)
    for _ in range(2):
        with pytest.raises(ModelsUnavailable):
            await complete(desk.resources, desk.request(models=(GROQ,)))
    asked = len(provider.bodies)
    with pytest.raises(ModelsUnavailable):
        await complete(desk.resources, desk.request(models=(GROQ,)))
    assert len(provider.bodies) == asked, "the breaker is open"
    provider.default = says("Yes.")
    other = desk.request(models=(GROQ,), tenant_id=ids.new())
    assert (await complete(desk.resources, other)).attempts == 1


async def test_the_tenants_routes_come_before_the_deployments_and_the_agents_before_both(
    make_desk: MakeDesk, provider: Provider
) -> None:
    desk = make_desk(routes={"triage": ("groq/deployment",), "summary": ("groq/deployment",)})
    await routes(desk, triage=["openai/tenant", GROQ], default=["groq/default"])
    for given in (
        {"feature": "triage"},
        {"feature": "summary"},
        {"feature": "triage", "models": ("openai/agent",)},
    ):
        await complete(desk.resources, desk.request(**given))
    assert provider.models == ["tenant", "default", "agent"]
    with pytest.raises(Invalid, match="knows no provider “nobody”"):
        await routes(desk, reply=["nobody/x"])
