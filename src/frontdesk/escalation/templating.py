"""Approved templates as a human agent sends them: seen with their price first, and outside the window."""

from datetime import datetime
from uuid import UUID

from frontdesk.billing import message_price
from frontdesk.conversation import (
    Actor,
    Locked,
    MessagePublic,
    NewMessage,
    is_opted_out,
    lock,
)
from frontdesk.core.callers import Principal
from frontdesk.core.db import Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.resources import Resources
from frontdesk.escalation.errors import OptedOut, TemplateNotSendable, TemplateUnfit
from frontdesk.escalation.schemas import TemplatePreview, TemplateSend
from frontdesk.escalation.service import must_own, say, sent_before
from frontdesk.messaging import (
    FilledTemplate,
    TemplatePublic,
    Unfit,
    country_of,
    fill_template,
    get_template,
    is_open,
)

_MARKETING = "MARKETING"


async def preview_template(
    resources: Resources,
    tx: Transaction,
    conversation_id: UUID,
    body: TemplateSend,
    *,
    now: datetime,
) -> TemplatePreview:
    """What a template would say to the contact, and what Meta is expected to bill for it.

    Raises:
        NoSuchConversation, NotFound, TemplateNotSendable, TemplateUnfit, OptedOut
    """
    thread = await lock(tx, conversation_id)
    template, filled = await _filled(tx, thread, body)
    country = country_of(thread.contact)
    return TemplatePreview(
        text=filled.text,
        category=template.category,
        country=country,
        price_usd=await message_price(resources, template.category, country, now),
        window_open=is_open(thread.last_inbound_at, thread.now),
    )


async def send_template(
    tx: Transaction,
    conversation_id: UUID,
    who: Principal,
    body: TemplateSend,
    client_key: str | None,
) -> MessagePublic:
    """Send a template as a human agent's word, whether or not the window is open.

    Raises:
        NoSuchConversation, ConversationClosed, NotTakenOver, NotYours: as for a reply.
        NotFound, TemplateNotSendable, TemplateUnfit, OptedOut: this template can't be sent so.
        KeyReused: the key was for another message.
    """
    thread = await lock(tx, conversation_id)
    try:
        _, filled = await _filled(tx, thread, body)
    except (NotFound, OptedOut, TemplateNotSendable, TemplateUnfit):
        # It worked when it was sent: whoever asks again is told so, and sends no other instead.
        if client_key is not None and (earlier := await sent_before(tx, thread, client_key)):
            return earlier
        raise
    said = (filled.text, None)
    if client_key is not None and (earlier := await sent_before(tx, thread, client_key, said)):
        return earlier
    must_own(thread, who)
    new = NewMessage(
        text=filled.text,
        author=Actor.HUMAN_AGENT,
        user_id=who.user_id,
        client_key=client_key,
        content=filled.content,
    )
    return await say(tx, thread, new)


async def _filled(
    tx: Transaction, thread: Locked, body: TemplateSend
) -> tuple[TemplatePublic, FilledTemplate]:
    template, components = await get_template(tx, body.template_id, thread.channel_id)
    if template.problem is not None:
        raise TemplateNotSendable(template.problem, part=template.problem_part)
    await _must_want_it(tx, thread, template)
    try:
        filled = fill_template(template.name, template.language, components, body.parameters)
    except Unfit as unfit:
        raise TemplateUnfit(f"parameters: {unfit}") from None
    return template, filled


async def _must_want_it(tx: Transaction, thread: Locked, template: TemplatePublic) -> None:
    """Who opted out is written to in answer only, and never with marketing (WhatsApp Business
    Messaging Policy)."""
    opted_out = await is_opted_out(tx, thread.contact_id)
    answers = is_open(thread.last_inbound_at, thread.now)
    if opted_out and (template.category == _MARKETING or not answers):
        raise OptedOut("The contact wants nothing that the business starts.")
