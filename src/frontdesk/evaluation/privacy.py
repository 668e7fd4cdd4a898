"""What evaluation holds of contacts: cases and results made of conversations, masked or played again."""

from frontdesk.core.holdings import OF_THREADS, Holding

HOLDINGS = (
    Holding("eval_proposal", of_contact=OF_THREADS),
    # Masked and reviewed, and yet made of what one contact wrote.
    Holding("eval_case", of_contact=OF_THREADS),
    Holding("eval_result", of_contact=OF_THREADS),
)
