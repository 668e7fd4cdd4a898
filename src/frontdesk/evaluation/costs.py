"""What playing a case takes: tokens and money."""

from dataclasses import dataclass
from decimal import Decimal

from frontdesk.gateway import Completion


@dataclass
class Costs:
    """Counted as it is spent. `usd` None: a price is not known, which is never zero."""

    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal | None = Decimal(0)

    def add(self, input_tokens: int, output_tokens: int, usd: Decimal | None) -> None:
        """Count what something took."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        self.usd = None if usd is None or self.usd is None else self.usd + usd

    def count(self, completion: Completion) -> None:
        """Count a model's answer."""
        self.add(completion.input_tokens, completion.output_tokens, completion.cost_usd)
