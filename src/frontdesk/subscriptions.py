"""Which function reacts to which event, on one page."""

from frontdesk import agent_config, conversation, escalation, evaluation, feed
from frontdesk.conversation import ConversationHasClosed, PriorityChanged, SilenceNeedsPerson
from frontdesk.core.events import Subscriptions
from frontdesk.gateway import ReplyModelsChanging
from frontdesk.identity import ContactPolicyChanged, MemberDisabled
from frontdesk.messaging import MediaSettled, OutboundArrived, OutboundFailed
from frontdesk.prompts import ExperimentMoved

SUBSCRIPTIONS: Subscriptions = {
    ConversationHasClosed: [
        escalation.end_handoff,
        escalation.count_resolution,
        conversation.plan_survey,
    ],
    SilenceNeedsPerson: [escalation.look_after_silence],
    PriorityChanged: [escalation.reprioritise],
    MediaSettled: [conversation.go_on_with_file, escalation.relay_file],
    OutboundFailed: [
        escalation.look_after_failed_send,
        escalation.look_after_failed_bridge,
        conversation.forget_failed_promises,
    ],
    OutboundArrived: [conversation.notice_arrived_promises],
    ContactPolicyChanged: [feed.tell_contact_policy],
    ReplyModelsChanging: [agent_config.gate_reply_models],
    ExperimentMoved: [evaluation.watch_canary],
    MemberDisabled: [escalation.send_member_away, escalation.forget_phone],
}
