"""Conversation: contacts, threads, the outcome of every burst, timers, and the inbox."""

from frontdesk.conversation.awaiting import go_on_with_file
from frontdesk.conversation.commitments import forget_failed as forget_failed_promises
from frontdesk.conversation.commitments import list_promises
from frontdesk.conversation.commitments import notice_again as notice_promises_again
from frontdesk.conversation.commitments import notice_arrived as notice_arrived_promises
from frontdesk.conversation.contacts import find_contact, find_or_create_contact, opt_out
from frontdesk.conversation.errors import AnotherIsOpen, ConversationClosed, NoSuchConversation
from frontdesk.conversation.events import ConversationClosed as ConversationHasClosed
from frontdesk.conversation.events import PriorityChanged, SilenceNeedsPerson
from frontdesk.conversation.inbox import get_conversation, get_message, list_messages
from frontdesk.conversation.labels import add_tag, set_priority, tags_of_contact
from frontdesk.conversation.memory import (
    VERBATIM_MESSAGES,
    Memory,
    Remembered,
    Summary,
    find_memory,
    remember,
    summarise_soon,
)
from frontdesk.conversation.merged_people import MergedPeople
from frontdesk.conversation.models import Actor, Direction, Priority, Status, TimerKind, TurnOutcome
from frontdesk.conversation.notes import add_note
from frontdesk.conversation.people import is_opted_out, person_of
from frontdesk.conversation.privacy import HOLDINGS
from frontdesk.conversation.provenance import get_provenance, list_messages_of_turn
from frontdesk.conversation.receiving import (
    CONVERSATION,
    Debounce,
    change_identity,
    change_preference,
    edit_message,
    known_messages,
    receive_echo,
    receive_history,
    receive_message,
    revoke_message,
    sort_key,
)
from frontdesk.conversation.schemas import (
    ContactPublic,
    ConversationPublic,
    MessagePublic,
    TurnPublic,
)
from frontdesk.conversation.summarising import summarise_on_paper
from frontdesk.conversation.suppression import Suppression
from frontdesk.conversation.surveying import plan_survey
from frontdesk.conversation.threads import (
    Change,
    Locked,
    NewMessage,
    NewTurn,
    ask_again,
    ask_unanswered,
    assign,
    change_owner,
    close,
    lock,
    reopen,
    send_message,
    settle,
    was_sent,
    withdraw,
    write_turn,
)
from frontdesk.conversation.timers import NewTimer, add_timers, set_timers
from frontdesk.conversation.turns import (
    HISTORY_MESSAGES,
    Background,
    Claim,
    PastMessage,
    claim,
    conclude,
    list_due,
    load_background,
    load_earlier,
    lock_if_ours,
    look_at,
    pause_seconds,
    put_off,
    refused_lately,
)

__all__ = [
    "CONVERSATION",
    "HISTORY_MESSAGES",
    "HOLDINGS",
    "VERBATIM_MESSAGES",
    "Actor",
    "AnotherIsOpen",
    "Background",
    "Change",
    "Claim",
    "ContactPublic",
    "ConversationClosed",
    "ConversationHasClosed",
    "ConversationPublic",
    "Debounce",
    "Direction",
    "Locked",
    "Memory",
    "MergedPeople",
    "MessagePublic",
    "NewMessage",
    "NewTimer",
    "NewTurn",
    "NoSuchConversation",
    "PastMessage",
    "Priority",
    "PriorityChanged",
    "Remembered",
    "SilenceNeedsPerson",
    "Status",
    "Summary",
    "Suppression",
    "TimerKind",
    "TurnOutcome",
    "TurnPublic",
    "add_note",
    "add_tag",
    "add_timers",
    "ask_again",
    "ask_unanswered",
    "assign",
    "change_identity",
    "change_owner",
    "change_preference",
    "claim",
    "close",
    "conclude",
    "edit_message",
    "find_contact",
    "find_memory",
    "find_or_create_contact",
    "forget_failed_promises",
    "get_conversation",
    "get_message",
    "get_provenance",
    "go_on_with_file",
    "is_opted_out",
    "known_messages",
    "list_due",
    "list_messages",
    "list_messages_of_turn",
    "list_promises",
    "load_background",
    "load_earlier",
    "lock",
    "lock_if_ours",
    "look_at",
    "notice_arrived_promises",
    "notice_promises_again",
    "opt_out",
    "pause_seconds",
    "person_of",
    "plan_survey",
    "put_off",
    "receive_echo",
    "receive_history",
    "receive_message",
    "refused_lately",
    "remember",
    "reopen",
    "revoke_message",
    "send_message",
    "set_priority",
    "set_timers",
    "settle",
    "sort_key",
    "summarise_on_paper",
    "summarise_soon",
    "tags_of_contact",
    "was_sent",
    "withdraw",
    "write_turn",
]
