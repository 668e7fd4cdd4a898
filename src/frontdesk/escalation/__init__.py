"""Escalation: when people take over, who of them, with what in hand, and the way back."""

from frontdesk.escalation.assignment import is_anybody_online, set_presence
from frontdesk.escalation.errors import AlreadyTaken, KeyReused, NotTakenOver, NotYours
from frontdesk.escalation.models import HandoffState, Presence, Reason
from frontdesk.escalation.packet import HandoffPacket, Packet, PacketFact, plain_packet
from frontdesk.escalation.privacy import HOLDINGS
from frontdesk.escalation.rules import Escalation, Signals, escalation_reason
from frontdesk.escalation.schemas import AvailabilityPublic, HandoffPublic, Ownership
from frontdesk.escalation.service import (
    Notices,
    answered_from_phone,
    close,
    end_handoff,
    get_handoff,
    hand_off,
    look_after_failed_send,
    release,
    reopen,
    reply,
    send_member_away,
    take_over,
)
from frontdesk.escalation.wishes import asks_for_person, asks_to_stop, mentions

__all__ = [
    "HOLDINGS",
    "AlreadyTaken",
    "AvailabilityPublic",
    "Escalation",
    "HandoffPacket",
    "HandoffPublic",
    "HandoffState",
    "KeyReused",
    "NotTakenOver",
    "NotYours",
    "Notices",
    "Ownership",
    "Packet",
    "PacketFact",
    "Presence",
    "Reason",
    "Signals",
    "answered_from_phone",
    "asks_for_person",
    "asks_to_stop",
    "close",
    "end_handoff",
    "escalation_reason",
    "get_handoff",
    "hand_off",
    "is_anybody_online",
    "look_after_failed_send",
    "mentions",
    "plain_packet",
    "release",
    "reopen",
    "reply",
    "send_member_away",
    "set_presence",
    "take_over",
]
