"""What escalation holds of contacts: packets and suggestions, which tell it in other words."""

from frontdesk.core.holdings import DELETE, KEEP, OF_THREADS, Holding

HOLDINGS = (
    Holding(
        "handoff",
        of_contact=OF_THREADS,
        erase="packet = jsonb_build_object('written_by', 'erased'), rule = '', "
        "end_reason = NULL, hand_back = NULL",
    ),
    Holding(
        "suggestion",
        of_contact=OF_THREADS,
        erase="wish = jsonb_build_object('task', task), client_key = NULL, text = NULL, "
        "sources = NULL, error = NULL, due_at = NULL, "
        "state = CASE WHEN state = 'queued' THEN 'failed' ELSE state END",
    ),
    # Who had it on their phone, and no word of it.
    Holding("bridge", of_contact=OF_THREADS, erase=KEEP, erase_with_tenant=DELETE),
    # Of people's own phones, never of a contact's.
    Holding("bridge_phone", of_contact="false", erase=KEEP, erase_with_tenant=DELETE),
    Holding("bridge_heard", of_contact="false", erase=KEEP, erase_with_tenant=DELETE),
    # How much people change stays, and what they wrote goes.
    Holding("draft_outcome", of_contact=OF_THREADS, erase="draft = '', sent = NULL"),
)
