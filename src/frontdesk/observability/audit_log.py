"""The audit log: append-only, in the transaction of what it tells about."""

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement
from sqlmodel import col, select

from frontdesk.core import ids
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.observability.models import AuditEntry
from frontdesk.observability.schemas import AuditEntryPublic

# Whether a super admin acts is looked up here, so that no caller can forget to say so. What has
# just ended counts too: processes remember an act for ten seconds, and a transaction takes its time.
_INSERT = """
INSERT INTO audit_entry (id, user_id, action, subject, subject_id, details, request_id, acting_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, (
    SELECT a.id FROM acting a
     WHERE a.tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid AND a.user_id = $2
       AND least(a.expires_at, a.ended_at) > now() - interval '30 seconds'
     ORDER BY a.id DESC LIMIT 1))
"""
_MOST_OF_A_VALUE = 200
_CSV_ROWS = 1_000


async def audit(
    tx: Transaction,
    action: str,
    subject: str,
    subject_id: UUID | str | None = None,
    *,
    user_id: UUID | None = None,
    details: dict[str, Any] | None = None,
    request_id: str | None = None,
) -> None:
    """Write who did what to what; it is kept or lost together with the change itself.

    Args:
        action: what was done, as `subject.past_tense`, e.g. `member.role_changed`.
        subject: the kind of thing, by its table.
        user_id: who did it; None is the system itself.
        details: what changed, without secrets and without anybody's messages; of a configuration
            what `changes` gives.
        request_id: of the request that asked for it; None takes it from the logging context.
    """
    if request_id is None:
        request_id = structlog.contextvars.get_contextvars().get("request_id")
    await tx.sql.execute(
        _INSERT,
        ids.new(),
        user_id,
        action,
        subject,
        None if subject_id is None else str(subject_id),
        dumps(details or {}),
        request_id,
    )


def changes(before: Any, after: Any) -> dict[str, list[Any]]:
    """What differs between two configurations, as `{"path.to.field": [before, after]}`.

    Long texts are cut: the whole of each version is kept where the configuration is.
    """
    return {
        path: [_cut(value) for value in values]
        for path, values in whole_changes(before, after).items()
    }


def whole_changes(before: Any, after: Any, path: str = "") -> dict[str, tuple[Any, Any]]:
    """The same with each text as long as it is."""
    if before == after:
        return {}
    if isinstance(before, dict) and isinstance(after, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in sorted({*before, *after}):
            inner = f"{path}.{key}" if path else str(key)
            found |= whole_changes(before.get(key), after.get(key), inner)
        return found
    return {path: (before, after)}


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else dumps(value)
    return value if len(text) <= _MOST_OF_A_VALUE else f"{text[:_MOST_OF_A_VALUE]}…"


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Which entries of the audit log are wanted; what is None does not narrow it."""

    action: str | None = None
    subject: str | None = None
    subject_id: str | None = None
    user_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """The same for a query."""
        equal = [
            col(getattr(AuditEntry, name)) == value
            for name in ("action", "subject", "subject_id", "user_id")
            if (value := getattr(self, name)) is not None
        ]
        if self.since is not None:
            equal.append(col(AuditEntry.created_at) >= self.since)
        if self.until is not None:
            equal.append(col(AuditEntry.created_at) < self.until)
        return equal


async def require_known(tx: Transaction, wanted: AuditFilter) -> None:
    """Raise `NotFound` for a thing that no entry is about, or a user who is in none and no member.

    What the log tells of may be gone by now, so it is asked itself.
    """
    if wanted.subject_id is not None and not await tx.sql.fetchval(
        "SELECT EXISTS (SELECT 1 FROM audit_entry WHERE subject_id = $1)", wanted.subject_id
    ):
        raise NotFound(f"Nothing was done to {wanted.subject_id}.")
    if wanted.user_id is not None and not await tx.sql.fetchval(
        "SELECT EXISTS (SELECT 1 FROM membership WHERE user_id = $1) "
        "OR EXISTS (SELECT 1 FROM audit_entry WHERE user_id = $1)",
        wanted.user_id,
    ):
        raise NotFound(f"There is no user {wanted.user_id}.")


async def list_audit_entries(
    session: Session, wanted: AuditFilter, *, limit: int, cursor: str | None
) -> Page[AuditEntryPublic]:
    """A page of the audit log, newest first."""
    query = select(AuditEntry).where(*wanted.conditions())
    return await newest_page(
        session,
        query,
        col(AuditEntry.id),
        AuditEntryPublic.model_validate,
        limit=limit,
        cursor=cursor,
    )


async def audit_as_csv(
    resources: Resources, tenant_id: UUID, wanted: AuditFilter
) -> AsyncIterator[str]:
    """The whole of it as CSV, newest first, in portions; no transaction is open between them."""
    fields = list(AuditEntryPublic.model_fields)
    yield _csv_lines([fields])
    cursor: str | None = None
    while True:
        async with resources.db.transaction(tenant_id) as session:
            page = await list_audit_entries(session, wanted, limit=_CSV_ROWS, cursor=cursor)
        entries = (entry.model_dump(mode="json") for entry in page.items)
        yield _csv_lines([[_cell(entry[name]) for name in fields] for entry in entries])
        if (cursor := page.next_cursor) is None:
            return


def _csv_lines(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else dumps(value)
    # A spreadsheet would run what begins like a formula.
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
