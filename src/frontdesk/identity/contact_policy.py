"""Whether a tenant's human agents see contact details whole; `core/masking.py` does the hiding."""

from frontdesk.core.callers import Principal
from frontdesk.core.db import Transaction
from frontdesk.core.events import publish
from frontdesk.core.resources import Resources
from frontdesk.identity.events import ContactPolicyChanged
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.schemas import ContactPolicy
from frontdesk.observability import audit


async def get_contact_policy(tx: Transaction) -> ContactPolicy:
    """What human agents of the transaction's tenant see of contacts."""
    return ContactPolicy(
        masked_for_human_agents=await tx.sql.fetchval("SELECT contacts_masked FROM tenant")
    )


async def set_contact_policy(
    tx: Transaction, resources: Resources, policy: ContactPolicy, *, by: Principal
) -> ContactPolicy:
    """Say what human agents see of contacts: at once here and in open streams, elsewhere within ten
    seconds.
    """
    masked = policy.masked_for_human_agents
    changed = await tx.sql.fetchval(
        "UPDATE tenant SET contacts_masked = $2 WHERE id = $1 AND contacts_masked <> $2 "
        "RETURNING id",
        by.tenant_id,
        masked,
    )
    if changed:
        await audit(
            tx,
            "tenant.contacts_masked" if masked else "tenant.contacts_shown",
            "tenant",
            by.tenant_id,
            user_id=by.user_id,
            request_id=by.request_id,
        )
        await publish(tx, ContactPolicyChanged(tenant_id=by.tenant_id, masked=masked))
        tx.after_commit(lambda: resources.keep(LiveSessions).forget_tenant(by.tenant_id))
    return policy
