"""What people answered in conversations, read from their messages."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from asyncpg import Record

from frontdesk.core.db import Transaction
from frontdesk.learning.drafting import Answered, masked

_MOST_MESSAGES = 200
# Shorter ones are greetings, thanks and questions back.
_LEAST_QUESTION_WORDS = 3
_LEAST_ANSWER_CHARACTERS = 30
_CLOSED = """
SELECT k.id, k.closed_at FROM conversation k
WHERE k.agent_id = $1 AND k.status = 'CLOSED' AND k.closed_at > $2 AND EXISTS (
    SELECT FROM message m WHERE m.tenant_id = k.tenant_id AND m.conversation_id = k.id
        AND m.author = 'human_agent' AND m.text <> ''
)
ORDER BY k.closed_at, k.id LIMIT $3
"""
_THREAD = """
SELECT author, text FROM message WHERE conversation_id = $1
    AND revoked_at IS NULL AND text <> '' AND author <> 'system'
ORDER BY created_at, id LIMIT $2
"""
_NAME = """
SELECT c.name FROM conversation k JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
WHERE k.id = $1
"""


async def list_closed(tx: Transaction, agent_id: UUID, since: datetime, limit: int) -> list[Record]:
    """Conversations that people answered in, closed since then: `id` and `closed_at`, oldest first."""
    return list(await tx.sql.fetch(_CLOSED, agent_id, since, limit))


async def answered_in(tx: Transaction, conversation_id: UUID) -> list[Answered]:
    """What was asked in a conversation and people answered, masked, in its order."""
    rows = await tx.sql.fetch(_THREAD, conversation_id, _MOST_MESSAGES)
    pairs = pairs_of((row["author"], row["text"]) for row in rows)
    return masked(pairs, await tx.sql.fetchval(_NAME, conversation_id)) if pairs else []


def pairs_of(thread: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each run of messages of the contact, with the run of human agents' messages that follows it.

    What the AI said between the two did not answer it, or no person would have.
    """
    pairs: list[tuple[list[str], list[str]]] = []
    before = ""
    for author, text in thread:
        if author == "contact":
            if before != "contact":
                pairs.append(([], []))
            pairs[-1][0].append(text)
        elif author == "human_agent" and pairs:
            pairs[-1][1].append(text)
        before = author
    told = [("\n".join(asked), "\n".join(answers)) for asked, answers in pairs]
    return [
        (question, answer)
        for question, answer in told
        if len(question.split()) >= _LEAST_QUESTION_WORDS
        and len(answer) >= _LEAST_ANSWER_CHARACTERS
    ]
