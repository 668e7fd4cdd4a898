"""Usage reports: sums over the ledger, sliced."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.billing.facts import FACTS, REPORTED, SUMMED, add_up
from frontdesk.billing.ledger import UsageKind
from frontdesk.billing.models import UsageEntry
from frontdesk.billing.money_schemas import EntryPublic
from frontdesk.billing.schemas import (
    ConversationUsagePublic,
    ConversationUsageSlice,
    UsageGrouping,
    UsageGroupPublic,
    UsageReportPublic,
    UsageSums,
)
from frontdesk.core import ids
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import Invalid, NotFound
from frontdesk.core.pages import Page, newest_page

MAX_DAYS = 400
# What a slice is called; of these there are never many.
KEYS = {
    UsageGrouping.DAY: "day::text",
    UsageGrouping.MONTH: "to_char(day, 'YYYY-MM')",
    UsageGrouping.KIND: "kind",
    # The ledger has whose time it was where the model is otherwise.
    UsageGrouping.MODEL: "CASE WHEN kind <> 'human' THEN model END",
    UsageGrouping.FEATURE: "feature",
    UsageGrouping.AGENT: "agent_id::text",
    UsageGrouping.PROMPT: "prompt_name || ' ' || prompt_version",
    UsageGrouping.CATEGORY: "CASE WHEN kind = 'whatsapp' THEN split_part(model, '/', 1) END",
    UsageGrouping.HUMAN_AGENT: "CASE WHEN kind = 'human' THEN model END",
}
# Whose these are, the sums of days do not tell: there are too many. They come in pages.
_OWNERS = {
    UsageGrouping.CONVERSATION: "e.conversation_id",
    # What was done for a conversation without naming its contact was for them all the same.
    UsageGrouping.CONTACT: "coalesce(e.contact_id, k.contact_id)",
}
_SLICED = f"""
WITH facts AS ({FACTS})
SELECT key, grouping(key) = 1 AS is_total, {REPORTED}
FROM (SELECT *, {{key}} AS key FROM facts WHERE $4::text IS NULL OR kind = $4) f
GROUP BY GROUPING SETS ((), (key)) ORDER BY is_total DESC, key
"""  # noqa: S608  # Ours.
_OWNED = f"""
WITH facts AS (
    SELECT coalesce({{owner}}, '{ids.NIL}') AS key, kind, own_key, {SUMMED}
    FROM usage_entry e LEFT JOIN LATERAL (
        SELECT c.contact_id FROM conversation c WHERE c.id = e.conversation_id) k ON {{joined}}
    WHERE day BETWEEN $1 AND $2 AND ($3::text IS NULL OR kind = $3) AND {{among}}
    GROUP BY 1, 2, 3
)
SELECT key, {REPORTED} FROM facts WHERE $4::uuid IS NULL OR key < $4
GROUP BY key ORDER BY key DESC LIMIT $5
"""  # noqa: S608  # Ours.
# The conversations of a page, found along their index: a page does not add up those of all others.
_CONVERSATIONS = """
SELECT DISTINCT conversation_id FROM usage_entry
WHERE day BETWEEN $1 AND $2 AND ($3::text IS NULL OR kind = $3) AND conversation_id IS NOT NULL
    AND ($4::uuid IS NULL OR conversation_id < $4)
ORDER BY conversation_id DESC LIMIT $5
"""
_OF_CONVERSATION = f"""
WITH facts AS (
    SELECT feature, model, kind, own_key, {SUMMED}
    FROM usage_entry WHERE conversation_id = $1 GROUP BY 1, 2, 3, 4
)
SELECT feature, model, grouping(feature) = 1 AS is_total, {REPORTED}
FROM facts GROUP BY GROUPING SETS ((), (feature, model)) ORDER BY is_total DESC, feature, model
"""  # noqa: S608  # Ours.

_IS_KNOWN = """
SELECT EXISTS (SELECT FROM conversation WHERE id = $1)
    OR EXISTS (SELECT FROM usage_entry WHERE conversation_id = $1)
"""


@dataclass(frozen=True)
class Span:
    """Days of a report, in UTC, both included."""

    first: date
    last: date

    @property
    def start_at(self) -> datetime:
        """The first moment that belongs to the span."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end_at(self) -> datetime:
        """The first moment that no longer belongs to it."""
        return datetime.combine(self.last, time.min, UTC) + timedelta(days=1)


def span_of(first: date | None, last: date | None, *, today: date) -> Span:
    """The span asked for; without a first day from the first of that month, without a last to today.

    Raises:
        Invalid: it ends before it begins, is longer than `MAX_DAYS`, or can't be a date.
    """
    last = last or max(today, first or today)
    first = first or last.replace(day=1)
    if last < first:
        raise Invalid("`to` lies before `from`.")
    if (last - first).days >= MAX_DAYS:
        raise Invalid(f"A report covers at most {MAX_DAYS} days.")
    if last == date.max:
        raise Invalid("`to` is too far in the future.")
    return Span(first, last)


async def report_usage(
    session: Session,
    span: Span,
    group_by: UsageGrouping,
    *,
    kind: UsageKind | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> tuple[UsageReportPublic, UUID | None]:
    """What the tenant used in the span, in all and by slice, and where the next page begins.

    Only conversations and contacts come in pages (newest first, what belongs to none last); there
    are never many days, models, features, agents or prompts.

    Args:
        after: the last conversation or contact of the page before; `ids.NIL` stands for none.
    """
    is_paged = group_by in _OWNERS
    key = "NULL::text" if is_paged else KEYS[group_by]
    total, *rows = await add_up(session, _SLICED.format(key=key), span.first, span.last, kind)
    next_after = None
    if is_paged:
        rows = await _owned(session, span, group_by, kind, after, limit + 1)
        next_after = rows[limit - 1]["key"] if len(rows) > limit else None
        rows = rows[:limit]
    report = UsageReportPublic(
        from_day=span.first,
        to_day=span.last,
        group_by=group_by,
        total=UsageSums.model_validate(dict(total)),
        items=[_group(row) for row in rows],
    )
    return report, next_after


async def _owned(
    tx: Transaction,
    span: Span,
    group_by: UsageGrouping,
    kind: UsageKind | None,
    after: UUID | None,
    limit: int,
) -> list[Any]:
    asked = span.first, span.last, kind, after, limit
    owner = _OWNERS[group_by]
    if group_by is UsageGrouping.CONTACT:
        return list(
            await tx.sql.fetch(_OWNED.format(owner=owner, joined="true", among="true"), *asked)
        )
    found = [row["conversation_id"] for row in await tx.sql.fetch(_CONVERSATIONS, *asked)]
    rows = await tx.sql.fetch(
        _OWNED.format(owner=owner, joined="false", among="conversation_id = ANY($6)"), *asked, found
    )
    if len(found) == limit:
        return list(rows)
    of_none = _OWNED.format(owner=owner, joined="false", among="conversation_id IS NULL")
    return [*rows, *await tx.sql.fetch(of_none, *asked)]


async def get_conversation_usage(
    session: Session, conversation_id: UUID
) -> ConversationUsagePublic:
    """What one conversation used.

    Raises:
        NotFound: the tenant's ledger has nothing about such a conversation.
    """
    total, *rows = await session.sql.fetch(_OF_CONVERSATION, conversation_id)
    if not rows:
        raise NotFound("Nothing was used for such a conversation.")
    return ConversationUsagePublic(
        conversation_id=conversation_id,
        total=UsageSums.model_validate(dict(total)),
        items=[ConversationUsageSlice.model_validate(dict(row)) for row in rows],
    )


async def list_entries(
    session: Session,
    *,
    conversation_id: UUID | None,
    kind: UsageKind | None,
    limit: int,
    cursor: str | None,
) -> Page[EntryPublic]:
    """A page of the ledger, newest first.

    Raises:
        NotFound: the tenant has no such conversation, and its ledger nothing about one.
    """
    query = select(UsageEntry)
    if conversation_id is not None:
        if not await session.sql.fetchval(_IS_KNOWN, conversation_id):
            raise NotFound(f"There is no conversation {conversation_id}.")
        query = query.where(UsageEntry.conversation_id == conversation_id)
    if kind is not None:
        query = query.where(UsageEntry.kind == kind)
    return await newest_page(
        session, query, col(UsageEntry.id), EntryPublic.model_validate, limit=limit, cursor=cursor
    )


def _group(row: Any) -> UsageGroupPublic:
    key = row["key"]
    return UsageGroupPublic.model_validate(
        {**dict(row), "key": None if key is None or key == ids.NIL else str(key)}
    )
