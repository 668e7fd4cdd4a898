"""Errors of conversation."""

from frontdesk.core.errors import Conflict, NotFound


class NoSuchConversation(NotFound):
    """There is no such conversation in this tenant."""

    code, title = "conversation_not_found", "There is no such conversation"


class ConversationClosed(Conflict):
    """The conversation is closed; reopen it first, or wait for the contact to write."""

    code, title = "conversation_closed", "The conversation is closed"


class AnotherIsOpen(Conflict):
    """The contact has an open conversation on this channel already; there is one at a time."""

    code, title = "another_conversation_open", "Another conversation with this contact is open"
