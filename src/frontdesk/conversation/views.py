"""The inbox: views of it with counts, for whoever asks, and what in it they have not read.

Each view is a range of one index, sorted as it is shown, so a page costs the same in a tenant of a
thousand conversations and of a million. Counts stop at a thousand for the same reason.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.errors import NoSuchConversation
from frontdesk.conversation.happenings import ConversationRead
from frontdesk.conversation.inbox import CONVERSATION, NEVER_UNREAD, shown
from frontdesk.conversation.models import Priority, Status
from frontdesk.conversation.schemas import MOST_UNREAD, InboxConversation, ReadTo, ViewCounts
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Invalid, NotFound
from frontdesk.core.pages import Page, cursor_time, cursor_uuid, decode_cursor, encode_cursor

MOST_COUNTED = 1000


class View(StrEnum):
    """A part of the inbox."""

    MINE = "mine"
    UNASSIGNED = "unassigned"
    AI = "ai"
    ALL = "all"
    SNOOZED = "snoozed"
    CLOSED = "closed"


class Order(StrEnum):
    """How the inbox is sorted."""

    WAITING = "waiting"
    RECENT = "recent"


@dataclass(frozen=True)
class Filters:
    """Which conversations are listed; what is None or False asks for nothing."""

    view: View | None = None
    status: Status | None = None
    assigned_to: UUID | None = None
    unassigned: bool = False
    channel_id: UUID | None = None
    priority: Priority | None = None
    tag: str | None = None
    contact: str | None = None
    by_number: bool = True  # Whether `contact` may be a number or user id, or a name only.


_AWAKE = (
    "NOT EXISTS (SELECT FROM timer s WHERE s.tenant_id = k.tenant_id AND s.conversation_id = k.id "
    "AND s.kind = 'snooze')"
)
# `$1` is who asks. Words stand in the text, so that Postgres sees which partial index fits.
_IN_VIEW = {
    View.MINE: f"k.status = 'WITH_HUMAN' AND k.assigned_user_id = $1 AND {_AWAKE}",
    View.UNASSIGNED: f"k.status = 'WITH_HUMAN' AND k.assigned_user_id IS NULL AND {_AWAKE}",
    View.AI: f"k.status = 'ACTIVE' AND {_AWAKE}",
    View.ALL: "k.status <> 'CLOSED'",
    View.SNOOZED: "EXISTS (SELECT FROM timer s WHERE s.tenant_id = k.tenant_id "
    "AND s.conversation_id = k.id AND s.kind = 'snooze')",
    View.CLOSED: "k.status = 'CLOSED'",
}
# Only what an index can do by itself comes before row-level security: so two questions instead of
# one with `coalesce`, and the walk begins at the mark however long the thread is.
_FRESH = f"""
(SELECT count(*) FROM (
    SELECT FROM message m
    WHERE m.tenant_id = k.tenant_id AND m.conversation_id = k.id AND m.direction = 'in'
        AND m.revoked_at IS NULL
        AND coalesce(m.ignored_reason, '') <> ALL ('{{{",".join(NEVER_UNREAD)}}}')
        AND %s
    LIMIT {MOST_UNREAD}
) AS fresh)
"""  # noqa: S608  # A number of ours.
_UNREAD = (
    f"CASE WHEN r.message_id IS NULL THEN {_FRESH % 'true'} "
    f"ELSE {_FRESH % '(m.created_at, m.id) > (r.message_at, r.message_id)'} END AS unread"
)
_READ_TO = "r.message_id AS read_message_id, r.message_at AS read_at"
_READ_BY_ME = (
    "LEFT JOIN read_mark r ON r.tenant_id = k.tenant_id AND r.conversation_id = k.id "
    "AND r.user_id = $1"
)


async def list_conversations(
    tx: Transaction,
    user_id: UUID,
    filters: Filters,
    *,
    order: Order = Order.WAITING,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[InboxConversation]:
    """A page of the inbox as a user sees it: longest waiting first, then what waits for nothing,
    newest first; or all of it newest first.

    Without a view, a state or a contact, what waits is looked for among the open ones.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    values: list[Any] = [user_id]

    def given(value: Any) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = [_IN_VIEW[filters.view]] if filters.view else []
    if filters.status:
        conditions.append(f"k.status = '{filters.status}'")
    if filters.assigned_to:
        conditions.append(f"k.assigned_user_id = {given(filters.assigned_to)}")
    if filters.unassigned:
        conditions.append("k.assigned_user_id IS NULL")
    if filters.channel_id:
        conditions.append(f"k.channel_id = {given(filters.channel_id)}")
    if filters.priority:
        conditions.append(f"k.priority = '{filters.priority}'")
    if filters.tag is not None:
        conditions.append(
            "EXISTS (SELECT FROM conversation_tag g WHERE g.tenant_id = k.tenant_id "
            f"AND g.conversation_id = k.id AND g.tag = {given(filters.tag)})"
        )
    if filters.contact is not None:
        known = f"name ILIKE {given(f'%{_like(filters.contact)}%')}"
        if filters.by_number:
            known += (
                " OR id IN (SELECT contact_id FROM contact_alias "  # noqa: S608  # As below.
                f"WHERE kind IN ('wa_id', 'bsuid') AND value = {given(filters.contact)})"
            )
        # Whoever is found is found with all the contacts that they are.
        conditions.append(
            "k.contact_id IN (WITH person AS (SELECT DISTINCT coalesce(merged_into, id) AS id "  # noqa: S608  # Numbers of parameters.
            f"FROM contact WHERE {known}) SELECT id FROM person UNION "
            "SELECT m.id FROM contact m JOIN person ON m.merged_into = person.id)"
        )
    if order is Order.WAITING and not conditions:
        conditions.append(_IN_VIEW[View.ALL])
    sort, beyond, direction = (
        ("k.inbox_rank", ">", "ASC")
        if order is Order.WAITING
        else ("k.last_activity_at", "<", "DESC")
    )
    if after := decode_cursor(cursor, 2):
        place = _rank(after[0]) if order is Order.WAITING else cursor_time(after[0])
        conditions.append(
            f"({sort}, k.id) {beyond} ({given(place)}, {given(cursor_uuid(after[1]))})"
        )
    sought = " AND ".join(conditions) or "true"
    rows = await tx.sql.fetch(
        # First which, by the index alone; then what is shown of these few.
        f"WITH page AS MATERIALIZED (SELECT k.tenant_id, k.id, {sort} AS place FROM conversation k "  # noqa: S608  # Our own words.
        f"WHERE {sought} ORDER BY {sort} {direction}, k.id {direction} LIMIT {given(limit + 1)}) "
        f"SELECT page.place, {_UNREAD}, {_READ_TO}, {CONVERSATION} {_READ_BY_ME} "
        "JOIN page ON page.tenant_id = k.tenant_id AND page.id = k.id "
        f"ORDER BY page.place {direction}, k.id {direction}",
        *values,
    )
    items = [_listed(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items=items)
    last = rows[limit - 1]
    at = last["place"]
    if order is Order.WAITING:
        at //= timedelta(microseconds=1)
    return Page(items=items, next_cursor=encode_cursor(at, last["id"]))


async def count_views(tx: Transaction, user_id: UUID) -> ViewCounts:
    """How many conversations each view of a user holds, counted up to a thousand."""
    counts = ", ".join(
        # In order, as that is what the indexes are for: the first thousand of the heap may be far.
        f"(SELECT count(*) FROM (SELECT FROM conversation k WHERE {sought} "  # noqa: S608  # Ours.
        f'ORDER BY k.inbox_rank, k.id LIMIT {MOST_COUNTED}) AS counted) AS "{view}"'
        for view, sought in _IN_VIEW.items()
    )
    row = await tx.sql.fetchrow(f"SELECT {counts}", user_id)
    assert row is not None
    return ViewCounts.model_validate(dict(row))


async def look_into(tx: Transaction, user_id: UUID, conversation_id: UUID) -> InboxConversation:
    """One conversation as a user's inbox shows it; raises `NoSuchConversation`."""
    row = await tx.sql.fetchrow(
        f"SELECT {_UNREAD}, {_READ_TO}, {CONVERSATION} {_READ_BY_ME} WHERE k.id = $2",
        user_id,
        conversation_id,
    )
    if row is None:
        raise NoSuchConversation
    return _listed(row)


async def mark_read(
    tx: Transaction, user_id: UUID, conversation_id: UUID, message_id: UUID
) -> InboxConversation:
    """Keep that a user has read a conversation up to a message; an older one makes it unread again.

    Raises:
        NoSuchConversation: there is none in this tenant.
        NotFound: there is no such message in it.
    """
    marked = await tx.sql.fetchval(
        "INSERT INTO read_mark (user_id, conversation_id, message_id, message_at) "
        "SELECT $1, conversation_id, id, created_at FROM message "
        "WHERE conversation_id = $2 AND id = $3 "
        "ON CONFLICT (tenant_id, user_id, conversation_id) DO UPDATE "
        "SET message_id = excluded.message_id, message_at = excluded.message_at RETURNING 1",
        user_id,
        conversation_id,
        message_id,
    )
    conversation = await look_into(tx, user_id, conversation_id)
    if marked is None:
        raise NotFound(f"There is no message {message_id} in this conversation.")
    assert conversation.read_to is not None
    told = ConversationRead(
        conversation_id=conversation_id,
        read_to=conversation.read_to,
        unread=conversation.unread,
    )
    feed.tell(tx, told, user_id)
    return conversation


def _listed(row: Any) -> InboxConversation:
    at = row["read_at"]
    read_to = None if at is None else ReadTo(message_id=row["read_message_id"], at=at)
    return InboxConversation.model_validate({**shown(row), "read_to": read_to})


def _rank(value: Any) -> timedelta:
    if isinstance(value, int) and abs(value) < 10**18:
        return timedelta(microseconds=value)
    raise Invalid("The cursor is not one of ours.")


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
