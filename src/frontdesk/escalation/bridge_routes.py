"""HTTP of the bridge: a human agent's own WhatsApp."""

from frontdesk.core.api import Router, Staff, TenantSession, problems
from frontdesk.core.callers import require_member
from frontdesk.core.errors import Forbidden
from frontdesk.escalation import bridge_phones
from frontdesk.escalation.bridge_phones import NoPhone
from frontdesk.escalation.bridge_schemas import BridgeCode, BridgePhonePublic, BridgeSwitch

router = Router(prefix="/api/v1/me/whatsapp", tags=["human agents"])


@router.get("", summary="My own WhatsApp", responses=problems())
async def get_phone(who: Staff, session: TenantSession) -> BridgePhonePublic:
    """Whether a phone is confirmed as yours, and whether conversations come to it.

    They do where the agent's configuration has `bridge_enabled`, one at a time.
    """
    return await bridge_phones.get_phone(session, who.user_id)


@router.post(
    "/code", status_code=201, summary="Get a code for my phone", responses=problems(Forbidden)
)
async def ask_code(who: Staff, session: TenantSession) -> BridgeCode:
    """A code, good for 15 minutes. Send it as a WhatsApp message from the phone that is to be yours.

    That proves the number, and the feed tells you alone (`bridge_phone.changed`). From then on
    whoever writes from it is you and no contact. A number in an open conversation as a contact, or a
    colleague's, is refused.
    """
    require_member(who)
    return await bridge_phones.ask_code(session, who)


@router.put("", summary="Take conversations on my phone, or not", responses=problems(NoPhone))
async def switch(body: BridgeSwitch, who: Staff, session: TenantSession) -> BridgePhonePublic:
    """At any time; what you have there goes on at the desk, and comes back when you switch it on."""
    return await bridge_phones.switch(session, who, body)


@router.delete("", status_code=204, summary="Forget my phone", responses=problems())
async def forget(who: Staff, session: TenantSession) -> None:
    """Whoever writes from it is a contact again."""
    await bridge_phones.forget(session, who.user_id)
