"""Which function reacts to which event, on one page."""

from frontdesk import escalation
from frontdesk.conversation import ConversationHasClosed
from frontdesk.core.events import Subscriptions
from frontdesk.identity import MemberDisabled
from frontdesk.messaging import OutboundFailed

SUBSCRIPTIONS: Subscriptions = {
    ConversationHasClosed: [escalation.end_handoff],
    OutboundFailed: [escalation.look_after_failed_send],
    MemberDisabled: [escalation.send_member_away],
}
