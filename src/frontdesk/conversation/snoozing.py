"""Snoozing: a conversation is out of the way until a time, or until the contact writes.

It is a timer like others: a message of the contact, a takeover and a close end it.
"""

from datetime import datetime, timedelta
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.errors import ConversationClosed
from frontdesk.conversation.happenings import ConversationSnoozed, ConversationWoken
from frontdesk.conversation.models import Actor, Status
from frontdesk.conversation.threads import lock
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Invalid

LONGEST = timedelta(days=366)


async def snooze(tx: Transaction, conversation_id: UUID, until: datetime, *, user_id: UUID) -> None:
    """Put a conversation out of the way; done again it changes the time.

    Raises:
        NoSuchConversation, ConversationClosed: there is nothing to snooze.
        Invalid: the time has passed, is further off than a year, or names no time zone.
    """
    thread = await lock(tx, conversation_id)
    if thread.status is Status.CLOSED:
        raise ConversationClosed("A closed conversation is out of the way already.")
    if until.tzinfo is None or not thread.now < until < thread.now + LONGEST:
        raise Invalid("`until` must be a time with its zone, within the year to come.")
    await tx.sql.execute(
        "INSERT INTO timer (id, conversation_id, kind, epoch, due_at) "
        "VALUES ($1, $2, 'snooze', $3, $4) ON CONFLICT (tenant_id, conversation_id, kind) "
        "DO UPDATE SET id = excluded.id, due_at = excluded.due_at, attempts = 0",
        ids.new(),
        thread.id,
        thread.epoch,
        until,
    )
    told = ConversationSnoozed(conversation_id=thread.id, until=until, user_id=user_id)
    feed.tell(tx, told)


async def wake(
    tx: Transaction, conversation_id: UUID, *, by: Actor, timer_id: UUID | None = None
) -> None:
    """Bring a conversation back, if it is snoozed; raises `NoSuchConversation`.

    Args:
        timer_id: only if it is this snooze still, and not a newer one.
    """
    thread = await lock(tx, conversation_id)
    woken = await tx.sql.fetchval(
        "DELETE FROM timer WHERE conversation_id = $1 AND kind = 'snooze' "
        "AND id = coalesce($2, id) RETURNING id",
        thread.id,
        timer_id,
    )
    if woken is not None:
        feed.tell(tx, ConversationWoken(conversation_id=thread.id, by=by))
