"""What drills look like over HTTP."""

from datetime import datetime
from uuid import UUID

from pydantic import ConfigDict, Field

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.observability import Outage
from frontdesk.pipeline.drilling import MOST_MINUTES


class DrillCreate(Schema):
    """Which outage to simulate, for how long; and the tenant's short name, to be sure."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"outage": "whatsapp", "minutes": 5, "confirm": "green-leaf"}]
        }
    )

    outage: Outage
    minutes: int = Field(ge=1, le=MOST_MINUTES)
    confirm: str = Field(description="The tenant's short name.")
    provider: str | None = Field(
        None, description="Of `models`, the provider that is away, as `groq`; null: all."
    )


class DrillPublic(PublicSchema):
    """A simulated outage; it runs while `ended_at` is null and `ends_at` is to come."""

    id: UUID
    outage: Outage
    provider: str | None
    created_at: datetime
    ends_at: datetime
    ended_at: datetime | None


class DrillReportPublic(PublicSchema):
    """What contacts saw of it, as things stand now."""

    turns: dict[str, int] = Field(description="Bursts by the outcome they got in that time.")
    handoffs: dict[str, int] = Field(description="Conversations given to people, by reason.")
    notices: tuple[str, ...] = Field(description="What those contacts were told.")
    longest_wait_seconds: float | None = Field(description="From a message to the first word.")
    median_wait_seconds: float | None
    still_waiting: int = Field(description="Contacts who have no outcome yet.")
    held_sends: int = Field(description="Messages that had not left when it ended.")
    sent_since: int = Field(description="How many of them have left by now.")
    failed_sends: int
    longest_send_seconds: float | None = Field(description="How long a message took to leave.")


class DrillWithReport(DrillPublic):
    """A drill and its report."""

    report: DrillReportPublic
