"""What escalation holds of contacts: packets, which tell a conversation in other words."""

from frontdesk.core.holdings import OF_THREADS, Holding

HOLDINGS = (
    Holding(
        "handoff",
        of_contact=OF_THREADS,
        erase="packet = jsonb_build_object('written_by', 'erased'), rule = '', end_reason = NULL",
    ),
)
