"""How one request is going: what was tried so far, and what that has cost."""

from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from frontdesk.billing import Account, BudgetReached
from frontdesk.core import ids
from frontdesk.gateway.attempts import Outcome
from frontdesk.gateway.masking import Receipt
from frontdesk.gateway.routing import Tried
from frontdesk.gateway.schemas import CompletionRequest
from frontdesk.gateway.shrinking import Messages
from frontdesk.gateway.tenant_models import TenantModels


@dataclass
class Course:
    """How one request has gone so far."""

    request: CompletionRequest  # With its messages as they leave: masked.
    deadline: float  # On the event loop's clock.
    chain: tuple[str, ...]
    cheaper_chain: tuple[str, ...]
    tenant: TenantModels
    # What is sent: those of the request, or fewer once they were too many.
    messages: Messages
    # What the call is paid from; none when no budget concerns it.
    accounts: tuple[Account, ...] = ()
    request_id: UUID = field(default_factory=ids.new)
    tried: list[Tried] = field(default_factory=list)
    call_ids: list[UUID] = field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal | None = Decimal(0)
    # Written once there is an answer to complain about: no prompt that gave garbage goes out again.
    correction: str | None = None
    output_factor: int = 1
    # Of each model that was not asked, what of the caller's parameters it does not take.
    complaints: list[str | None] = field(default_factory=list)
    # The budget that the last model did not fit; since then the chain is the cheaper one.
    refusal: BudgetReached | None = None
    is_thrifty: bool = False
    masking: Receipt | None = None  # None: nothing is sent.

    @property
    def may_save(self) -> bool:
        """Whether cheaper models may take over: not twice, and not in a replay of a certain one."""
        return not self.is_thrifty and self.request.recorded is None

    @property
    def is_followed(self) -> bool:
        """Whether the record may wait for the next call's: not when money is set aside until then."""
        return self.request.is_followed and not self.accounts

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong with each attempt that failed, in order: `model: outcome`."""
        return tuple(
            f"{item.model}: {item.outcome}" for item in self.tried if item.outcome is not Outcome.OK
        )

    @property
    def complaint(self) -> str | None:
        """What the last model does not take; None once any was asked, as then that is not the reason."""
        were_asked = len(self.call_ids) > len(self.complaints)
        return None if were_asked or not self.complaints else self.complaints[-1]

    def told(self, sentence: str) -> str:
        """The sentence, and what went wrong behind it."""
        failures = ", ".join(self.failures)
        return f"{sentence} ({failures})." if failures else f"{sentence}."
