"""Sending a message again that did not arrive: when that can succeed, and how it goes back to the start."""

from uuid import UUID

from frontdesk.core.db import Transaction
from frontdesk.messaging.errors import ChannelGone, WindowClosed
from frontdesk.messaging.graph_errors import FailureClass, classify_code
from frontdesk.messaging.happenings import MOVED, tell_moved
from frontdesk.messaging.models import MediaState, OutboundState
from frontdesk.messaging.outbound import OUTBOUND, resolve_uncertain
from frontdesk.messaging.window import is_open

# The conversation first, as everywhere.
_LOCK_THREAD = """
SELECT k.last_inbound_at FROM conversation k JOIN outbound o
    ON o.tenant_id = k.tenant_id AND o.conversation_id = k.id
WHERE o.id = $1 FOR UPDATE OF k
"""
_LOCK_SEND = """
SELECT o.state, o.discarded_at, o.conversation_id, o.content->>'type' AS type,
    h.status AS channel_status, clock_timestamp() AS now
FROM outbound o JOIN channel h ON h.tenant_id = o.tenant_id AND h.id = o.channel_id
WHERE o.id = $1 FOR UPDATE OF o
"""
# It failed for sure, so it is sent again as the person's own who says so: whoever had the
# conversation when it was written no longer matters. Attempts go on counting, since a late answer
# to an earlier one is known by its number: one that fails again is not this one.
_SEND_AGAIN = f"""
UPDATE outbound SET state = 'pending', origin = 'human_agent', due_at = now(), wamid = NULL,
    delivery = NULL, delivery_at = NULL, finished_at = NULL, error_code = NULL, last_error = NULL,
    attempt = attempt + 1, refusals = 0, unknowns = 0, discarded_at = NULL
WHERE id = $1 RETURNING {MOVED}
"""  # noqa: S608  # Ours.
# The contact may have mended these: not on WhatsApp yet, an old app, terms not accepted; the window.
_MAY_HAVE_CHANGED = (131026, 131047)


def retry_problem(
    state: str | None, error_code: int | None, media_state: str | None = None
) -> str | None:
    """Why sending a message again can't succeed, in a sentence; None when it may.

    Args:
        state: how far it has got; only what failed for sure is sent again.
        media_state: of the file that goes with it, if one does.
    """
    if state != OutboundState.FAILED:
        return f"The message is {state}."
    if media_state not in (None, MediaState.STORED):
        return "Its file was deleted."
    failure = classify_code(error_code) if error_code is not None else None
    if failure is None or error_code in _MAY_HAVE_CHANGED:
        return None
    if failure.failure_class in (FailureClass.REQUEST, FailureClass.RECIPIENT):
        return f"It would be refused again: {failure.words}"
    return None


async def send_again(tx: Transaction, outbound_id: UUID) -> bool:
    """Put a message back to where delivery begins, if it failed or nobody knows; False when it did
    neither.

    Raises:
        WindowClosed, ChannelGone: it can't be sent any more.
    """
    thread = await tx.sql.fetchrow(_LOCK_THREAD, outbound_id)
    row = await tx.sql.fetchrow(_LOCK_SEND, outbound_id)
    assert thread is not None
    assert row is not None
    if row["state"] not in ("failed", "needs_attention"):
        return False
    if row["type"] != "template" and not is_open(thread["last_inbound_at"], row["now"]):
        raise WindowClosed("The contact last wrote more than 24 hours ago.")
    if row["channel_status"] == "DISCONNECTED":
        raise ChannelGone("Connect the channel again first.")
    if row["state"] == "needs_attention":
        await resolve_uncertain(tx, outbound_id, arrived=False)
    else:
        moved = await tx.sql.fetchrow(_SEND_AGAIN, outbound_id)
        tx.ring(OUTBOUND, outbound_id)
        tell_moved(tx, moved)
    return True
