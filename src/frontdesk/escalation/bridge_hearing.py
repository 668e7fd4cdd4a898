"""What a human agent writes from their own WhatsApp: words for the contact, or a command."""

from datetime import UTC, datetime
from uuid import UUID

from frontdesk.conversation import Actor, NewMessage, add_note, lock
from frontdesk.core.callers import Principal, Role
from frontdesk.core.db import Session
from frontdesk.core.errors import FrontdeskError, Invalid
from frontdesk.core.ids import NIL
from frontdesk.escalation import bridge_rules as rules
from frontdesk.escalation.absent import come_back
from frontdesk.escalation.bridge_models import BridgeEnd, BridgeState
from frontdesk.escalation.bridge_phones import Sender, confirm
from frontdesk.escalation.bridge_rules import Order, Refusal, Verb, Words
from frontdesk.escalation.bridge_words import Phrase
from frontdesk.escalation.bridging import (
    OPEN,
    Open,
    begin_again,
    end,
    find_open,
    find_open_of,
    last_lines,
    open_of,
    open_up,
    reader_of,
    tell,
)
from frontdesk.escalation.schemas import ReplyCreate
from frontdesk.escalation.service import close, must_own, release, reply, say
from frontdesk.messaging import (
    ChannelRef,
    InboundMessage,
    Text,
    WindowClosed,
    file_content,
    is_open,
    receive_media,
)

_MOST_CHARACTERS = 4096


async def hear(
    session: Session, channel: ChannelRef, sender: Sender, message: InboundMessage
) -> bool:
    """Take a message of a human agent's phone; False when it was taken before.

    It is never a contact's: without a conversation here it goes to nobody, and they are told.
    """
    said_at = message.provider_at or datetime.now(UTC)
    is_new = await session.sql.fetchval(
        "INSERT INTO bridge_heard (channel_id, wamid, user_id, said_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING true",
        channel.id,
        message.wamid,
        sender.user_id,
        said_at,
    )
    if not is_new:
        return False
    if sender.sends_code:
        await confirm(session, sender.user_id, message)
        return True
    await _take(session, channel, sender, message, said_at)
    # Their presence last: whoever gives or takes a conversation has locked that first.
    await come_back(session, sender.user_id)
    return True


async def _take(
    session: Session,
    channel: ChannelRef,
    sender: Sender,
    message: InboundMessage,
    said_at: datetime,
) -> None:
    found = await find_open_of(session, sender.user_id, channel.id)
    if found is None:
        if not await begin_again(session, sender.user_id, channel.id):
            await _nothing_here(session, channel.id, sender.user_id)
        return
    # The conversation first, as everywhere; and no second one.
    await lock(session, found.conversation_id)
    bridge = await find_open(session, found.conversation_id)
    if bridge is None or bridge.user_id != sender.user_id:
        await _tell(session, found, Phrase.NOTHING)
    elif bridge.state is BridgeState.CALLING:
        # They have answered the call, and not yet read whom it is about.
        await open_up(session, bridge)
    elif (why := await _misplaced(session, bridge, message, said_at)) is not None:
        await _tell(session, bridge, why)
    else:
        try:
            await _do(session, bridge, message)
        except FrontdeskError as refused:
            reader = await reader_of(session, bridge)
            await tell(session, bridge, Text(body=reader.why(refused)))


async def _nothing_here(session: Session, channel_id: UUID, user_id: UUID) -> None:
    """Say that nobody was told; to who has had a conversation here before."""
    row = await session.sql.fetchrow(
        f"SELECT {OPEN} FROM bridge "  # noqa: S608  # Ours.
        "WHERE user_id = $1 AND channel_id = $2 ORDER BY id DESC LIMIT 1",
        user_id,
        channel_id,
    )
    if row is not None:
        await _tell(session, open_of(row), Phrase.NOTHING)


async def _misplaced(
    session: Session, bridge: Open, message: InboundMessage, said_at: datetime
) -> Phrase | None:
    """Why a message may be about a conversation they had before; None when it is not."""
    if message.reply_to_wamid is not None:
        quoted = await session.sql.fetchval(
            "SELECT conversation_id FROM outbound WHERE channel_id = $1 AND wamid = $2 "
            "AND to_user_id = $3",
            bridge.channel_id,
            message.reply_to_wamid,
            bridge.user_id,
        )
        if quoted is not None:
            return None if quoted == bridge.conversation_id else Phrase.STALE
    row = await session.sql.fetchrow(
        "SELECT (SELECT max(b.ended_at) FROM bridge b WHERE b.user_id = $1 "
        "AND b.conversation_id <> $3) AS previous_ended_at, (SELECT o.delivery_at FROM outbound o "
        "WHERE o.id = $2 AND o.delivery IN ('delivered', 'read')) AS told_at",
        bridge.user_id,
        bridge.told_id,
        bridge.conversation_id,
    )
    assert row is not None
    is_blind = rules.is_blind(said_at, row["previous_ended_at"], row["told_at"])
    return Phrase.BLIND if is_blind else None


async def _do(session: Session, bridge: Open, message: InboundMessage) -> None:
    who = Principal(
        user_id=bridge.user_id,
        tenant_id=session.tenant_id,
        role=Role.HUMAN_AGENT,
        session_id=NIL,
        request_id="whatsapp",
    )
    meant = rules.read(message)
    if isinstance(meant, Refusal):
        if meant.why is not None:
            await _tell(session, bridge, meant.why)
    elif isinstance(meant, Words):
        await _say(session, bridge, who, message, meant.text)
    elif meant.conversation_id not in (None, bridge.conversation_id):
        await _tell(session, bridge, Phrase.STALE)
    else:
        await _obey(session, bridge, who, meant)


async def _obey(session: Session, bridge: Open, who: Principal, order: Order) -> None:
    match order.verb:
        case Verb.CLOSE:
            await close(session, bridge.conversation_id, who, order.words)
            await end(session, bridge, BridgeEnd.CLOSED)
        case Verb.BACK:
            await release(session, bridge.conversation_id, who, order.words)
            await end(session, bridge, BridgeEnd.RELEASED)
        case Verb.NOTE:
            await add_note(session, bridge.conversation_id, who, order.words, [])
            await _tell(session, bridge, Phrase.NOTED)
        case Verb.WHO:
            reader = await reader_of(session, bridge)
            lines = await last_lines(session, bridge, reader)
            said = "\n".join([reader.say(Phrase.IS_WITH_YOU), *lines])
            await tell(session, bridge, Text(body=said))


async def _say(
    session: Session, bridge: Open, who: Principal, message: InboundMessage, text: str
) -> None:
    """Pass on what they say as the reply it is, under a key of its own."""
    if len(text) > _MOST_CHARACTERS:
        raise Invalid(f"a message has {_MOST_CHARACTERS} characters at most.")
    key = f"bridge:{message.wamid}"
    if message.media is None:
        await reply(session, bridge.conversation_id, who, ReplyCreate(text=text), key)
        return
    thread = await lock(session, bridge.conversation_id)
    must_own(thread, who)
    if not is_open(thread.last_inbound_at, thread.now):
        raise WindowClosed("The contact last wrote more than 24 hours ago.")
    media_id = await receive_media(
        session, bridge.channel_id, thread.id, None, message.type, message.media
    )
    caption = None if message.type == "audio" else text or None
    try:
        file = file_content(
            message.type, str(media_id), caption=caption, filename=message.media.filename
        )
    except ValueError as error:
        raise Invalid(str(error)) from None
    new = NewMessage(
        text=text,
        author=Actor.HUMAN_AGENT,
        user_id=who.user_id,
        client_key=key,
        content=file,
        media_id=media_id,
    )
    await say(session, thread, new)


async def _tell(session: Session, bridge: Open, phrase: Phrase) -> None:
    reader = await reader_of(session, bridge)
    await tell(session, bridge, Text(body=reader.say(phrase)))
