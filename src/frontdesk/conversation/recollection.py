"""What is remembered of a contact, for people to see, correct and delete; and what a thread came to."""

from typing import Any
from uuid import UUID

from frontdesk import billing
from frontdesk.conversation.contacts import PERSON
from frontdesk.conversation.errors import NoSuchConversation, NoSuchFact
from frontdesk.conversation.memory import LONGEST_ITEM, Remembered, Summary, store_summary
from frontdesk.conversation.schemas import ConversationTotals, MemoryPublic
from frontdesk.conversation.threads import lock
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import check_version
from frontdesk.core.text import excerpt
from frontdesk.observability import audit

MOST_CONVERSATIONS = 100
_MEMORY = """
SELECT m.conversation_id, m.version, m.summary::text AS summary
FROM conversation_memory m JOIN conversation k
    ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id
WHERE m.summary IS NOT NULL
"""
# Each from its own table: joined, they would multiply. What a model took beside the turns, and what
# WhatsApp took, is in the ledger only.
_TOTALS = """
SELECT k.created_at, k.last_activity_at, said.*, decided.*, spent.*
FROM conversation k,
    LATERAL (SELECT count(*) FILTER (WHERE direction = 'in') AS messages_in,
        count(*) FILTER (WHERE direction = 'out') AS messages_out,
        max(created_at) FILTER (WHERE direction = 'in') AS last_in_at,
        max(created_at) FILTER (WHERE direction = 'out') AS last_out_at
        FROM message WHERE conversation_id = k.id) said,
    LATERAL (SELECT count(*) AS turns, avg(latency_seconds) AS mean_turn_seconds
        FROM turn WHERE conversation_id = k.id) decided,
    LATERAL (SELECT coalesce(sum(input_tokens), 0) AS input_tokens,
        coalesce(sum(output_tokens), 0) AS output_tokens,
        CASE WHEN count(*) FILTER (WHERE amount_usd IS NULL AND kind = ANY($2))
                = count(*) FILTER (WHERE settles_unpriced)
            THEN coalesce(sum(amount_usd), 0) END AS cost_usd
        FROM usage_entry WHERE conversation_id = k.id) spent
WHERE k.id = $1
"""


async def list_memory(tx: Transaction, contact_id: UUID) -> list[MemoryPublic]:
    """What is remembered of a contact, by conversation, newest first; raises `NotFound`."""
    if await tx.sql.fetchval("SELECT 1 FROM contact WHERE id = $1", contact_id) is None:
        raise NotFound(f"There is no contact {contact_id}.")
    rows = await tx.sql.fetch(
        f"{_MEMORY} AND k.contact_id IN ({PERSON}) ORDER BY k.id DESC LIMIT {MOST_CONVERSATIONS}",
        contact_id,
    )
    return [_public(row["conversation_id"], row["version"], _summary(row)) for row in rows]


async def correct_fact(
    session: Session,
    conversation_id: UUID,
    number: int,
    text: str | None,
    *,
    if_match: str | None,
    user_id: UUID,
) -> MemoryPublic:
    """Put other words for a remembered fact, or with None forget it.

    Whatever a model is making of the conversation at this moment is not kept: it read the old words.

    Args:
        number: the fact's place in the list, from 1, in the version that `if_match` names.

    Raises:
        NoSuchConversation, NoSuchFact: the conversation, or a fact of this number.
        PreconditionRequired, PreconditionFailed: no version was named, or it is not the present one.
    """
    await lock(session, conversation_id)
    row = await session.sql.fetchrow(f"{_MEMORY} AND k.id = $1", conversation_id)
    if row is None:
        raise NoSuchFact
    check_version(if_match, row["version"])
    before = _summary(row)
    if number > len(before.facts):
        raise NoSuchFact
    facts = list(before.facts)
    old = facts.pop(number - 1)
    if text is not None:
        new = Remembered(text=excerpt(text, LONGEST_ITEM), message_id=old.message_id)
        facts.insert(number - 1, new)
    summary = before.model_copy(update={"facts": tuple(facts)})
    version = await store_summary(session, conversation_id, summary)
    # What was said is not: the log outlives the contact's data.
    action = "memory.fact_deleted" if text is None else "memory.fact_corrected"
    await audit(session, action, "conversation", conversation_id, user_id=user_id)
    return _public(conversation_id, version, summary)


async def get_totals(tx: Transaction, conversation_id: UUID) -> ConversationTotals:
    """What a conversation came to so far; raises `NoSuchConversation`."""
    row = await tx.sql.fetchrow(_TOTALS, conversation_id, list(billing.BILLED_KINDS))
    if row is None:
        raise NoSuchConversation
    return ConversationTotals.model_validate(dict(row))


def _summary(row: Any) -> Summary:
    return Summary.model_validate_json(row["summary"])


def _public(conversation_id: UUID, version: int, summary: Summary) -> MemoryPublic:
    return MemoryPublic.model_validate(
        {**summary.model_dump(), "conversation_id": conversation_id, "version": version}
    )
