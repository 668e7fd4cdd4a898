"""Tables of billing: what things cost since when, and the append-only ledger of what was used."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from frontdesk.core.tables import Json, TenantRow, Timestamp, Usd


class Price(SQLModel, table=True):
    """What a model costs from a moment on, in USD per million tokens. The platform's, not a tenant's."""

    model: str = Field(sa_type=sa.Text, primary_key=True)
    effective_from: datetime = Field(sa_type=Timestamp, primary_key=True)
    input_usd_per_million: Decimal = Field(sa_type=Usd)
    output_usd_per_million: Decimal = Field(sa_type=Usd)
    cached_input_usd_per_million: Decimal | None = Field(default=None, sa_type=Usd)
    source: str = Field(sa_type=sa.Text)


class UsageEntry(TenantRow, table=True):
    """Something used, with the unit prices that applied. Corrections are new entries."""

    __tablename__ = "usage_entry"
    # No reference to the tenant: each would lock the tenant's one row, for every entry anew.
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "kind", "source_id"),
        sa.Index("ix_usage_entry_created", "tenant_id", "created_at"),
        sa.Index("ix_usage_entry_conversation", "tenant_id", "conversation_id"),
    )

    kind: str = Field(sa_type=sa.Text)  # llm, whatsapp
    source_id: str = Field(sa_type=sa.Text)  # The llm_call, or the message that was delivered.
    feature: str = Field(sa_type=sa.Text)
    conversation_id: UUID | None = None
    model: str = Field(sa_type=sa.Text)
    quantity: int
    input_tokens: int = 0
    output_tokens: int = 0
    cached_input_tokens: int = 0
    unit_prices: dict[str, Any] | None = Field(default=None, sa_type=Json)
    # Null when no price is known: an alarm, never zero.
    amount_usd: Decimal | None = Field(default=None, sa_type=Usd)
