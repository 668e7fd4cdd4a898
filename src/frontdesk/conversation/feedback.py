"""Thumbs on the AI's answers, from contacts (a reaction) and from people, and what they come to."""

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.agent_config import get_agent
from frontdesk.conversation.errors import NoAnswerOfTheAgent
from frontdesk.conversation.feedback_schemas import (
    RatingPublic,
    SatisfactionPublic,
    SurveyFigures,
    ThumbFigures,
)
from frontdesk.conversation.happenings import AnswerRated
from frontdesk.conversation.models import Actor, Thumb
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.pages import Page, cursor_time, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.messaging import ChannelRef, InboundMessage
from frontdesk.observability import audit

_TONES = re.compile("[\U0001f3fb-\U0001f3ff\ufe0f]")
_THUMBS = {"👍": Thumb.UP, "👎": Thumb.DOWN}
_RATING = """
SELECT r.message_id, r.conversation_id, r.agent_id, r.rater_id, r.by, r.value, r.comment, r.created_at,
    m.text, m.turn_id
FROM answer_rating r JOIN message m ON m.tenant_id = r.tenant_id AND m.id = r.message_id
"""


async def take_reaction(
    tx: Transaction, channel: ChannelRef, contact_id: UUID, message: InboundMessage
) -> None:
    """Let a contact's 👍 or 👎 on an answer of the AI count. Another reaction, or none, takes it back."""
    if message.type != "reaction" or message.reply_to_wamid is None:
        return
    answer = await tx.sql.fetchrow(
        "SELECT m.id, m.conversation_id, k.agent_id FROM outbound o "
        "JOIN message m ON m.tenant_id = o.tenant_id AND m.id = o.id "
        "JOIN conversation k ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id "
        "WHERE o.wamid = $2 AND o.channel_id = $1 AND m.author = 'agent' AND k.contact_id = $3",
        channel.id,
        message.reply_to_wamid,
        contact_id,
    )
    if answer is None:
        return
    value = _THUMBS.get(_TONES.sub("", message.text))
    await _rate(tx, answer, contact_id, Actor.CONTACT, value)


async def rate_answer(
    tx: Transaction, message_id: UUID, value: Thumb | None, comment: str = "", *, user_id: UUID
) -> None:
    """Say what one thinks of an answer of the AI; None takes it back.

    Raises:
        NotFound: there is no such message.
        NoAnswerOfTheAgent: the AI did not write it.
    """
    answer = await tx.sql.fetchrow(
        "SELECT m.id, m.conversation_id, m.author, k.agent_id FROM message m JOIN conversation k "
        "ON k.tenant_id = m.tenant_id AND k.id = m.conversation_id WHERE m.id = $1",
        message_id,
    )
    if answer is None:
        raise NotFound("There is no such message.")
    if answer["author"] != Actor.AGENT:
        raise NoAnswerOfTheAgent
    before = await tx.sql.fetchrow(
        "SELECT value, comment FROM answer_rating WHERE message_id = $1 AND rater_id = $2 FOR UPDATE",
        message_id,
        user_id,
    )
    await _rate(tx, answer, user_id, Actor.HUMAN_AGENT, value, comment)
    after = None if value is None else {"value": value, "comment": comment}
    if before is not None and dict(before) != after:
        # Figures are made of ratings: what one was before it was changed or taken back stays known.
        action = "rating.removed" if after is None else "rating.changed"
        details = {"before": dict(before), "after": after}
        await audit(tx, action, "message", message_id, user_id=user_id, details=details)


async def _rate(
    tx: Transaction,
    answer: Any,
    rater_id: UUID,
    by: Actor,
    value: Thumb | None,
    comment: str = "",
) -> None:
    if value is None:
        changed = await tx.sql.fetchval(
            "DELETE FROM answer_rating WHERE message_id = $1 AND rater_id = $2 RETURNING 1",
            answer["id"],
            rater_id,
        )
    else:
        changed = await tx.sql.fetchval(
            "INSERT INTO answer_rating (message_id, rater_id, conversation_id, agent_id, by, value, "
            "comment) VALUES ($1, $2, $3, $4, $5, $6, $7) "
            "ON CONFLICT (tenant_id, message_id, rater_id) DO UPDATE SET value = excluded.value, "
            "comment = excluded.comment, created_at = now() RETURNING 1",
            answer["id"],
            rater_id,
            answer["conversation_id"],
            answer["agent_id"],
            by,
            value,
            comment,
        )
    if changed:
        told = AnswerRated(
            conversation_id=answer["conversation_id"],
            message_id=answer["id"],
            by=by,
            rater_id=rater_id,
            value=value,
        )
        feed.tell(tx, told)


async def list_ratings(
    tx: Transaction,
    *,
    agent_id: UUID | None = None,
    conversation_id: UUID | None = None,
    value: Thumb | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> Page[RatingPublic]:
    """A page of thumbs, the newest first; raises `Invalid` for a cursor of another list."""
    after = decode_cursor(cursor, 2)
    place = (cursor_time(after[0]), cursor_uuid(after[1])) if after else (None, None)
    rows = await tx.sql.fetch(
        f"{_RATING} WHERE ($1::uuid IS NULL OR r.agent_id = $1) "
        "AND ($2::uuid IS NULL OR r.conversation_id = $2) AND ($3::text IS NULL OR r.value = $3) "
        "AND ($4::timestamptz IS NULL OR (r.created_at, r.message_id) < ($4, $5::uuid)) "
        "ORDER BY r.created_at DESC, r.message_id DESC LIMIT $6",
        agent_id,
        conversation_id,
        value,
        *place,
        limit + 1,
    )
    items = [RatingPublic.model_validate(dict(row)) for row in rows[:limit]]
    last = items[-1] if len(rows) > limit else None
    next_cursor = encode_cursor(last.created_at, last.message_id) if last else None
    return Page(items=items, next_cursor=next_cursor)


_FIGURES = """
SELECT closed_by, handled_by, skipped_reason, count(*)::int AS count,
    (count(*) FILTER (WHERE asked_at IS NOT NULL))::int AS asked, count(score)::int AS answered,
    (count(*) FILTER (WHERE score >= 4))::int AS satisfied, coalesce(sum(score), 0)::int AS points
FROM survey WHERE agent_id = $1 AND state <> 'due' AND created_at >= $2
GROUP BY closed_by, handled_by, skipped_reason
"""
_THUMB_FIGURES = """
SELECT by, (count(*) FILTER (WHERE value = 'up'))::int AS up,
    (count(*) FILTER (WHERE value = 'down'))::int AS down
FROM answer_rating WHERE agent_id = $1 AND created_at >= $2 GROUP BY by
"""


async def satisfaction(session: Session, agent_id: UUID, *, since: datetime) -> SatisfactionPublic:
    """What contacts and people think of an agent's conversations; raises `NoSuchAgent`."""
    await get_agent(session, agent_id)
    rows = await session.sql.fetch(_FIGURES, agent_id, since)
    thumbs = await session.sql.fetch(_THUMB_FIGURES, agent_id, since)
    skipped: dict[str, int] = {}
    for row in rows:
        if row["skipped_reason"] is not None:
            skipped[row["skipped_reason"]] = skipped.get(row["skipped_reason"], 0) + row["count"]
    return SatisfactionPublic(
        since=since,
        surveys=_figures(rows),
        by_handler={actor: _figures(of) for actor, of in _grouped(rows, "handled_by").items()},
        by_closer={actor: _figures(of) for actor, of in _grouped(rows, "closed_by").items()},
        not_asked=skipped,
        thumbs={Actor(row["by"]): ThumbFigures(up=row["up"], down=row["down"]) for row in thumbs},
    )


def _grouped(rows: list[Any], column: str) -> dict[Actor, list[Any]]:
    found: dict[Actor, list[Any]] = {}
    for row in rows:
        found.setdefault(Actor(row[column]), []).append(row)
    return found


def _figures(rows: list[Any]) -> SurveyFigures:
    asked, answered, satisfied, points = (
        sum(row[name] for row in rows) for name in ("asked", "answered", "satisfied", "points")
    )
    return SurveyFigures(
        asked=asked,
        answered=answered,
        satisfied=satisfied,
        mean_score=round(points / answered, 2) if answered else None,
    )
