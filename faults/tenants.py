"""Tenants of a scenario: an agent with a few facts, and a number."""

import itertools
from dataclasses import dataclass
from uuid import UUID, uuid4

from pydantic import SecretStr

from frontdesk import agent_config, identity, knowledge
from frontdesk.agent_config import AgentCreate
from frontdesk.core.resources import Resources
from frontdesk.knowledge import SourceCreate
from frontdesk.knowledge.work import INGEST
from frontdesk.messaging import ChannelCreate, connect_channel
from frontdesk.simulator import Simulator

TOKEN = "EAAB-faults"
_FACTS = {
    "Shipping": "We ship within 2 working days. Delivery takes 3 to 5 working days.",
    "Returns": "You can return any lamp within 30 days for a full refund.",
    "Opening hours": "The shop is open Monday to Friday from 9 am to 6 pm.",
}
_numbers = itertools.count(100_000_000_000_000)


@dataclass(frozen=True)
class Tenant:
    """A business and its one number."""

    id: UUID
    channel_id: UUID
    phone_number_id: str
    waba_id: str


async def make_tenant(resources: Resources, simulator: Simulator) -> Tenant:
    """A fresh tenant whose number the simulator knows."""
    slug = f"t-{uuid4().hex[:12]}"
    phone_number_id, waba_id = str(next(_numbers)), str(next(_numbers))
    async with resources.db.system_transaction() as tx:
        tenant = await identity.create_tenant(tx, f"Shop {slug}", slug)
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
        channel = await connect_channel(
            session,
            resources,
            ChannelCreate(
                name="Main number",
                agent_id=agent.id,
                phone_number_id=phone_number_id,
                waba_id=waba_id,
                display_phone_number=f"1555{phone_number_id[-7:]}",
                access_token=SecretStr(TOKEN),
            ),
        )
        # Connecting is not what is broken here, and a worker may not be there yet.
        await session.sql.execute(
            "UPDATE channel SET status = 'CONNECTED', claimed_at = now(), due_at = NULL "
            "WHERE id = $1",
            channel.id,
        )
    for source in sources:
        await INGEST.handle(resources, tenant.id, source.id)
    simulator.register_channel(
        phone_number_id, waba_id=waba_id, display_phone_number=f"1555{phone_number_id[-7:]}"
    )
    return Tenant(tenant.id, channel.id, phone_number_id, waba_id)
