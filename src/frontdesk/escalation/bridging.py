"""The bridge: a human agent has a conversation on their own WhatsApp, through the tenant's number.

Whether there should be one is a query over what is there anyway, so nothing that gives or takes a
conversation need know of it: a worker begins and ends bridges. Each message to the phone is an
outbound row like any other. The conversation's row is locked first, then the bridge's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.agent_config import NamedTemplate
from frontdesk.conversation import Locked, Status, lock, was_sent
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.json import loads
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.escalation.bridge_models import BRIDGE, BridgeEnd, BridgeState
from frontdesk.escalation.bridge_rules import PASSED_ON, brief, buttons, line, said_by_contact
from frontdesk.escalation.bridge_words import Phrase, Reader, reader
from frontdesk.escalation.happenings import BridgeEnded, BridgeStarted, ReturnedFor
from frontdesk.escalation.packet import Packet
from frontdesk.escalation.reassigning import put_back
from frontdesk.escalation.returning import returns_in_time
from frontdesk.messaging import (
    OUTBOUND,
    Button,
    Buttons,
    ContactKey,
    Content,
    InboundMessage,
    MediaSettled,
    MediaState,
    NewOutbound,
    Origin,
    OutboundFailed,
    Text,
    cancel_pending,
    enqueue,
    file_content,
    fill_everywhere,
    is_open,
    to_wire,
)
from frontdesk.observability import audit

OPEN = "id, conversation_id, channel_id, handoff_id, user_id, state, told_id"
_LAST_LINES = 6
# Handoffs `h` whose human agent should have them on their phone `p`. Each question is one of its own:
# joined, all tables share the tenant, and Postgres weighs every order of them for 0.1 seconds.
_WANTED = """
FROM bridge_phone p
JOIN handoff h ON h.tenant_id = p.tenant_id AND h.assigned_user_id = p.user_id
    AND h.state = 'assigned'
JOIN conversation k ON k.tenant_id = h.tenant_id AND k.id = h.conversation_id
WHERE p.confirmed_at IS NOT NULL AND p.enabled
    AND (SELECT (v.config ->> 'bridge_enabled')::boolean FROM agent a
        JOIN agent_version v ON v.tenant_id = a.tenant_id AND v.agent_id = a.id
            AND v.version = a.version
        WHERE a.tenant_id = k.tenant_id AND a.id = k.agent_id)
    AND (SELECT c.wa_id IS DISTINCT FROM p.wa_id AND (c.bsuid <> p.bsuid) IS NOT FALSE
        FROM contact c WHERE c.tenant_id = k.tenant_id AND c.id = k.contact_id)
"""
# Each is begun once, unless somebody switched it off meanwhile, and one at a time.
_TO_BEGIN = f"""
{_WANTED} AND (SELECT true FROM bridge b WHERE b.tenant_id = h.tenant_id AND b.state <> 'ended'
    AND (b.user_id = p.user_id OR b.conversation_id = h.conversation_id) LIMIT 1) IS NULL
AND (SELECT true FROM bridge b WHERE b.tenant_id = h.tenant_id AND b.handoff_id = h.id
    AND b.user_id = p.user_id AND b.created_at >= h.assigned_at
    AND b.end_reason IS DISTINCT FROM 'switched_off' LIMIT 1) IS NULL
"""  # noqa: S608  # Ours.
_TO_END = f"""
FROM bridge b WHERE b.state <> 'ended' AND (SELECT true {_WANTED}
    AND h.tenant_id = b.tenant_id AND h.id = b.handoff_id AND p.user_id = b.user_id LIMIT 1) IS NULL
"""  # Ours.
# The language is the one they have chosen, else the first of the agent's.
_READER = """
SELECT c.name, c.username, coalesce((SELECT p.language FROM bridge_phone p WHERE p.user_id = $2),
    (SELECT v.config -> 'languages' ->> 0 FROM agent a JOIN agent_version v
        ON v.tenant_id = a.tenant_id AND v.agent_id = a.id AND v.version = a.version
        WHERE a.id = k.agent_id), 'en') AS language,
    coalesce((SELECT contacts_masked FROM tenant) AND (SELECT m.role = 'HUMAN_AGENT'
        FROM membership m WHERE m.user_id = $2), false) AS masked
FROM conversation k JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
WHERE k.id = $1
"""


@dataclass(frozen=True)
class Open:
    """A bridge that has not ended; its row is locked."""

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    handoff_id: UUID
    user_id: UUID
    state: BridgeState
    told_id: UUID | None


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Handoffs whose bridge is to end or to begin, the most urgent and oldest of each tenant first."""
    rows = await connection.fetch(
        f"SELECT b.tenant_id, b.handoff_id AS id {_TO_END} LIMIT $1",  # Ours.
        limit,
    )
    rows += await connection.fetch(
        f"SELECT h.tenant_id, h.id {_TO_BEGIN} ORDER BY row_number() OVER "  # Ours.
        "(PARTITION BY h.tenant_id ORDER BY h.urgency DESC, h.assigned_at), h.assigned_at LIMIT $1",
        limit - len(rows),
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def tend(resources: Resources, tenant_id: UUID, handoff_id: UUID) -> None:
    """End or begin a handoff's bridge, whichever is to be done. Run twice, the second finds it done."""
    async with resources.db.hot(tenant_id) as tx:
        conversation_id = await tx.sql.fetchval(
            f"SELECT b.conversation_id {_TO_END} AND b.handoff_id = $1 UNION ALL "  # Ours.
            f"SELECT h.conversation_id {_TO_BEGIN} AND h.id = $1 LIMIT 1",
            handoff_id,
        )
        if conversation_id is None:
            return
        thread = await lock(tx, conversation_id)
        bridge = await find_open(tx, conversation_id)
        if bridge is not None:
            if await tx.sql.fetchval(f"SELECT 1 {_TO_END} AND b.id = $1", bridge.id):  # Ours.
                await end(tx, bridge, _why(thread, bridge))
            return
        user_id = await tx.sql.fetchval(
            f"SELECT p.user_id {_TO_BEGIN} AND h.id = $1",  # Ours.
            handoff_id,
        )
        if user_id is not None:
            await _begin(tx, thread, handoff_id, user_id)


async def find_open(tx: Transaction, conversation_id: UUID) -> Open | None:
    """The bridge of a conversation, locked; None when nobody has it on their phone."""
    return await _find(tx, "conversation_id = $1", conversation_id)


async def find_open_of(tx: Transaction, user_id: UUID, channel_id: UUID) -> Open | None:
    """The bridge of a human agent over this number, not locked yet."""
    where = "user_id = $1 AND channel_id = $2"
    return await _find(tx, where, user_id, channel_id, locked="")


async def _find(
    tx: Transaction, where: str, *values: Any, locked: str = "FOR UPDATE"
) -> Open | None:
    row = await tx.sql.fetchrow(
        f"SELECT {OPEN} FROM bridge "  # noqa: S608  # Ours.
        f"WHERE {where} AND state <> 'ended' {locked}",
        *values,
    )
    return open_of(row) if row else None


def open_of(row: Any) -> Open:
    """A bridge from a row of `OPEN`."""
    return Open(**{**row, "state": BridgeState(row["state"])})


async def _begin(
    tx: Transaction, thread: Locked, handoff_id: UUID, user_id: UUID, *, unheard: bool = False
) -> bool:
    """Begin a bridge; False when they were given another one at this moment.

    Args:
        unheard: they wrote before it began: they are told that nobody got that.
    """
    row = await tx.sql.fetchrow(
        "INSERT INTO bridge (id, conversation_id, channel_id, handoff_id, user_id, state, created_at) "  # noqa: S608  # Ours.
        "VALUES ($1, $2, $3, $4, $5, 'calling', clock_timestamp()) ON CONFLICT DO NOTHING "
        f"RETURNING {OPEN}",
        ids.new(),
        thread.id,
        thread.channel_id,
        handoff_id,
        user_id,
    )
    if row is None:
        return False
    bridge = open_of(row)
    feed.tell(tx, BridgeStarted(conversation_id=thread.id, user_id=user_id))
    await _audit(tx, "bridge.started", bridge)
    if unheard:
        who = await reader_of(tx, bridge)
        await tell(tx, bridge, Text(body=who.say(Phrase.BLIND)))
    if await _is_window_open(tx, bridge):
        await open_up(tx, bridge)
    else:
        await _call(tx, bridge)
    return True


async def begin_again(tx: Transaction, user_id: UUID, channel_id: UUID) -> bool:
    """Whoever could not be reached, still has that conversation, and writes has it there again.

    What they wrote is for nobody, as they may not know for whom it would be, and they are told.
    """
    row = await tx.sql.fetchrow(
        f"SELECT h.id, h.conversation_id {_WANTED} AND p.user_id = $1 AND k.channel_id = $2 "  # noqa: S608  # Ours.
        "AND (SELECT b.end_reason FROM bridge b WHERE b.tenant_id = h.tenant_id "
        "AND b.handoff_id = h.id AND b.user_id = p.user_id AND b.created_at >= h.assigned_at "
        "ORDER BY b.id DESC LIMIT 1) = 'unreachable' ORDER BY h.urgency DESC, h.id LIMIT 1",
        user_id,
        channel_id,
    )
    if row is None:
        return False
    thread = await lock(tx, row["conversation_id"])
    if thread.status is not Status.WITH_HUMAN or thread.assigned_user_id != user_id:
        return False
    return await _begin(tx, thread, row["id"], user_id, unheard=True)


async def _is_window_open(tx: Transaction, bridge: Open) -> bool:
    """Whether the human agent wrote to this number in the last 24 hours."""
    row = await tx.sql.fetchrow(
        "SELECT max(said_at) AS said_at, clock_timestamp() AS now FROM bridge_heard "
        "WHERE user_id = $1 AND channel_id = $2",
        bridge.user_id,
        bridge.channel_id,
    )
    assert row is not None
    return is_open(row["said_at"], row["now"])


async def open_up(tx: Transaction, bridge: Open) -> None:
    """Tell a human agent whom they have; from now on words go both ways."""
    row = await tx.sql.fetchrow("SELECT rule, packet FROM handoff WHERE id = $1", bridge.handoff_id)
    assert row is not None
    who = await reader_of(tx, bridge)
    packet = Packet.model_validate(loads(row["packet"]))
    texts = brief(who, row["rule"], packet, await last_lines(tx, bridge, who))
    told: Content | None = None
    told_id = None
    for place, text in enumerate(texts):
        told = Text(body=text)
        if place == len(texts) - 1:
            shown = buttons(bridge.conversation_id, who)
            told = Buttons(body=text, buttons=tuple(Button(id=i, title=t) for i, t in shown))
        told_id = await tell(tx, bridge, told, seq=place)
    await tx.sql.execute(
        "UPDATE bridge SET state = 'open', told_id = $2 WHERE id = $1", bridge.id, told_id
    )


async def _call(tx: Transaction, bridge: Open) -> None:
    """Ask a human agent to write, whose window is closed: nothing but a template reaches them."""
    await tx.sql.execute("UPDATE bridge SET state = 'calling' WHERE id = $1", bridge.id)
    if (template := await _template(tx, bridge)) is not None:
        await tell(tx, bridge, template)


async def _template(tx: Transaction, bridge: Open) -> Content | None:
    config = await tx.sql.fetchval(
        "SELECT v.config -> 'bridge_template' FROM conversation k "
        "JOIN agent a ON a.tenant_id = k.tenant_id AND a.id = k.agent_id JOIN agent_version v "
        "ON v.tenant_id = a.tenant_id AND v.agent_id = a.id AND v.version = a.version "
        "WHERE k.id = $1",
        bridge.conversation_id,
    )
    if config is None or (template := loads(config)) is None:
        return None
    wanted = NamedTemplate.model_validate(template)
    who = await reader_of(tx, bridge)
    filled = await fill_everywhere(tx, wanted.name, wanted.language, bridge.channel_id, who.name)
    return filled.content if filled else None


async def relay(
    tx: Transaction, conversation_id: UUID, message: InboundMessage, *, limited: bool = False
) -> None:
    """Pass a contact's message on that was just stored, if somebody has it on their phone.

    One with a file follows when that is here (`relay_file`). Of those over the contact's rate
    (`limited`) they are told once an hour: a flood would bury what else they are to read.
    """
    bridge = await find_open(tx, conversation_id)
    if bridge is None or bridge.state is not BridgeState.OPEN:
        return
    if limited:
        key = f"bridge:{bridge.id}:limited:{datetime.now(UTC):%Y-%m-%dT%H}"
        if not await was_sent(tx, key) and await _is_window_open(tx, bridge):
            who = await reader_of(tx, bridge)
            await tell(tx, bridge, Text(body=who.say(Phrase.TOO_FAST)), key=key)
        return
    if not await _is_window_open(tx, bridge):
        await _call(tx, bridge)
        return
    if message.media is not None and message.type in PASSED_ON:
        return
    who = await reader_of(tx, bridge)
    await tell(tx, bridge, Text(body=said_by_contact(who, message.text or f"[{message.type}]")))


async def relay_file(tx: Transaction, event: MediaSettled) -> None:
    """Subscriber: a contact's file goes on to who has the conversation on their phone; one of theirs,
    to the contact."""
    row = await tx.sql.fetchrow(
        "SELECT m.direction, m.text, f.id, f.kind, f.state, f.filename FROM message m "
        "JOIN media f ON f.tenant_id = m.tenant_id AND f.message_id = m.id WHERE m.id = $1",
        event.message_id,
    )
    if row is None or event.message_id is None:
        return
    if row["direction"] == "out":
        await go_on(tx, event.message_id)
        return
    bridge = await find_open(tx, event.conversation_id)
    key = f"bridge:{bridge and bridge.id}:{event.message_id}"
    if bridge is None or bridge.state is not BridgeState.OPEN or row["kind"] not in PASSED_ON:
        return
    if await was_sent(tx, key):
        return
    who = await reader_of(tx, bridge)
    said = said_by_contact(who, row["text"] or f"[{row['kind']}]")
    if row["state"] != MediaState.STORED:
        await tell(tx, bridge, Text(body=f"{said} ({who.say(Phrase.NO_FILE)})"), key=key)
        return
    caption = None if row["kind"] == "audio" else excerpt(said, 1000)
    filename = row["filename"] and who.shown(row["filename"])
    file = file_content(row["kind"], str(row["id"]), caption=caption, filename=filename)
    await tell(tx, bridge, file, key=key, media_id=row["id"])
    if caption is None:
        await tell(tx, bridge, Text(body=said), seq=1)


async def go_on(tx: Transaction, outbound_id: UUID) -> None:
    """Let a message be looked at now that has waited for its file."""
    await tx.sql.execute(
        "UPDATE outbound SET due_at = now() WHERE id = $1 AND state = 'pending'", outbound_id
    )
    tx.ring(OUTBOUND, outbound_id)


async def tell(
    tx: Transaction,
    bridge: Open,
    content: Content,
    *,
    seq: int = 0,
    key: str | None = None,
    media_id: UUID | None = None,
) -> UUID | None:
    """Make a message to the human agent's phone due to be sent; its id, None when they have none."""
    phone = await tx.sql.fetchrow(
        "SELECT wa_id, bsuid FROM bridge_phone WHERE user_id = $1 AND confirmed_at IS NOT NULL",
        bridge.user_id,
    )
    if phone is None:
        return None
    message_id = ids.new()
    new = NewOutbound(
        id=message_id,
        conversation_id=bridge.conversation_id,
        channel_id=bridge.channel_id,
        origin=Origin.BRIDGE,
        epoch=0,  # Nothing of it is void when the conversation changes hands.
        seq=seq,
        client_key=key,
        to_user_id=bridge.user_id,
        media_id=media_id,
        content=to_wire(ContactKey(**phone), content, callback_data=str(message_id)),
    )
    await enqueue(tx, new)
    return message_id


async def end(tx: Transaction, bridge: Open, why: BridgeEnd) -> None:
    """End a bridge; what has not left for the phone stays, and its human agent is told."""
    await tx.sql.execute(
        "UPDATE bridge SET state = 'ended', ended_at = clock_timestamp(), end_reason = $2 WHERE id = $1",
        bridge.id,
        why,
    )
    await cancel_pending(tx, bridge.conversation_id, origin=Origin.BRIDGE)
    feed.tell(
        tx,
        BridgeEnded(conversation_id=bridge.conversation_id, user_id=bridge.user_id, why=why),
    )
    await _audit(tx, "bridge.ended", bridge, why=why)
    if bridge.state is BridgeState.OPEN and why is not BridgeEnd.UNREACHABLE:
        who = await reader_of(tx, bridge)
        await tell(tx, bridge, Text(body=who.say(_GOODBYE[why])))
    following = await tx.sql.fetchval(
        f"SELECT h.id {_TO_BEGIN} AND p.user_id = $1 ORDER BY h.urgency DESC, h.assigned_at LIMIT 1",  # Ours.
        bridge.user_id,
    )
    if following is not None:
        tx.ring(BRIDGE, following)


_GOODBYE = {
    BridgeEnd.CLOSED: Phrase.IS_CLOSED,
    BridgeEnd.RELEASED: Phrase.RELEASED,
    BridgeEnd.TAKEN_AWAY: Phrase.TAKEN_AWAY,
    BridgeEnd.SWITCHED_OFF: Phrase.SWITCHED_OFF,
}


def _why(thread: Locked, bridge: Open) -> BridgeEnd:
    if thread.status is Status.CLOSED:
        return BridgeEnd.CLOSED
    if thread.status is Status.ACTIVE:
        return BridgeEnd.RELEASED
    still_theirs = thread.assigned_user_id == bridge.user_id
    return BridgeEnd.SWITCHED_OFF if still_theirs else BridgeEnd.TAKEN_AWAY


async def look_after_failed(tx: Transaction, event: OutboundFailed) -> None:
    """Subscriber: whoever can't be reached on their phone has the conversation no longer, and a human
    agent is told when the contact can't be reached."""
    if event.origin not in (Origin.BRIDGE, Origin.HUMAN_AGENT):
        return
    thread = await lock(tx, event.conversation_id)
    bridge = await find_open(tx, event.conversation_id)
    if bridge is None:
        return
    row = await tx.sql.fetchrow(
        "SELECT o.to_user_id, o.media_id, m.text FROM outbound o LEFT JOIN message m "
        "ON m.tenant_id = o.tenant_id AND m.id = o.id WHERE o.id = $1",
        event.outbound_id,
    )
    assert row is not None
    who = await reader_of(tx, bridge)
    if event.origin == Origin.HUMAN_AGENT:
        said = excerpt(row["text"] or who.say(Phrase.YOUR_FILE), 200)
        told = f"{who.say(Phrase.NOT_ARRIVED, said=said)}\n{who.shown(event.reason)}"
        await tell(tx, bridge, Text(body=told))
    elif row["media_id"] is not None:
        why = who.say(Phrase.NOT_PASSED_ON, why=who.shown(event.reason))
        await tell(tx, bridge, Text(body=why))
    elif row["to_user_id"] == bridge.user_id:
        await end(tx, bridge, BridgeEnd.UNREACHABLE)
        # What its minutes would give back is left to them: who is at the desk still sees to it.
        if thread.assigned_user_id == bridge.user_id and not await returns_in_time(tx):
            await put_back(tx, thread, bridge.handoff_id, why=ReturnedFor.UNREACHABLE)


async def reader_of(tx: Transaction, bridge: Open) -> Reader:
    """Who reads on the phone, and what they may see of the contact."""
    row = await tx.sql.fetchrow(_READER, bridge.conversation_id, bridge.user_id)
    assert row is not None
    return reader(row["language"], row["name"], row["username"], masked=row["masked"])


async def last_lines(tx: Transaction, bridge: Open, who: Reader) -> list[str]:
    """The last messages of a conversation, oldest first."""
    rows = await tx.sql.fetch(
        "SELECT author, text, type FROM message WHERE conversation_id = $1 "
        "ORDER BY created_at DESC, id DESC LIMIT $2",
        bridge.conversation_id,
        _LAST_LINES,
    )
    return [line(who, row["author"], row["text"] or f"[{row['type']}]") for row in reversed(rows)]


async def _audit(tx: Transaction, action: str, bridge: Open, **details: Any) -> None:
    await audit(
        tx,
        action,
        "conversation",
        bridge.conversation_id,
        user_id=bridge.user_id,
        details=details or None,
    )
