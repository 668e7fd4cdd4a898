"""What conversation holds of contacts. Turns keep their outcome, tokens and cost; words go."""

from frontdesk.core.holdings import DELETE, OF_THREADS, Holding

# The row stays, as conversations hang on it; `bsuid` must not be empty, so it names nobody.
_NOBODY = (
    "wa_id = NULL, bsuid = 'erased:' || id, name = NULL, username = NULL, language = NULL, "
    "opted_out_at = NULL, merged_into = NULL, fields = '{}'"
)

HOLDINGS = (
    Holding("contact", of_contact="id = $1", erase=_NOBODY),
    Holding("contact_field"),
    Holding("contact_alias", of_contact="contact_id = $1", erase=DELETE),
    Holding(
        "conversation",
        of_contact="contact_id = $1",
        # Without `last_inbound_at` the window is shut: nothing can be sent to nobody.
        erase="last_text = NULL, last_error = NULL, last_inbound_at = NULL, close_reason = 'erased'",
    ),
    Holding(
        "message",
        of_contact=OF_THREADS,
        # A wamid holds the phone number, in base64.
        erase="text = '', media = NULL, payload = NULL, wamid = NULL, reply_to_wamid = NULL",
    ),
    Holding("conversation_memory", of_contact=OF_THREADS, erase=DELETE),
    Holding(
        "turn",
        of_contact=OF_THREADS,
        # `closed: ` is followed by what a person typed.
        erase="trace = '[]', reason = split_part(reason, ':', 1)",
    ),
    Holding("commitment", of_contact=OF_THREADS, erase=DELETE),
    Holding("timer", of_contact=OF_THREADS, erase=DELETE),
    # What they thought stays as a number, like the outcome of a turn; why a person closed it goes.
    Holding("survey", of_contact="contact_id = $1", erase="close_reason = ''"),
    Holding("answer_rating", of_contact=OF_THREADS, erase="comment = ''"),
    Holding("read_mark", of_contact=OF_THREADS, erase=DELETE),
    Holding("conversation_tag", of_contact=OF_THREADS, erase=DELETE),
    Holding("note", of_contact=OF_THREADS, erase=DELETE),
    Holding("draft", of_contact=OF_THREADS, erase=DELETE),
)
