"""The table of calls that come in through `/v1/chat/completions`."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field

from frontdesk.core.tables import Json, TenantRow, Timestamp, text_enum


class ChatState(StrEnum):
    """How far a call has got."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class ChatRequest(TenantRow, table=True):
    """A call of a program: made by a worker, waited for by a web process, deleted minutes later."""

    __tablename__ = "chat_request"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "client_key"),
        sa.Index("ix_chat_request_due", "due_at"),
    )

    user_id: UUID | None = None
    request: dict[str, Any] = Field(sa_type=Json)
    state: ChatState = Field(default=ChatState.QUEUED, sa_type=text_enum(ChatState))
    # When a worker looks at it: to make the call, to give it up, in the end to delete the row.
    due_at: datetime = Field(sa_type=Timestamp)
    answer: dict[str, Any] | None = Field(default=None, sa_type=Json)
    client_key: str | None = Field(default=None, sa_type=sa.Text)
