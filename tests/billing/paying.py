"""A tenant that pays through Stripe, as tests hold it: what it buys, and what Stripe makes of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.desk import Desk

from frontdesk.billing.stripe.plans import set_up
from frontdesk.core import ids
from frontdesk.simulator import Stripe


class Payer:
    """A desk and its account at the simulated Stripe, where the plans are set up."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.stripe: Stripe = desk.simulator.stripe

    @classmethod
    async def make(cls, desk: Desk) -> "Payer":
        """A tenant that could buy something."""
        await set_up(desk.resources)
        return cls(desk)

    async def buy(self, plan: str = "standard") -> dict[str, Any]:
        """Go through the checkout; the subscription as Stripe has it."""
        admin = await self.desk.admin()
        page = await admin.post("/billing/checkout", {"plan": plan})
        made = self.stripe.complete_checkout(page["url"].rpartition("/")[2])
        await self.desk.work_until_idle()
        return made

    async def stands(self) -> Any:
        """The subscription as the tenant's admin sees it."""
        return await (await self.desk.admin()).get("/billing/subscription")

    async def account(self) -> Any:
        """The row about it."""
        (row,) = await self.desk.sql("SELECT * FROM stripe_account")
        return row

    async def fail(self, subscription: dict[str, Any]) -> dict[str, Any]:
        """Let the card be refused when the period ends; the invoice that stays open."""
        self.stripe.broke.add(subscription["customer"])
        invoice = self.stripe.end_period(subscription["id"])
        await self.desk.work_until_idle()
        return invoice

    async def used(
        self,
        *,
        tokens: int = 0,
        messages: int = 0,
        resolutions: int = 0,
        hours_ago: int = 0,
        at: datetime | None = None,
        own_key: bool = False,
    ) -> None:
        """A row of the ledger, written as of then."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        await self.desk.sql(
            "INSERT INTO usage_entry (id, created_at, kind, source_id, feature, model, quantity, "
            "input_tokens, output_tokens, cached_input_tokens, amount_usd, own_key) VALUES "
            "($1, $2, $3, $4, 'reply', 'groq/x', $5, $6, 0, 0, 0, $7) RETURNING id",
            ids.new(),
            at or hour - timedelta(hours=hours_ago) + timedelta(seconds=1),
            "llm" if tokens else "whatsapp" if messages else "resolution",
            uuid4().hex,
            messages or resolutions or 1,
            tokens,
            own_key,
        )

    async def overlook(self) -> None:
        """Let the account be looked after now."""
        await self.desk.sql("UPDATE stripe_account SET due_at = now()")
        await self.desk.work_until_idle()
