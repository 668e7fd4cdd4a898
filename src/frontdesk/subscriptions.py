"""Which function reacts to which event, on one page."""

from frontdesk import escalation, feed
from frontdesk.conversation import ConversationHasClosed
from frontdesk.core.events import Subscriptions
from frontdesk.identity import ContactPolicyChanged, MemberDisabled
from frontdesk.messaging import OutboundFailed

SUBSCRIPTIONS: Subscriptions = {
    ConversationHasClosed: [escalation.end_handoff],
    OutboundFailed: [escalation.look_after_failed_send],
    ContactPolicyChanged: [feed.tell_contact_policy],
    MemberDisabled: [escalation.send_member_away],
}
