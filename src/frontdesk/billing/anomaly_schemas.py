"""What an unusual hour looks like over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from frontdesk.billing.book_models import Measure
from frontdesk.core.pages import Exact, PublicSchema

_ANOMALY: dict[str, Any] = {
    "id": "0192f0aa-7777-7d11-8a55-0c0ffee00051",
    "created_at": "2026-11-21T10:05:00Z",
    "hour": "2026-11-21T09:00:00Z",
    "measure": "cost",
    "value": "1.92",
    "usual": "0.11",
    "bound": "0.4",
    "reason": "1.92 USD were spent in this hour, 17.5 times the usual 0.11 (median of 180 hours "
    "with usage; unusual from 0.4 on).",
    "acknowledged_at": None,
    "acknowledged_by": None,
}


class AnomalyPublic(PublicSchema):
    """An hour in which far more was used than usual."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_ANOMALY]})

    id: UUID
    created_at: datetime
    hour: datetime = Field(description="When it began.")
    measure: Measure = Field(description="`cost` in USD, `calls` of models, or `tokens`.")
    value: Exact
    usual: Exact = Field(description="The median of the hours with usage of the 14 days before.")
    bound: Exact = Field(description="More than this is unusual.")
    reason: str
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
