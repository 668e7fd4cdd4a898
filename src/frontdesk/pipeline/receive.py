"""Raw webhooks become rows: claim a batch, parse it, and apply it tenant by tenant."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import asyncpg
import structlog
from opentelemetry.trace import INVALID_SPAN, Span

from frontdesk import conversation, escalation, messaging
from frontdesk.agent_config import load_agent
from frontdesk.conversation import Debounce
from frontdesk.core.crash import crash
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.ids import NIL
from frontdesk.core.limits import Bucket
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import begin, fail, traceparent
from frontdesk.gateway import file_models
from frontdesk.messaging import (
    WORDS_OF,
    ChannelRef,
    ChannelRegistry,
    Echo,
    HistoryMessage,
    IdentityChange,
    InboundMessage,
    Item,
    MessageEdit,
    MessageRevoke,
    PreferenceChange,
    Status,
    Unknown,
    parse_webhook,
)

log = structlog.get_logger(__name__)

# A message that comes meanwhile waits until a batch is done, and a crowd fills batches.
BATCH = 40
# Receiving takes milliseconds; a worker that died gives its batch back after this.
LEASE_SECONDS = 10
MAX_ATTEMPTS = 3
# A status may come before the send it belongs to is stored, and an edit before what it changes;
# after so many looks it was never ours.
MAX_WAITS = 8
# A message this old was held up on its way; how fast such come says nothing about their sender.
BACKLOG_SECONDS = 60
SETTLE_PAUSES_SECONDS = (0.2, 1.0, 3.0)

# So many tenants of a batch are served side by side, each in a transaction of its own.
TENANTS_AT_ONCE = 4

# What has failed before is claimed alone, so that it can take nobody along. It came before what
# nobody has claimed yet; to look beyond would read a whole backlog.
_CLAIM = """
WITH fresh AS (
    SELECT id FROM webhook_event WHERE state = 'pending' AND due_at <= now() AND attempts = 0
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
), failed AS (
    SELECT id FROM webhook_event WHERE state = 'pending' AND due_at <= now() AND attempts > 0
        AND id <= coalesce((SELECT max(id) FROM fresh), 9223372036854775807)
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE webhook_event SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
-- As an array, so that the rows are reached by their key: what waits may have been analysed as many,
-- and then all that was ever received would be read to find a few.
WHERE id = ANY(ARRAY(SELECT id FROM fresh UNION ALL SELECT id FROM failed))
RETURNING id, body, attempts, waits, last_error, traceparent
"""


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """One entry when any raw webhook is due: they are handled in batches, not one by one."""
    found = await connection.fetchval(
        "SELECT 1 FROM webhook_event WHERE state = 'pending' AND due_at <= now() LIMIT 1"
    )
    return [(NIL, NIL)] if found else []


@dataclass
class Event:
    """A claimed raw webhook and what has become of its items."""

    id: int
    body: bytes
    attempts: int
    waits: int
    last_error: str | None = None  # Of the time before.
    traceparent: str | None = None  # The request that brought it.
    span: Span = INVALID_SPAN  # A batch is of many traces, so each event has its own.
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    waits_again: bool = False
    put_off: bool = False  # The database had no time; that is no fault of the event.

    @property
    def is_new(self) -> bool:
        """Whether nobody has looked at it before."""
        return self.attempts == 1 and self.last_error is None


@dataclass(frozen=True)
class Routed:
    """An item of a webhook and the channel it concerns, which says whose it is."""

    event: Event
    item: Item
    channel: ChannelRef
    human_agent: escalation.Sender | None = None  # Whose phone it comes from, if not a contact's.
    limited: bool = False  # Over its sender's or its channel's rate: stored, shown, not answered.
    waits_seconds: float | None = None  # How long its burst waits for its file.

    @property
    def key(self) -> tuple[UUID, str]:
        """What a message is known by: its channel and its wamid."""
        return self.channel.id, getattr(self.item, "wamid", None) or ""


async def receive(resources: Resources, _tenant_id: UUID, _row_id: UUID) -> None:
    """Take raw webhooks until none is due. Safe to run twice: every item is known by its own id."""
    while True:
        async with resources.db.system() as connection:
            rows = await connection.fetch(_CLAIM, BATCH, LEASE_SECONDS)
        events = sorted((Event(**row) for row in rows), key=lambda event: event.id)
        fresh = [event for event in events if event.attempts == 1]
        failed_before = [event for event in events if event.attempts > 1]
        for batch in (fresh, failed_before):
            if batch:
                await _receive_batch(resources, batch)
        if len(fresh) < BATCH and not failed_before:
            return  # What has come meanwhile has rung.


async def _receive_batch(resources: Resources, events: list[Event]) -> None:
    for event in events:
        event.span = begin("receive", {"frontdesk.batch": len(events)}, parent=event.traceparent)
    try:
        poison = [event for event in events if event.attempts > MAX_ATTEMPTS]
        for event in poison:
            event.error = event.error or "it was tried too often; a worker may have died of it"
        try:
            await _receive_all(resources, [event for event in events if event not in poison])
        except Unavailable as error:
            _put_off(events, error)
        crash("before_settle", *(event.id for event in events))
        await _settle_patiently(resources, events)
    finally:
        for event in events:
            _end_span(event)


def _end_span(event: Event) -> None:
    event.span.set_attribute("frontdesk.attempt", event.attempts)
    if event.error is not None:
        fail(event.span, _next_state(event))
    event.span.end()


async def _receive_all(resources: Resources, events: list[Event]) -> None:
    routed = await _without_erased(resources, await _route(resources, events))
    routed = await _with_human_agents(resources, routed)
    by_tenant: dict[UUID, list[Routed]] = defaultdict(list)
    limited = await _limited(resources, await _fresh(resources, routed))
    for item in await _with_patience(resources, limited):
        by_tenant[item.channel.tenant_id].append(item)
    room = asyncio.Semaphore(TENANTS_AT_ONCE)

    async def apply(tenant_id: UUID, items: list[Routed]) -> None:
        async with room:
            await _apply_all(resources, tenant_id, items)

    await asyncio.gather(*(apply(*of_tenant) for of_tenant in by_tenant.items()))


async def _route(resources: Resources, events: list[Event]) -> list[Routed]:
    """The items of a batch and whose they are, in the order in which they take their locks."""
    registry = resources.keep(ChannelRegistry)
    parsed = [(event, parse_webhook(event.body)) for event in events]
    phone_ids = {i.phone_number_id for _, p in parsed for i in p.items if i.phone_number_id}
    channels = await registry.by_phone_number_ids(phone_ids)
    routed: list[Routed] = []
    for event, webhook in parsed:
        if webhook.unreadable is not None:
            event.attempts, event.error = MAX_ATTEMPTS + 1, f"unreadable: {webhook.unreadable}"
        for item in webhook.items:
            if isinstance(item, Unknown):
                event.notes.append(f"unknown: {item.reason}")
                _count(resources, item, "unknown")
                continue
            channel = channels.get(item.phone_number_id or "")
            if channel and item.waba_id and channel.waba_id != item.waba_id:
                channel = None  # A number of another account: not the one that was connected.
            found = [channel] if channel else await _by_account(registry, item)
            if not found:
                event.notes.append(f"no channel for {item.phone_number_id or item.waba_id}")
                _count(resources, item, "no_channel")
                log.warning("webhook_for_unknown_channel", waba_id=item.waba_id)
            routed += [Routed(event, item, target) for target in found]
    return sorted(routed, key=_lock_order)


async def _by_account(registry: ChannelRegistry, item: Item) -> list[ChannelRef]:
    """The channels an account event concerns: one number, or all of the account."""
    if item.waba_id is None or item.phone_number_id is not None:
        return []
    channels = await registry.by_waba(item.waba_id)
    if item.display_phone_number:
        return [c for c in channels if c.display_phone_number == item.display_phone_number]
    return channels


def _lock_order(routed: Routed) -> tuple[int, str]:
    """Messages by contact, then the rest: two batches take the same locks in the same order."""
    item = routed.item
    if isinstance(item, InboundMessage):
        return (0, conversation.sort_key(item.sender))
    if isinstance(item, Echo):
        return (0, conversation.sort_key(item.recipient))
    if isinstance(item, Status):
        return (3, item.callback_data or item.wamid)
    return (2, "")


async def _without_erased(resources: Resources, items: list[Routed]) -> list[Routed]:
    """All but what is from before the erasure of whom it is about."""
    suppression = resources.keep(conversation.Suppression)
    kept = []
    for routed in items:
        if await suppression.is_erased(routed.channel.tenant_id, routed.item):
            _count(resources, routed.item, "erased")
        else:
            kept.append(routed)
    return kept


async def _with_human_agents(resources: Resources, items: list[Routed]) -> list[Routed]:
    """The same, with those marked that come from a human agent's own WhatsApp, and without what
    went there from the phone app: neither is a contact's."""
    people, told = [], []
    for routed in items:
        item = routed.item
        if isinstance(item, InboundMessage):
            told.append((routed.channel.tenant_id, item.sender, item.text))
        elif isinstance(item, Echo):
            told.append((routed.channel.tenant_id, item.recipient, ""))
        else:
            continue
        people.append(routed)
    if not people:
        return items
    async with resources.db.system() as connection:
        found = await escalation.find_senders(connection, told)
    senders = {id(people[place]): sender for place, sender in found.items()}
    marked = [replace(each, human_agent=senders.get(id(each))) for each in items]
    return [each for each in marked if each.human_agent is None or not isinstance(each.item, Echo)]


async def _fresh(resources: Resources, items: list[Routed]) -> list[Routed]:
    """All but the messages that are stored already."""
    told = {
        (routed.channel.tenant_id, routed.channel.id, routed.item.wamid)
        for routed in items
        if isinstance(routed.item, InboundMessage) and routed.human_agent is None
    }
    if not told:
        return items
    async with resources.db.system() as connection:
        known = await conversation.known_messages(connection, sorted(told))
    fresh = []
    for routed in items:
        if isinstance(routed.item, InboundMessage) and routed.key in known:
            _count(resources, routed.item, "known")
        else:
            fresh.append(routed)
    return fresh


async def _limited(resources: Resources, items: list[Routed]) -> list[Routed]:
    """The same, with those marked that are over a rate.

    The rate is that at which contacts write: neither a webhook that comes again nor the backlog of
    an outage counts.
    """
    people = resources.keep(conversation.MergedPeople)
    counted: dict[tuple[UUID, str], list[Bucket]] = {}
    for routed in items:
        item = routed.item
        if routed.human_agent is not None:
            continue
        if not (isinstance(item, InboundMessage) and routed.event.is_new and _counts(item)):
            continue
        if routed.key not in counted:
            person = await people.name_of(routed.channel.tenant_id, item.sender)
            counted[routed.key] = _buckets(resources, routed.channel, person)
    waits = await resources.limiter.wait_seconds_each(list(counted.values()))
    over = {key for key, wait in zip(counted, waits, strict=True) if wait}
    return [replace(routed, limited=routed.key in over) for routed in items] if over else items


async def _with_patience(resources: Resources, items: list[Routed]) -> list[Routed]:
    """The same, with those marked whose file the agent waits for: it hears voice notes, or sees
    pictures, and there is a model that can."""
    waits: dict[tuple[UUID, str], bool] = {}
    marked = []
    for routed in items:
        item, channel = routed.item, routed.channel
        if not isinstance(item, InboundMessage) or item.media is None or item.type not in WORDS_OF:
            marked.append(routed)
            continue
        kind = (channel.id, item.type)
        if kind not in waits:
            agent = await load_agent(resources, channel.tenant_id, channel.agent_id)
            models = await file_models(resources, channel.tenant_id, WORDS_OF[item.type])
            waits[kind] = agent.config.perceives(item.type) and bool(models)
        seconds = resources.settings.worker.media_wait_seconds if waits[kind] else None
        marked.append(replace(routed, waits_seconds=seconds))
    return marked


def _counts(item: InboundMessage) -> bool:
    if item.ignored_reason is not None:
        return False
    if item.provider_at is None:
        return True
    return (datetime.now(UTC) - item.provider_at).total_seconds() <= BACKLOG_SECONDS


def _buckets(resources: Resources, channel: ChannelRef, person: str) -> list[Bucket]:
    limits = resources.settings.limits
    per_minute, per_second = limits.contact_messages_per_minute, limits.channel_messages_per_second
    key = f"{channel.tenant_id}:in:{channel.id}"
    return [
        Bucket(f"{key}:{person}", per_minute / 60, per_minute),
        Bucket(key, per_second, per_second * 10),
    ]


async def _apply_all(resources: Resources, tenant_id: UUID, items: list[Routed]) -> None:
    """Apply a tenant's items in one transaction; if that fails, one by one to find the bad one.

    What human agents write on their phones concerns other conversations than their own, so each
    message has a transaction of its own, and its locks.
    """
    heard = [item for item in items if item.human_agent is not None]
    items = [item for item in items if item.human_agent is None]
    if items:
        await _apply_those_of_contacts(resources, tenant_id, items)
    for item in heard:
        await _hear(resources, tenant_id, item)


async def _hear(resources: Resources, tenant_id: UUID, routed: Routed) -> None:
    """Apply what a human agent wrote; if that fails, it is noted on the item's event."""
    assert routed.human_agent is not None
    assert isinstance(routed.item, InboundMessage)
    try:
        async with resources.db.transaction(tenant_id) as session:
            is_new = await escalation.hear(session, routed.channel, routed.human_agent, routed.item)
            crash("before_hear_commit", routed.key)
    except Unavailable as error:
        _put_off([routed.event], error)
    except Exception as error:
        log.exception("hear_failed", tenant_id=str(tenant_id))
        routed.event.error = f"{type(error).__name__}: {error}"[:500]
    else:
        _count(resources, routed.item, "stored" if is_new else "known")


async def _apply_those_of_contacts(
    resources: Resources, tenant_id: UUID, items: list[Routed]
) -> None:
    try:
        await _apply_together(resources, tenant_id, items)
    except Unavailable as error:
        _put_off([item.event for item in items], error)
    except Exception as error:
        # Another worker may have stored the same message at this moment; anything else is strange.
        if not isinstance(error, asyncpg.UniqueViolationError):
            log.exception("receive_batch_failed", tenant_id=str(tenant_id), items=len(items))
        for item in items:
            await _apply_alone(resources, tenant_id, item)


async def _apply_alone(resources: Resources, tenant_id: UUID, routed: Routed) -> None:
    """Apply one item; if that fails, it is noted on the item's event."""
    try:
        if await _fresh(resources, [routed]):
            await _apply_together(resources, tenant_id, [routed])
    except Unavailable as error:
        _put_off([routed.event], error)
    except Exception as error:
        routed.event.error = f"{type(error).__name__}: {error}"[:500]


def _put_off(events: Sequence[Event], error: Unavailable) -> None:
    log.warning("receive_put_off", events=len(events), error=str(error))
    for event in events:
        event.put_off = True
        event.notes.append("put off: the database had no time")


async def _apply_together(resources: Resources, tenant_id: UUID, items: list[Routed]) -> None:
    statuses = [routed for routed in items if isinstance(routed.item, Status)]
    outcomes: list[tuple[Routed, str]] = []
    stored: set[tuple[UUID, str]] = set()
    async with resources.db.hot(tenant_id) as tx:
        for routed in items:
            if isinstance(routed.item, Status):
                continue
            if isinstance(routed.item, InboundMessage):
                if routed.key in stored:
                    outcomes.append((routed, "known"))
                    continue
                stored.add(routed.key)
            is_applied = await _apply(tx, resources, routed)
            outcomes.append((routed, "stored" if is_applied else "early"))
        outcomes += await _apply_statuses(tx, statuses)
        await _note_alive(tx, resources, items)
        crash("before_receive_commit", *(routed.key for routed in items))
    for routed, outcome in outcomes:
        _count(resources, routed.item, outcome)
        routed.event.waits_again |= outcome == "early"


async def _apply(tx: Transaction, resources: Resources, routed: Routed) -> bool:
    """Apply anything but a status; False when it changes a message that has not come yet."""
    item, channel = routed.item, routed.channel
    if isinstance(item, InboundMessage):
        worker = resources.settings.worker
        debounce = Debounce(worker.debounce_seconds, worker.debounce_max_seconds)
        with_people = await conversation.receive_message(
            tx,
            channel,
            item,
            debounce,
            limited=routed.limited,
            waits_seconds=routed.waits_seconds,
            traceparent=traceparent(routed.event.span),
        )
        if with_people is not None:
            await escalation.relay(tx, with_people, item, limited=routed.limited)
        if with_people is not None and not routed.limited:
            await escalation.propose_soon(tx, with_people, after_seconds=worker.debounce_seconds)
    elif isinstance(item, Echo):
        conversation_id = await conversation.receive_echo(tx, channel, item)
        if conversation_id is not None:
            await escalation.answered_from_phone(tx, conversation_id)
    elif isinstance(item, HistoryMessage):
        await conversation.receive_history(tx, channel, item)
    elif isinstance(item, MessageEdit):
        return await conversation.edit_message(tx, channel, item)
    elif isinstance(item, MessageRevoke):
        return await conversation.revoke_message(tx, channel, item)
    elif isinstance(item, IdentityChange):
        await conversation.change_identity(tx, item)
    else:
        if isinstance(item, PreferenceChange):
            await conversation.change_preference(tx, item)
        await messaging.store_account_event(tx, channel, item)
    return True


async def _apply_statuses(tx: Transaction, statuses: Sequence[Routed]) -> list[tuple[Routed, str]]:
    """Apply statuses; what became of each in a word."""
    told = [(r.channel.id, r.item) for r in statuses if isinstance(r.item, Status)]
    if not told:
        return []
    outcomes = []
    for routed, (_, status), is_known in zip(
        statuses, told, await messaging.apply_statuses(tx, told), strict=True
    ):
        # All our sends carry callback data and are stored before they leave: a status that names a
        # row we do not have is another system's. One without may be early.
        outcome = "applied" if is_known else "foreign" if status.callback_data else "early"
        outcomes.append((routed, outcome))
    return outcomes


class AliveNotes:
    """The newest provider time this process has noted for each channel, which need not be twice."""

    def __init__(self, _resources: Resources) -> None:
        self.noted: dict[UUID, datetime] = {}


async def _note_alive(tx: Transaction, resources: Resources, items: list[Routed]) -> None:
    newest: dict[UUID, datetime] = {}
    noted = resources.keep(AliveNotes).noted
    for routed in items:
        at = getattr(routed.item, "provider_at", None)
        if isinstance(routed.item, InboundMessage | Status) and at is not None:
            at = min(at, datetime.now(UTC))
            newest[routed.channel.id] = max(at, newest.get(routed.channel.id, at))
    for channel_id, at in sorted(newest.items()):
        if channel_id not in noted or at > noted[channel_id]:
            await messaging.note_alive(tx, channel_id, at)
            tx.after_commit(partial(noted.__setitem__, channel_id, at))


async def _settle_patiently(resources: Resources, events: list[Event]) -> None:
    """Settle, though the database is busy: what is not settled has used up an attempt."""
    for pause in SETTLE_PAUSES_SECONDS:
        try:
            await _settle(resources, events)
        except Unavailable as error:
            log.warning("settle_waits", events=len(events), error=str(error))
            await asyncio.sleep(pause)
        else:
            return
    await _settle(resources, events)


async def _settle(resources: Resources, events: list[Event]) -> None:
    """Write what became of each raw webhook: done, to be tried again, or dead."""
    done = [event.id for event in events if _next_state(event) == "done" and not event.notes]
    async with resources.db.system() as connection:
        if done:
            await connection.execute(
                "UPDATE webhook_event SET state = 'done', last_error = NULL WHERE id = ANY($1)",
                done,
            )
        for event in events:
            state = _next_state(event)
            if state == "done" and not event.notes:
                continue
            waits = event.waits + (1 if state == "wait" else 0)
            await connection.execute(
                "UPDATE webhook_event SET state = $2, last_error = $3, waits = $4, attempts = $5, "
                "due_at = now() + make_interval(secs => $6) WHERE id = $1",
                event.id,
                "pending" if state in ("wait", "retry", "put_off") else state,
                event.error or "; ".join(event.notes)[:500] or None,
                waits,
                0 if state == "wait" else event.attempts - (state == "put_off"),
                2.0**waits if state == "wait" else 2.0**event.attempts,
            )


def _next_state(event: Event) -> str:
    if event.error is not None:
        return "dead" if event.attempts >= MAX_ATTEMPTS else "retry"
    if event.put_off:
        return "put_off"
    return "wait" if event.waits_again and event.waits < MAX_WAITS else "done"


def _count(resources: Resources, item: Item, outcome: str) -> None:
    resources.metrics.webhook_items.labels(type(item).__name__, outcome).inc()
