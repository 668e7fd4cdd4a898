"""The tenants of the pipeline rows, made as an admin would make them."""

import asyncio

from pydantic import SecretStr

from benchmarks.ground import Ground
from frontdesk import agent_config, identity, knowledge
from frontdesk.agent_config import AgentCreate
from frontdesk.core.resources import Resources, open_resources
from frontdesk.knowledge import SourceCreate
from frontdesk.knowledge.work import INGEST
from frontdesk.messaging import ChannelCreate, connect_channel
from frontdesk.subscriptions import SUBSCRIPTIONS

TOKEN = "benchmark-token"
_TENANTS = 4
_FACTS = {
    "Shipping": "We ship within 2 working days. Delivery takes 3 to 5 working days.",
    "Returns": "You can return any lamp within 30 days for a full refund.",
    "Opening hours": "The shop is open Monday to Friday from 9 am to 6 pm.",
    "Warranty": "Every lamp has a warranty of two years; bulbs have one of six months.",
}


def make_tenants(ground: Ground) -> list[dict[str, str]]:
    """A few tenants with an agent, facts and a number each; the numbers, for the simulator."""
    return asyncio.run(_make_all(ground))


async def _make_all(ground: Ground) -> list[dict[str, str]]:
    async with open_resources(ground.settings(), SUBSCRIPTIONS) as resources:
        return [await _make(resources, number) for number in range(_TENANTS)]


async def _make(resources: Resources, number: int) -> dict[str, str]:
    async with resources.db.system_transaction() as tx:
        tenant = await identity.create_tenant(tx, f"Shop {number}", f"benchmark-{number}")
    channel = {
        "phone_number_id": f"{100_000_000_000_000 + number}",
        "waba_id": f"{200_000_000_000_000 + number}",
        "display_phone_number": f"1555000{number:04d}",
    }
    async with resources.db.transaction(tenant.id) as session:
        agent = await agent_config.create_agent(
            session,
            AgentCreate(
                name="Shop agent",
                config={
                    "company_name": "Lumen & Oak",
                    "persona": "You are Olive, the assistant of Lumen & Oak, a lamp shop.",
                    "languages": ["en", "es", "de"],
                },
            ),
        )
        sources = [
            await knowledge.add_source(
                resources, session, SourceCreate(agent_id=agent.id, title=title, body=text)
            )
            for title, text in _FACTS.items()
        ]
        made = await connect_channel(
            session,
            resources,
            ChannelCreate(
                name="Main number",
                agent_id=agent.id,
                access_token=SecretStr(TOKEN),
                **channel,
            ),
        )
        # The outside world is not there yet; a worker would have asked it.
        await session.sql.execute(
            "UPDATE channel SET status = 'CONNECTED', claimed_at = now(), due_at = NULL "
            "WHERE id = $1",
            made.id,
        )
    for source in sources:
        await INGEST.handle(resources, tenant.id, source.id)
    return channel
