"""What usage looks like over HTTP."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import ConfigDict, Field, computed_field

from frontdesk.core.pages import Exact, PublicSchema


class UsageGrouping(StrEnum):
    """What a usage report is sliced by."""

    DAY = "day"
    MONTH = "month"
    KIND = "kind"
    MODEL = "model"
    FEATURE = "feature"
    AGENT = "agent"
    PROMPT = "prompt"
    CATEGORY = "category"
    HUMAN_AGENT = "human_agent"
    CONVERSATION = "conversation"
    CONTACT = "contact"


class UsageSums(PublicSchema):
    """Sums over a number of ledger entries."""

    calls: int = Field(description="Billed calls to models.", examples=[412])
    messages: int = Field(description="Delivered WhatsApp messages.", examples=[390])
    human_seconds: int = Field(
        description="For how long human agents had conversations.", examples=[5400]
    )
    speech_seconds: int = Field(description="Of recordings that were written down.", examples=[340])
    storage_mib_days: int = Field(description="MiB kept for a day, summed.", examples=[1200])
    input_tokens: int = Field(examples=[523_000])
    output_tokens: int = Field(examples=[61_400])
    cached_input_tokens: int = Field(
        description="How many of the input tokens were cached.", examples=[210_000]
    )
    reasoning_tokens: int = Field(
        description="How many of the output tokens were for reasoning.", examples=[8200]
    )
    amount_usd: Exact = Field(
        description="Sum of the entries whose price is known, in USD.", examples=["0.049770000"]
    )
    cache_hits: int = Field(
        description="Calls answered from what was kept, for nothing.", examples=[57]
    )
    saved_usd: Exact = Field(description="What these would have cost.", examples=["0.0041"])
    own_key_usd: Exact = Field(
        description="How much of it your providers bill you themselves, as your own keys were used.",
        examples=["0"],
    )
    unpriced: int = Field(
        description="Entries whose price is not known and which the sum therefore lacks: an alarm. "
        "Time of people and storage without a price of yours are none.",
        examples=[0],
    )

    @computed_field(description="The share of calls that was answered from what was kept.")  # type: ignore[prop-decorator]  # Pydantic's documented form.
    @property
    def cache_hit_rate(self) -> float:
        """Hits among hits and billed calls."""
        asked = self.cache_hits + self.calls
        return round(self.cache_hits / asked, 4) if asked else 0.0


class UsageGroupPublic(UsageSums):
    """The sums of one slice."""

    key: str | None = Field(
        description="The day or month (UTC), kind, model, feature, id of an agent, prompt with its "
        "version, WhatsApp category, human agent, conversation or contact; null for what belongs to none.",
        examples=["2026-11-21"],
    )


class UsageReportPublic(PublicSchema):
    """What a tenant used in a span of days."""

    model_config = ConfigDict(populate_by_name=True)

    from_day: date = Field(alias="from", description="First day (UTC).", examples=["2026-11-01"])
    to_day: date = Field(alias="to", description="Last day (UTC).", examples=["2026-11-30"])
    group_by: UsageGrouping
    total: UsageSums
    items: list[UsageGroupPublic]
    next_cursor: str | None = None


class ConversationUsageSlice(UsageSums):
    """What one feature used of one model."""

    feature: str = Field(examples=["reply"])
    model: str = Field(examples=["groq/openai/gpt-oss-20b"])


class ConversationUsagePublic(PublicSchema):
    """What one conversation used, in all and by feature and model."""

    conversation_id: UUID
    total: UsageSums
    items: list[ConversationUsageSlice]
