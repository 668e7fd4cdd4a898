"""What billing holds of contacts: counts and costs, which name nobody once the contact is gone."""

from frontdesk.core.holdings import KEEP, OF_THREADS, Holding

HOLDINGS = (
    Holding("usage_entry", of_contact=f"(contact_id = $1 OR {OF_THREADS})", erase=KEEP),
    # What was billed and paid must be accounted for, also of a tenant that is gone.
    *(
        Holding(table, erase=KEEP)
        for table in (
            "stripe_account",
            "stripe_batch",
            "stripe_batch_entry",
            "stripe_debt",
            "stripe_check",
            "stripe_difference",
        )
    ),
)
