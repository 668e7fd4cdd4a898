"""Due work of billing: money set aside for calls whose worker was killed, books, and Stripe."""

from frontdesk.billing import books, reservations
from frontdesk.billing.stripe import accounts, events, looking_after, outbox, reconciling
from frontdesk.core.work import Due

RELEASE = Due(
    kind=reservations.RESERVATION,
    list_ids=reservations.list_overdue,
    handle=reservations.release,
    at_once=4,
    sweep_seconds=5,
)
STRIPE_ACCOUNT = Due(
    kind=accounts.ACCOUNT,
    list_ids=looking_after.list_due,
    handle=looking_after.handle,
    at_once=4,
    sweep_seconds=15,
)
STRIPE_EVENT = Due(kind=events.EVENT, list_ids=events.list_due, handle=events.handle, at_once=8)
STRIPE_PRUNE = Due(
    kind="billing.stripe_prune",
    list_ids=events.list_old,
    handle=events.prune,
    at_once=1,
    sweep_seconds=600,
)
# Stripe takes one event of a customer's meter at a time (Stripe: record usage with the API).
STRIPE_BATCH = Due(
    kind=outbox.BATCH,
    list_ids=outbox.list_due,
    handle=outbox.send,
    at_once=8,
    sweep_seconds=5,
    tenant_at_once=1,
)
STRIPE_CHECK = Due(
    kind=outbox.CHECK,
    list_ids=reconciling.list_due,
    handle=reconciling.handle,
    at_once=2,
    sweep_seconds=60,
    tenant_at_once=1,
)
BOOKS = Due(
    kind=books.BOOK,
    list_ids=books.list_due_books,
    handle=books.keep_books,
    at_once=2,
    sweep_seconds=60,
)
