"""The audit log: append-only, in the transaction of what it tells about."""

from typing import Any
from uuid import UUID

from sqlmodel import col, select

from frontdesk.core import ids
from frontdesk.core.api import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.core.db import Session, Transaction
from frontdesk.core.json import dumps
from frontdesk.observability.models import AuditEntry
from frontdesk.observability.schemas import AuditEntryPublic

_INSERT = """
INSERT INTO audit_entry (id, user_id, action, subject, subject_id, details, request_id)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


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
        details: what changed, without secrets and without anybody's messages.
    """
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


async def list_audit_entries(
    session: Session,
    *,
    action: str | None,
    subject_id: str | None,
    user_id: UUID | None,
    limit: int,
    cursor: str | None,
) -> Page[AuditEntryPublic]:
    """A page of the audit log, newest first."""
    query = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit + 1)
    if action is not None:
        query = query.where(AuditEntry.action == action)
    if subject_id is not None:
        query = query.where(AuditEntry.subject_id == subject_id)
    if user_id is not None:
        query = query.where(AuditEntry.user_id == user_id)
    if values := decode_cursor(cursor, 1):
        query = query.where(col(AuditEntry.id) < cursor_uuid(values[0]))
    rows = (await session.exec(query)).all()
    return Page(
        items=[AuditEntryPublic.model_validate(row) for row in rows[:limit]],
        next_cursor=encode_cursor(rows[limit - 1].id) if len(rows) > limit else None,
    )
