"""What conversation tells the feed, kind by kind."""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from frontdesk import feed
from frontdesk.conversation.commitment_models import CommitmentState
from frontdesk.conversation.desk_schemas import DraftPublic, NotePublic, SavedReplyPublic
from frontdesk.conversation.inbox import NEVER_UNREAD, message_of, state_of
from frontdesk.conversation.models import Actor, Priority, Thumb, TurnOutcome
from frontdesk.conversation.schemas import (
    ContactPublic,
    ConversationPublic,
    ConversationState,
    Doing,
    MessagePublic,
    ReadTo,
)
from frontdesk.core.db import Transaction
from frontdesk.core.pages import Exact, PublicSchema
from frontdesk.feed import FeedPayload


class ConversationOpened(FeedPayload):
    """There is a new conversation."""

    kind: ClassVar[str] = "conversation.opened"

    conversation_id: UUID
    conversation: ConversationPublic


class ConversationChanged(FeedPayload):
    """A conversation has changed hands, was closed or reopened, or something of it waits no more."""

    kind: ClassVar[str] = "conversation.changed"

    conversation_id: UUID
    conversation: ConversationState


class Renumbered(PublicSchema):
    """A message and its new number."""

    message_id: UUID
    seq: int


class ConversationAskedAgain(FeedPayload):
    """An answer was withdrawn before it left: the messages it was for wait again, under new
    numbers and without a turn."""

    kind: ClassVar[str] = "conversation.asked_again"

    conversation_id: UUID
    messages: list[Renumbered]
    conversation: ConversationState


class HistoryReceived(FeedPayload):
    """Older messages of a conversation, from before the number was connected: load its thread."""

    kind: ClassVar[str] = "conversation.history_received"

    conversation_id: UUID


class MessageReceived(FeedPayload):
    """A contact has written."""

    kind: ClassVar[str] = "message.received"

    conversation_id: UUID
    message_id: UUID
    contact_id: UUID
    message: MessagePublic
    is_unread: bool = Field(description="Whether it counts as unread until somebody has read it.")
    conversation: ConversationState


class MessageSent(FeedPayload):
    """A message is on its way to the contact, or was written in the phone app."""

    kind: ClassVar[str] = "message.sent"

    conversation_id: UUID
    message_id: UUID
    message: MessagePublic
    via: Literal["desk", "phone_app"]
    conversation: ConversationState | None = Field(
        description="Null when the event before it has told already."
    )


class MessageChanged(FeedPayload):
    """A message was edited, written down if it is a voice note, or taken back by its sender: then its
    text is empty."""

    kind: ClassVar[str] = "message.changed"

    conversation_id: UUID
    message_id: UUID
    message: MessagePublic
    was_unread: bool = Field(
        description="It counted as unread for those who had not read so far, and does no longer."
    )


class TurnDecided(FeedPayload):
    """A burst of the contact's messages has its outcome."""

    kind: ClassVar[str] = "turn.decided"

    conversation_id: UUID
    turn_id: UUID
    from_seq: int
    to_seq: int
    outcome: TurnOutcome
    by: Actor
    user_id: UUID | None
    reason: str
    cost_usd: Exact | None = Field(description="Null when a price is not known.")
    seconds: float | None
    conversation: ConversationState | None = Field(
        description="Null when one of the next events tells it."
    )


class ContactChanged(FeedPayload):
    """A contact goes by another name or id, or says that they want to hear less, or more."""

    kind: ClassVar[str] = "contact.changed"

    contact_id: UUID
    contact: ContactPublic


class ContactFieldsChanged(FeedPayload):
    """The tenant's own fields of a contact hold something else."""

    kind: ClassVar[str] = "contact.fields_changed"

    contact_id: UUID
    fields: dict[str, Any]


class ContactMerged(FeedPayload):
    """Two contacts are one person; the card of the first shows both."""

    kind: ClassVar[str] = "contact.merged"

    contact_id: UUID
    merged_id: UUID


class ContactSeparated(FeedPayload):
    """A merge was taken back: each contact stands for itself again."""

    kind: ClassVar[str] = "contact.separated"

    contact_id: UUID
    merged_id: UUID


class ConversationSnoozed(FeedPayload):
    """A conversation is out of the way for a while."""

    kind: ClassVar[str] = "conversation.snoozed"

    conversation_id: UUID
    until: datetime
    user_id: UUID


class ConversationWoken(FeedPayload):
    """A snoozed conversation is back: its time has come, or somebody has done something with it."""

    kind: ClassVar[str] = "conversation.woken"

    conversation_id: UUID
    by: Actor


class SurveyAsked(FeedPayload):
    """A contact was asked how a closed conversation was."""

    kind: ClassVar[str] = "survey.asked"

    conversation_id: UUID
    survey_id: UUID


class SurveyAnswered(FeedPayload):
    """A contact said how a closed conversation was, from 1 (bad) to 5."""

    kind: ClassVar[str] = "survey.answered"

    conversation_id: UUID
    survey_id: UUID
    score: int
    closed_by: Actor
    handled_by: Actor
    handled_by_user_id: UUID | None


class AnswerRated(FeedPayload):
    """A contact or a user thinks so of an answer of the AI; without a value no longer."""

    kind: ClassVar[str] = "answer.rated"

    conversation_id: UUID
    message_id: UUID
    by: Actor
    rater_id: UUID
    value: Thumb | None


class ConversationRead(FeedPayload):
    """You have read a conversation up to a message, perhaps in another window."""

    kind: ClassVar[str] = "conversation.read"

    conversation_id: UUID
    read_to: ReadTo
    unread: int


class ConversationWatched(FeedPayload):
    """Somebody looks at a conversation, is typing, or has left it.

    Told on open streams alone, without a number, and kept nowhere.
    """

    kind: ClassVar[str] = "conversation.watched"

    conversation_id: UUID
    user_id: UUID
    doing: Doing
    lasts_seconds: int = Field(description="Forget it after so long, unless it is said again.")


class ConversationTagged(FeedPayload):
    """A conversation has these tags from now on."""

    kind: ClassVar[str] = "conversation.tagged"

    conversation_id: UUID
    tags: list[str]
    user_id: UUID | None


class ConversationPrioritised(FeedPayload):
    """People, or the rule that handed it over, say how urgent a conversation is."""

    kind: ClassVar[str] = "conversation.prioritised"

    conversation_id: UUID
    priority: Priority
    user_id: UUID | None


class NoteWritten(FeedPayload):
    """A note is there, or says something else now."""

    kind: ClassVar[str] = "note.written"

    conversation_id: UUID
    note_id: UUID
    note: NotePublic


class NoteDeleted(FeedPayload):
    """A note is gone."""

    kind: ClassVar[str] = "note.deleted"

    conversation_id: UUID
    note_id: UUID


class UserMentioned(FeedPayload):
    """Somebody wants you to see a note."""

    kind: ClassVar[str] = "user.mentioned"

    by_user_id: UUID
    conversation_id: UUID
    note_id: UUID


class SavedReplyChanged(FeedPayload):
    """A saved reply is new, says something else now, or is gone."""

    kind: ClassVar[str] = "saved_reply.changed"

    saved_reply_id: UUID
    saved_reply: SavedReplyPublic | None = Field(description="Null: it is gone.")


class DraftChanged(FeedPayload):
    """You have gone on writing, or thrown away what you had begun, perhaps on another device."""

    kind: ClassVar[str] = "draft.changed"

    conversation_id: UUID
    draft: DraftPublic | None = Field(description="Null: it is gone.")


class CommitmentOpened(FeedPayload):
    """Somebody of the business has promised something."""

    kind: ClassVar[str] = "commitment.opened"

    commitment_id: UUID
    conversation_id: UUID
    text: str
    promised_for: datetime | None


class CommitmentDue(FeedPayload):
    """A promise has to be kept soon, or its time has come: remind whoever it is for."""

    kind: ClassVar[str] = "commitment.due"

    commitment_id: UUID
    conversation_id: UUID
    user_id: UUID | None
    promised_for: datetime
    is_overdue: bool


class CommitmentSettled(FeedPayload):
    """A promise was kept, or holds no longer."""

    kind: ClassVar[str] = "commitment.settled"

    commitment_id: UUID
    conversation_id: UUID
    state: CommitmentState
    user_id: UUID | None = Field(description="Null: the message with it did not arrive.")


def tell_changed(tx: Transaction, row: Any) -> None:
    """Put on the feed what a statement that returned `STATE` has made of a conversation."""
    state = state_of(row)
    feed.tell(tx, ConversationChanged(conversation_id=state.id, conversation=state))


def tell_received(tx: Transaction, contact_id: UUID, row: Any) -> None:
    """Put a contact's message on the feed, from a row of `STATE` and `STORED`."""
    message, state = message_of(row), state_of(row)
    told = MessageReceived(
        conversation_id=state.id,
        message_id=message.id,
        contact_id=contact_id,
        message=message,
        is_unread=message.ignored_reason not in NEVER_UNREAD,
        conversation=state,
    )
    feed.tell(tx, told)
