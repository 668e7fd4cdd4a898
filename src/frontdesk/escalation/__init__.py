"""Escalation: when people take over, who of them, with what in hand, and the way back."""

from frontdesk.escalation.bridge_hearing import hear
from frontdesk.escalation.bridge_phones import Sender, find_senders
from frontdesk.escalation.bridge_phones import forget_member as forget_phone
from frontdesk.escalation.bridging import look_after_failed as look_after_failed_bridge
from frontdesk.escalation.bridging import relay, relay_file
from frontdesk.escalation.errors import AlreadyTaken, KeyReused, NotTakenOver, NotYours, OptedOut
from frontdesk.escalation.handing_back import HandBack, find_hand_back
from frontdesk.escalation.handing_off import (
    Notices,
    hand_off,
    look_after_failed_send,
    look_after_silence,
    reprioritise,
)
from frontdesk.escalation.models import HandoffState, Presence, Reason
from frontdesk.escalation.packet import HandoffPacket, Packet, PacketFact, plain_packet
from frontdesk.escalation.presence import is_anybody_online, set_presence
from frontdesk.escalation.privacy import HOLDINGS
from frontdesk.escalation.recorded import load_past
from frontdesk.escalation.resolving import count_resolution
from frontdesk.escalation.rules import (
    GAVE_UP,
    NO_REASON,
    Escalation,
    Past,
    Signals,
    first_rule,
    rules_of,
)
from frontdesk.escalation.schemas import AvailabilityPublic, HandoffPublic, Ownership
from frontdesk.escalation.sent_drafts import SentDraft, find_draft_of
from frontdesk.escalation.service import (
    answered_from_phone,
    close,
    end_handoff,
    get_handoff,
    refuse_hopeless,
    release,
    reopen,
    reply,
    send_member_away,
    take_over,
)
from frontdesk.escalation.suggestion_schemas import (
    AnyWish,
    DraftWish,
    ExplainWish,
    RewriteWish,
    ShadowWish,
    Source,
    Style,
    SummariseWish,
    TranslateWish,
)
from frontdesk.escalation.suggestions import (
    SUGGESTION,
    ClaimedSuggestion,
    NewSuggestion,
    claim_suggestion,
    finish_suggestion,
    propose,
    propose_soon,
)
from frontdesk.escalation.suggestions import list_due as list_due_suggestions
from frontdesk.escalation.wishes import asks_for_person, asks_to_stop
from frontdesk.escalation.words import Said

__all__ = [
    "GAVE_UP",
    "HOLDINGS",
    "NO_REASON",
    "SUGGESTION",
    "AlreadyTaken",
    "AnyWish",
    "AvailabilityPublic",
    "ClaimedSuggestion",
    "DraftWish",
    "Escalation",
    "ExplainWish",
    "HandBack",
    "HandoffPacket",
    "HandoffPublic",
    "HandoffState",
    "KeyReused",
    "NewSuggestion",
    "NotTakenOver",
    "NotYours",
    "Notices",
    "OptedOut",
    "Ownership",
    "Packet",
    "PacketFact",
    "Past",
    "Presence",
    "Reason",
    "RewriteWish",
    "Said",
    "Sender",
    "SentDraft",
    "ShadowWish",
    "Signals",
    "Source",
    "Style",
    "SummariseWish",
    "TranslateWish",
    "answered_from_phone",
    "asks_for_person",
    "asks_to_stop",
    "claim_suggestion",
    "close",
    "count_resolution",
    "end_handoff",
    "find_draft_of",
    "find_hand_back",
    "find_senders",
    "finish_suggestion",
    "first_rule",
    "forget_phone",
    "get_handoff",
    "hand_off",
    "hear",
    "is_anybody_online",
    "list_due_suggestions",
    "load_past",
    "look_after_failed_bridge",
    "look_after_failed_send",
    "look_after_silence",
    "plain_packet",
    "propose",
    "propose_soon",
    "refuse_hopeless",
    "relay",
    "relay_file",
    "release",
    "reopen",
    "reply",
    "reprioritise",
    "rules_of",
    "send_member_away",
    "set_presence",
    "take_over",
]
