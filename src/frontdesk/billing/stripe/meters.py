"""What is metered: which rows of the ledger count for which meter, and for how much."""

from enum import StrEnum


class Meter(StrEnum):
    """What Stripe adds up."""

    TOKENS = "tokens"
    MESSAGES = "messages"
    RESOLUTIONS = "resolutions"

    @property
    def event_name(self) -> str:
        """What Stripe calls its events."""
        return f"frontdesk_{self.value}"

    @property
    def name_for_people(self) -> str:
        """What it is called on Stripe's pages."""
        return _TITLES[self]

    @property
    def quantity(self) -> str:
        """SQL for how much a row `e` of the ledger counts; 0 where it does not concern the meter.

        Calls with a tenant's own key are billed to it by the provider, and a kept answer that was
        given again cost nothing: neither is metered.
        """
        return _QUANTITIES[self]


_TITLES = {
    Meter.TOKENS: "Model tokens",
    Meter.MESSAGES: "WhatsApp messages delivered",
    Meter.RESOLUTIONS: "Conversations resolved by the AI",
}
_QUANTITIES = {
    Meter.TOKENS: "CASE WHEN e.kind IN ('llm', 'embedding') AND NOT e.own_key AND NOT e.cache_hit "
    "THEN e.input_tokens + e.output_tokens ELSE 0 END",
    Meter.MESSAGES: "CASE WHEN e.kind = 'whatsapp' THEN e.quantity ELSE 0 END",
    Meter.RESOLUTIONS: "CASE WHEN e.kind = 'resolution' THEN e.quantity ELSE 0 END",
}
