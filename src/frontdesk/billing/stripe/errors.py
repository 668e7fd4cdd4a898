"""Errors of billing through Stripe."""

from frontdesk.core.errors import Conflict, Invalid, NotFound, Unavailable


class StripeNotSetUp(Conflict):
    """This deployment does not bill through Stripe."""

    code, title = "stripe_not_set_up", "This deployment does not bill through Stripe"


class NoSuchPlan(Invalid):
    """There is no such plan, or Stripe has not been told of it yet."""

    code, title = "no_such_plan", "There is no such plan"


class AlreadySubscribed(Conflict):
    """The tenant has a subscription; it is changed on the portal, not bought once more."""

    code, title = "already_subscribed", "There is a subscription already"


class NotSubscribed(Conflict):
    """The tenant has bought nothing yet, so there is nothing to look after."""

    code, title = "not_subscribed", "There is no subscription yet"


class NoSuchInvoice(NotFound):
    """The tenant has no such invoice."""

    code, title = "no_such_invoice", "There is no such invoice"


class NoSuchBatch(NotFound):
    """The tenant has no such batch of metered usage."""

    code, title = "no_such_batch", "There is no such batch"


class BatchNotStuck(Conflict):
    """The batch goes on by itself, or has ended: nobody has to decide about it."""

    code, title = "batch_not_stuck", "The batch needs nobody"


class StripeRefused(Conflict):
    """Stripe understood and refuses; the same call would be refused again.

    `stripe_code` is Stripe's own word for it, where it has one.
    """

    code, title = "stripe_refused", "Stripe refuses this"

    def __init__(self, message: str, *, status_code: int, stripe_code: str | None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.stripe_code = stripe_code


class StripeBusy(Unavailable):
    """Stripe did not take the call: nothing has been done, and it may be made again."""


class StripeSilent(Unavailable):
    """No answer came, or one that says nothing: what was asked may have been done or not."""
