"""Errors of conversation."""

from frontdesk.core.errors import Conflict, Forbidden, NotFound


class NoSuchConversation(NotFound):
    """There is no such conversation in this tenant."""

    code, title = "conversation_not_found", "There is no such conversation"


class NoSuchFact(NotFound):
    """Nothing of this number is remembered of the conversation."""

    code, title = "no_such_fact", "There is no such fact"


class ConversationClosed(Conflict):
    """The conversation is closed; reopen it first, or wait for the contact to write."""

    code, title = "conversation_closed", "The conversation is closed"


class AnotherIsOpen(Conflict):
    """The contact has an open conversation on this channel already; there is one at a time."""

    code, title = "another_conversation_open", "Another conversation with this contact is open"


class NoAnswerOfTheAgent(Conflict):
    """Only what the AI wrote is rated."""

    code, title = "not_an_answer", "The AI did not write this message"


class CannotMerge(Conflict):
    """These two contacts can't be merged this way; the detail says why."""

    code, title = "cannot_merge", "These contacts can't be merged"


class FieldInUse(Conflict):
    """The tenant has a field of this name and another type."""

    code, title = "field_in_use", "There is a field of this name"


class ShortcutTaken(Conflict):
    """Another saved reply has this shortcut."""

    code, title = "shortcut_taken", "Another saved reply has this shortcut"


class NotYourNote(Forbidden):
    """Only who wrote a note, or an admin, may change it."""

    code, title = "not_your_note", "Somebody else wrote this note"


class NoSuchCommitment(NotFound):
    """The tenant has no such commitment."""

    code, title = "no_such_commitment", "There is no such commitment"


class AlreadySettled(Conflict):
    """The promise has been settled the other way."""

    code, title = "already_settled", "This promise has been settled already"
