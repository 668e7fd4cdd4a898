"""What observability holds of contacts: the texts of model calls, and details of the audit log."""

from frontdesk.core.holdings import OF_THREADS, Holding

NO_TEXTS = (
    "messages = '[]', variables = NULL, response = NULL, error = NULL, "
    # Of a program's call it is text, too.
    "parameters = parameters - 'stop', "
    "texts_erased_at = coalesce(texts_erased_at, now())"
)

HOLDINGS = (
    Holding("llm_call", of_contact=OF_THREADS, erase=NO_TEXTS),
    # Who did what stays; only what names the person goes.
    Holding(
        "audit_entry",
        of_contact="details::text ~ $2",
        erase="details = jsonb_build_object('erased', true)",
    ),
)
