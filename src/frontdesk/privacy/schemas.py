"""What crosses HTTP in privacy."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.privacy.models import ErasureState, ExportState


class ExportCreate(Schema):
    """What to export."""

    contact_id: UUID | None = Field(
        None, description="Only what there is of this contact; without it, all of the tenant."
    )


class ExportPublic(PublicSchema):
    """A copy of data: how far it is, and until when its file can be fetched."""

    id: UUID
    contact_id: UUID | None
    requested_by: UUID | None
    state: ExportState
    stage: str = Field(description="The table being written.")
    row_count: int | None
    size_bytes: int | None
    sha256: str | None = Field(description="Of the file.")
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime | None = Field(description="The file is deleted then.")
    last_error: str | None


class ErasureCreate(Schema):
    """Whom to erase. It can't be undone."""

    contact_id: UUID


class ErasurePublic(PublicSchema):
    """An erasure: how far it is, and what was found when it was verified."""

    id: UUID
    contact_id: UUID | None = Field(description="Null: the whole tenant.")
    requested_by: UUID | None
    state: ErasureState
    stage: str
    report: dict[str, Any] = Field(
        description="Rows changed per table (`changed`), raw webhooks rewritten (`webhooks`), "
        "texts that still named the contact and were struck out (`struck_out`), and what is left "
        "(`left`): nothing, once it is done."
    )
    created_at: datetime
    erased_at: datetime | None = Field(description="What is older is never taken in again.")
    finished_at: datetime | None
    last_error: str | None


class RetentionUpdate(Schema):
    """Days; null is as long as the deployment keeps it."""

    feed_days: int | None = Field(None, ge=1, description="Live feed events.")
    llm_text_days: int | None = Field(
        None, ge=1, description="What was said in model calls; their costs are kept."
    )
    export_days: int | None = Field(None, ge=1, description="Files of exports.")
    media_days: int | None = Field(
        None, ge=1, description="Files that contacts and human agents sent; messages are kept."
    )


class RetentionPublic(PublicSchema):
    """How many days things are kept: the shorter of the tenant's and the deployment's."""

    feed_days: int
    llm_text_days: int
    export_days: int
    media_days: int
    webhook_days: int = Field(description="The deployment's: raw webhooks belong to no tenant yet.")
