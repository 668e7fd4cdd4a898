"""Claiming a burst, what a turn needs to know, and the fence that keeps a slow worker out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from frontdesk.conversation.errors import NoSuchConversation
from frontdesk.conversation.happenings import tell_changed
from frontdesk.conversation.inbox import STATE, state_of
from frontdesk.conversation.memory import VERBATIM_MESSAGES, Memory, find_memory
from frontdesk.conversation.models import Actor, Status
from frontdesk.conversation.receiving import CONVERSATION
from frontdesk.conversation.threads import (
    INSERT_TURN,
    LISTED_CHARACTERS,
    LOCKED,
    Locked,
    NewTurn,
    lock,
    locked_of,
    tell_decided,
    turn_values,
)
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.text import excerpt

HISTORY_MESSAGES = 20
LONGEST_PAUSE_SECONDS = 60.0


@dataclass(frozen=True)
class Claim:
    """The right to answer one burst. It ends with the lease; the token and epoch are the fence."""

    tenant_id: UUID
    conversation_id: UUID
    channel_id: UUID
    contact_id: UUID
    agent_id: UUID
    epoch: int
    lease_token: int
    inbound_seq: int
    handled_seq: int
    attempts: int
    language: str | None
    waited_seconds: float
    phone_number_id: str
    access_token_sealed: str
    channel_sends: bool
    last_error: str | None = None
    is_stale: bool = False  # The contact last wrote more than 24 hours ago, by WhatsApp's clock.
    contact_name: str | None = None
    contact_wa_id: str | None = None
    previous_id: UUID | None = None
    traceparent: str | None = None  # The span that took in the last message of the burst.


_CLAIMED = """
k.tenant_id, k.id AS conversation_id, channel_id, contact_id, k.agent_id, epoch, lease_token,
    inbound_seq, handled_seq, k.attempts, k.language,
    coalesce(extract(epoch FROM now() - waiting_since), 0)::float8 AS waited_seconds,
    phone_number_id, access_token_sealed, h.status = 'CONNECTED' AS channel_sends,
    last_error, coalesce(last_inbound_at < now() - interval '24 hours', false) AS is_stale,
    c.name AS contact_name, c.wa_id AS contact_wa_id, k.previous_id, k.traceparent
"""
# The whole mutual exclusion is this statement: no row means another worker has it, there is no
# work, the tenant is suspended, or it has enough bursts in hand. The count can overshoot by a few
# under races, which is fine for fairness.
_CLAIM = f"""
UPDATE conversation k SET lease_token = lease_token + 1,
    lease_until = now() + make_interval(secs => $2), attempts = k.attempts + 1
FROM channel h JOIN tenant t ON t.id = h.tenant_id, contact c
WHERE k.id = $1 AND k.status = 'ACTIVE' AND inbound_seq > handled_seq AND k.due_at <= now()
  AND (lease_until IS NULL OR lease_until < now())
  AND (SELECT count(*) FROM conversation o WHERE o.lease_until > now() AND o.id <> k.id)
      < least($3, t.max_conversations_at_once)
  AND h.tenant_id = k.tenant_id AND h.id = k.channel_id AND t.status = 'ACTIVE'
  AND c.tenant_id = k.tenant_id AND c.id = k.contact_id
RETURNING {_CLAIMED}
"""  # noqa: S608  # Ours.
_LOOK_AT = f"""
SELECT {_CLAIMED} FROM conversation k
JOIN channel h ON h.tenant_id = k.tenant_id AND h.id = k.channel_id
JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
WHERE k.id = $1
"""  # noqa: S608  # Ours.


async def claim(
    tx: Transaction, conversation_id: UUID, *, lease_seconds: float, tenant_limit: int
) -> Claim | None:
    """Claim a conversation's waiting burst, or None when it is not ours to answer now."""
    row = await tx.sql.fetchrow(_CLAIM, conversation_id, lease_seconds, tenant_limit)
    return Claim(**row) if row else None


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Bursts to be answered: the first of every tenant before the second of any."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM (SELECT tenant_id, id, due_at, row_number() OVER "
        "(PARTITION BY tenant_id ORDER BY due_at) AS turn FROM conversation "
        "WHERE due_at <= now() AND status = 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM tenant t "
        "WHERE t.id = conversation.tenant_id AND t.status = 'SUSPENDED') "
        "AND (lease_until IS NULL OR lease_until < now())) due ORDER BY turn, due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


@dataclass(frozen=True)
class PastMessage:
    """A message as a prompt needs it."""

    id: UUID
    author: str
    type: str
    text: str
    seq: int | None
    has_media: bool
    wamid: str | None
    tokens: int | None = None
    seen: str | None = None
    """What a model saw in its picture."""

    @property
    def words(self) -> str:
        """What it says and, of a picture that was seen, shows; nothing of other files."""
        shown = f"[{self.type}, which shows: {self.seen}]" if self.seen else ""
        return f"{shown} {self.text}".strip()


@dataclass(frozen=True)
class Background:
    """What is known of a conversation when its burst is answered.

    `history` is what stands before the burst, oldest first, without what `memory` speaks of.
    """

    burst: tuple[PastMessage, ...]
    history: tuple[PastMessage, ...]
    memory: Memory | None = None


# The burst and, each from its own end of an index, what was said before it. Within a burst
# WhatsApp's own time orders the messages, since webhooks come in any order. The contact has never
# read what was not sent.
_BACKGROUND = """
SELECT id, author, type, text, seq, media IS NOT NULL AS has_media, wamid, tokens,
    media ->> 'seen' AS seen FROM (
    (SELECT *, true AS fresh FROM message
    WHERE conversation_id = $1 AND seq > $2 AND seq <= $3 AND revoked_at IS NULL)
    UNION ALL
    (SELECT *, false AS fresh FROM message m
    WHERE conversation_id = $1 AND coalesce(seq <= $2, true) AND revoked_at IS NULL
        AND (direction = 'in' AND ignored_reason IS NULL OR direction = 'out' AND NOT EXISTS (
            SELECT 1 FROM outbound o WHERE o.tenant_id = m.tenant_id AND o.id = m.id
            AND o.state IN ('cancelled', 'failed')))
    ORDER BY created_at DESC, id DESC LIMIT $4)
) AS known
ORDER BY fresh, CASE WHEN fresh THEN provider_at END NULLS LAST, created_at, seq NULLS LAST, id
"""


async def load_background(tx: Transaction, claimed: Claim) -> Background:
    """The burst and what was said before it."""
    messages = await _read_thread(tx, claimed, from_seq=claimed.handled_seq)
    burst = tuple(m for m in messages if m.seq is not None and m.seq > claimed.handled_seq)
    history = tuple(m for m in messages if m.seq is None or m.seq <= claimed.handled_seq)
    return await _with_memory(tx, claimed, burst, history)


async def look_at(tx: Transaction, conversation_id: UUID) -> tuple[Claim, Background]:
    """A conversation as a turn would be given it, whoever has it, with nothing claimed by that.

    Its burst is what the contact has written since the business last answered; or else wrote last.

    Raises:
        NoSuchConversation: it has gone.
    """
    row = await tx.sql.fetchrow(_LOOK_AT, conversation_id)
    if row is None:
        raise NoSuchConversation
    seen = Claim(**row)
    thread = await _read_thread(tx, seen, from_seq=seen.inbound_seq)
    asked = last_asked(thread)
    history = tuple(m for m in thread if m not in asked)
    return seen, await _with_memory(tx, seen, asked, history)


def last_asked(thread: Sequence[PastMessage]) -> tuple[PastMessage, ...]:
    """What a contact said last, of which the business has answered nothing in between."""
    asked: list[PastMessage] = []
    for message in reversed(thread):
        if message.author == Actor.CONTACT:
            asked.append(message)
        elif asked and message.author != Actor.SYSTEM:
            break
    return tuple(reversed(asked))


async def _read_thread(tx: Transaction, claimed: Claim, *, from_seq: int) -> list[PastMessage]:
    rows = await tx.sql.fetch(
        _BACKGROUND, claimed.conversation_id, from_seq, claimed.inbound_seq, HISTORY_MESSAGES
    )
    return [PastMessage(**row) for row in rows]


async def _with_memory(
    tx: Transaction,
    claimed: Claim,
    burst: tuple[PastMessage, ...],
    history: tuple[PastMessage, ...],
) -> Background:
    # A shorter conversation has none, and most are shorter.
    memory = (
        await find_memory(tx, claimed.conversation_id) if len(history) > VERBATIM_MESSAGES else None
    )
    if memory is not None and memory.through_id is not None:
        through_id = memory.through_id
        history = tuple(m for m in history if m.id > through_id)
    return Background(burst=burst, history=history, memory=memory)


# What the contact has read of it, and only if it ended shortly before this one began.
_EARLIER = """
SELECT m.id, m.author, m.type, m.text, NULL::int AS seq, m.media IS NOT NULL AS has_media, m.wamid,
    m.tokens, m.media ->> 'seen' AS seen
FROM message m
JOIN conversation k ON k.id = $1
JOIN conversation b ON b.id = k.previous_id
    AND b.closed_at > k.created_at - make_interval(mins => $2)
WHERE m.conversation_id = b.id AND m.revoked_at IS NULL
    AND (m.direction = 'in' AND m.ignored_reason IS NULL OR m.direction = 'out' AND NOT EXISTS (
        SELECT 1 FROM outbound o WHERE o.tenant_id = m.tenant_id AND o.id = m.id
        AND o.state IN ('cancelled', 'failed')))
ORDER BY m.created_at DESC, m.id DESC LIMIT $3
"""


async def load_earlier(
    tx: Transaction, claimed: Claim, background: Background, *, within_minutes: int
) -> Background:
    """The background with what was said in the conversation before this one, if it ended so shortly
    before this one began and this one is still young."""
    room = HISTORY_MESSAGES - len(background.history)
    if background.memory is not None or room <= 0:
        return background
    rows = await tx.sql.fetch(_EARLIER, claimed.conversation_id, within_minutes, room)
    if not rows:
        return background
    earlier = tuple(PastMessage(**row) for row in reversed(rows))
    assert claimed.previous_id is not None
    memory = await find_memory(tx, claimed.previous_id)
    return replace(background, history=(*earlier, *background.history), memory=memory)


async def lock_if_ours(tx: Transaction, claimed: Claim) -> Locked | None:
    """Lock the conversation if the claim still holds; None when a person or a worker took over."""
    thread = await lock(tx, claimed.conversation_id)
    ours = (
        thread.lease_token == claimed.lease_token
        and thread.epoch == claimed.epoch
        and thread.status is Status.ACTIVE
    )
    return thread if ours else None


# Asks whether the claim holds, as `lock_if_ours` does, of the row that it locks. What was written while
# the answer was made waits since then: when people give it back unanswered, that is what they left. Of
# what is stored at this very moment only the row tells.
_CONCLUDE = f"""
WITH freed AS (
    UPDATE conversation k SET handled_seq = $4, attempts = 0, last_error = NULL, lease_until = NULL,
        first_due_at = NULL,
        due_at = CASE WHEN inbound_seq > $4 THEN greatest(now(), awaits_until) END,
        waiting_since = CASE WHEN inbound_seq > $4 THEN coalesce((SELECT min(m.created_at) FROM message m
            WHERE m.tenant_id = k.tenant_id AND m.conversation_id = k.id AND m.seq > $4),
            last_activity_at) END,
        language = coalesce($17, k.language),
        last_activity_at = CASE WHEN $18::text IS NULL THEN last_activity_at ELSE now() END,
        last_text = coalesce($18, last_text)
    FROM contact c
    WHERE k.id = $2 AND k.lease_token = $19 AND k.epoch = $20 AND k.status = 'ACTIVE'
        AND c.tenant_id = k.tenant_id AND c.id = k.contact_id
    RETURNING {STATE}, {LOCKED}
), recorded AS ({INSERT_TURN} FROM freed)
SELECT * FROM freed
"""  # noqa: S608  # Ours, one inside the other.


async def conclude(
    tx: Transaction,
    claimed: Claim,
    turn: NewTurn,
    *,
    language: str | None = None,
    reply: str | None = None,
) -> tuple[UUID, Locked] | None:
    """Record the outcome of the claimed burst and free the lease; None when the claim does not hold.

    Args:
        reply: what the inbox shows as the last word, when the outcome is a reply: whoever sends it
            (`send_message(..., listed=True)`) need not write the conversation once more.

    Returns:
        The turn's id, and the conversation, locked, as it is from now on: handled, in that language.
    """
    values = turn_values(claimed.conversation_id, claimed.handled_seq, claimed.inbound_seq, turn)
    row = await tx.sql.fetchrow(
        _CONCLUDE,
        *values,
        language,
        reply and excerpt(reply, LISTED_CHARACTERS),
        claimed.lease_token,
        claimed.epoch,
    )
    if row is None:
        return None
    thread = locked_of(row)
    if thread.inbound_seq > claimed.inbound_seq:
        tx.ring(CONVERSATION, thread.id)
    return tell_decided(tx, values, state_of(row)), thread


def pause_seconds(attempts: int) -> float:
    """How long a burst waits after so many attempts that failed."""
    return min(2.0**attempts, LONGEST_PAUSE_SECONDS)


async def put_off(tx: Transaction, claimed: Claim, *, seconds: float, error: str) -> None:
    """Give a burst back to be tried again later, if it is still ours."""
    freed = await tx.sql.fetchrow(
        "UPDATE conversation k SET lease_until = NULL, last_error = $3, "  # noqa: S608  # Ours.
        "due_at = now() + make_interval(secs => $4) "
        "WHERE id = $1 AND lease_token = $2 AND lease_until IS NOT NULL AND status = 'ACTIVE' "
        f"RETURNING {STATE}",
        claimed.conversation_id,
        claimed.lease_token,
        error[:500],
        seconds,
    )
    if freed:
        tell_changed(tx, freed)
        tx.ring(CONVERSATION, claimed.conversation_id, seconds + 0.01)


async def refused_lately(tx: Transaction, conversation_id: UUID) -> bool:
    """Whether a conversation was refused within a day: who goes on hears nothing more of it."""
    found: bool = await tx.sql.fetchval(
        "SELECT EXISTS (SELECT FROM turn WHERE conversation_id = $1 AND outcome = 'refused' "
        "AND created_at > now() - interval '24 hours')",
        conversation_id,
    )
    return found
