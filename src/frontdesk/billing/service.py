"""Usage reports: sums over the ledger."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from frontdesk.billing.ledger import UsageKind
from frontdesk.billing.models import UsageEntry
from frontdesk.billing.schemas import (
    ConversationUsagePublic,
    ConversationUsageSlice,
    UsageGrouping,
    UsageGroupPublic,
    UsageReportPublic,
    UsageSums,
)
from frontdesk.core import ids
from frontdesk.core.db import Session
from frontdesk.core.errors import Invalid, NotFound

MAX_DAYS = 400


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

    Only conversations come in pages (newest first, what belongs to none last); there are never
    many days, models or features.

    Args:
        after: the last conversation of the page before; `ids.NIL` stands for none.
    """
    within = [
        col(UsageEntry.created_at) >= span.start_at,
        col(UsageEntry.created_at) < span.end_at,
    ]
    if kind is not None:
        within.append(col(UsageEntry.kind) == kind)
    connection = await session.connection()
    total = (await connection.execute(sa.select(*_sums()).where(*within))).mappings().one()
    key, order = _slice(group_by)
    statement = sa.select(key.label("key"), *_sums()).where(*within).group_by(key).order_by(order)
    is_paged = group_by is UsageGrouping.CONVERSATION
    if is_paged:
        statement = statement.limit(limit + 1)
        if after is not None:
            statement = statement.where(key < after)
    rows = (await connection.execute(statement)).mappings().all()
    next_after = rows[limit - 1]["key"] if is_paged and len(rows) > limit else None
    report = UsageReportPublic(
        from_day=span.first,
        to_day=span.last,
        group_by=group_by,
        total=UsageSums.model_validate(dict(total)),
        items=[_group(row) for row in (rows[:limit] if is_paged else rows)],
    )
    return report, next_after


async def get_conversation_usage(
    session: Session, conversation_id: UUID
) -> ConversationUsagePublic:
    """What one conversation used.

    Raises:
        NotFound: the tenant's ledger has nothing about such a conversation.
    """
    mine = col(UsageEntry.conversation_id) == conversation_id
    parts = (col(UsageEntry.feature), col(UsageEntry.model))
    statement = sa.select(*parts, *_sums()).where(mine).group_by(*parts).order_by(*parts)
    connection = await session.connection()
    rows = (await connection.execute(statement)).mappings().all()
    if not rows:
        raise NotFound("Nothing was used for such a conversation.")
    total = (await connection.execute(sa.select(*_sums()).where(mine))).mappings().one()
    return ConversationUsagePublic(
        conversation_id=conversation_id,
        total=UsageSums.model_validate(dict(total)),
        items=[ConversationUsageSlice.model_validate(dict(row)) for row in rows],
    )


def _sums() -> list[sa.Label[Any]]:
    def total(column: Any) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(sa.func.sum(column), 0)

    is_llm = col(UsageEntry.kind) == UsageKind.LLM
    is_hit = col(UsageEntry.cache_hit)
    is_message = col(UsageEntry.kind) == UsageKind.WHATSAPP
    return [
        sa.func.count().filter(is_llm, sa.not_(is_hit)).label("calls"),
        sa.func.count().filter(is_hit).label("cache_hits"),
        total(col(UsageEntry.saved_usd)).label("saved_usd"),
        sa.func.coalesce(sa.func.sum(col(UsageEntry.quantity)).filter(is_message), 0).label(
            "messages"
        ),
        total(col(UsageEntry.input_tokens)).label("input_tokens"),
        total(col(UsageEntry.output_tokens)).label("output_tokens"),
        total(col(UsageEntry.cached_input_tokens)).label("cached_input_tokens"),
        total(col(UsageEntry.amount_usd)).label("amount_usd"),
        sa.func.coalesce(
            sa.func.sum(col(UsageEntry.amount_usd)).filter(col(UsageEntry.own_key)), 0
        ).label("own_key_usd"),
        sa.func.count().filter(col(UsageEntry.amount_usd).is_(None)).label("unpriced"),
    ]


def _slice(group_by: UsageGrouping) -> tuple[Any, sa.UnaryExpression[Any]]:
    match group_by:
        case UsageGrouping.DAY:
            # As text, not as a date type of the session's time zone: the day is UTC's.
            day = sa.func.to_char(
                sa.func.timezone(sa.literal_column("'UTC'"), col(UsageEntry.created_at)),
                sa.literal_column("'YYYY-MM-DD'"),
            )
            return day, sa.literal_column("key").asc()
        case UsageGrouping.MODEL:
            return col(UsageEntry.model), sa.literal_column("key").asc()
        case UsageGrouping.FEATURE:
            return col(UsageEntry.feature), sa.literal_column("key").asc()
        case UsageGrouping.CONVERSATION:
            nobody = sa.literal_column(f"'{ids.NIL}'::uuid", sa.Uuid())
            key = sa.func.coalesce(col(UsageEntry.conversation_id), nobody)
            return key, sa.literal_column("key").desc()


def _group(row: sa.RowMapping) -> UsageGroupPublic:
    key = row["key"]
    return UsageGroupPublic.model_validate(
        {**dict(row), "key": None if key == ids.NIL else str(key)}
    )
