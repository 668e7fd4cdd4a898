"""The price table as the platform looks after it."""

from uuid import UUID

from frontdesk.billing import UsageKind
from frontdesk.billing.price_list import configured_models, list_unpriced
from frontdesk.core import ids
from frontdesk.core.resources import Resources

from .conftest import SUPER_ADMIN, SignIn
from .using import use

PRICES = "/api/v1/prices"


async def test_a_price_is_set_listed_and_replaced_for_its_day(
    resources: Resources, tenant_id: UUID, sign_in: SignIn
) -> None:
    platform, model = sign_in(tenant_id, SUPER_ADMIN), f"openai/{ids.new()}"
    body = {
        "model": model,
        "input_usd_per_million": "1",
        "output_usd_per_million": "4",
        "effective_from": "2026-01-01",
        "source": "a price list",
    }
    assert (await platform.post(PRICES, json=body)).status_code == 201
    for since, usd in (("2026-02-01", "2"), ("2026-02-01", "3"), ("2099-01-01", "5")):
        changed = {**body, "effective_from": since, "input_usd_per_million": usd}
        assert (await platform.post(PRICES, json=changed)).status_code == 201

    async def listed(**query: bool) -> list[str]:
        found = (await platform.get(PRICES, params=query)).json()["items"]
        return [
            str(float(item["input_usd_per_million"])) for item in found if item["model"] == model
        ]

    assert await listed() == ["5.0", "3.0"]
    assert await listed(history=True) == ["5.0", "3.0", "1.0"]


async def test_prices_are_the_platform_s_alone(tenant_id: UUID, sign_in: SignIn) -> None:
    client = sign_in(tenant_id)
    assert (await client.get(PRICES)).status_code == 403
    assert (await client.post(PRICES, json={})).status_code in (403, 422)


async def test_what_is_used_or_configured_without_a_price_is_found(
    resources: Resources, tenant_id: UUID
) -> None:
    model = f"openai/{ids.new()}"
    await use(resources, tenant_id, "2026-11-29T12:00:00Z", model=model, usd=None)
    await use(resources, tenant_id, "2026-11-29T12:00:00Z", usd=None, kind=UsageKind.HUMAN)
    async with resources.db.system() as connection:
        await connection.execute(
            "UPDATE usage_entry SET created_at = now() WHERE tenant_id = $1", tenant_id
        )
    found = await list_unpriced(resources)
    mine = {item.model: item for item in found}
    assert (mine[model].used, mine[model].configured) == (1, False)
    # What the deployment asks by default has a price.
    assert not configured_models(resources.settings) & mine.keys()
