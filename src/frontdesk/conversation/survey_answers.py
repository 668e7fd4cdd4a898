"""Knowing what a contact says of a closed conversation when it comes: it is no question to anybody."""

import re
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation.happenings import SurveyAnswered
from frontdesk.conversation.models import Actor
from frontdesk.core.db import Transaction
from frontdesk.messaging import InboundMessage

# Buttons stay tappable for ever; an answer that is typed counts for so long.
_TYPED_HOURS = 24
_BUTTON = re.compile(r"survey:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([1-5])")
_FACES = {"😀": 5, "😊": 5, "👍": 5, "😐": 3, "🙁": 1, "☹": 1, "👎": 1}
_VARIANTS = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")


def button_id(survey_id: UUID, score: int) -> str:
    """What a button sends back that stands for a score."""
    return f"survey:{survey_id}:{score}"


def score_of(text: str) -> int | None:
    """The score, 1 to 5, that a whole message stands for; None when it says anything else."""
    said = _VARIANTS.sub("", text).strip()
    if len(said) == 1 and said in "12345":
        return int(said)
    return _FACES.get(said)


_ANSWER = """
UPDATE survey s SET state = 'answered', score = $3, answered_at = now()
WHERE s.state IN ('asked', 'answered') AND s.contact_id = $1 AND CASE WHEN $2::uuid IS NULL
    THEN s.state = 'asked' AND s.asked_at > now() - make_interval(hours => $4) AND s.id = (
        SELECT n.id FROM survey n JOIN conversation k ON k.tenant_id = n.tenant_id
            AND k.id = n.conversation_id
        WHERE n.contact_id = $1 AND n.asked_at IS NOT NULL AND k.channel_id = $5
        ORDER BY n.asked_at DESC, n.id DESC LIMIT 1)
    AND NOT EXISTS (SELECT FROM conversation k WHERE k.contact_id = $1 AND k.status <> 'CLOSED')
    ELSE s.id = $2 END
RETURNING s.id, s.conversation_id, s.closed_by, s.handled_by, s.handled_by_user_id
"""


async def take_answer(
    tx: Transaction, channel_id: UUID, contact_id: UUID, message: InboundMessage
) -> bool:
    """Keep what a contact says of a conversation, if that is what a message is; then it is no question.

    A tapped button counts whenever it comes, and the last one. A typed score counts for what was
    asked last on its channel, for a day and only while no other conversation goes on, where it may
    mean something else.
    """
    tapped = _BUTTON.fullmatch(message.button_id or "")
    score = int(tapped[2]) if tapped else score_of(message.text)
    if score is None:
        return False
    survey_id = UUID(tapped[1]) if tapped else None
    row = await tx.sql.fetchrow(_ANSWER, contact_id, survey_id, score, _TYPED_HOURS, channel_id)
    if row is None:
        return False
    told = SurveyAnswered(
        conversation_id=row["conversation_id"],
        survey_id=row["id"],
        score=score,
        closed_by=Actor(row["closed_by"]),
        handled_by=Actor(row["handled_by"]),
        handled_by_user_id=row["handled_by_user_id"],
    )
    feed.tell(tx, told)
    return True
