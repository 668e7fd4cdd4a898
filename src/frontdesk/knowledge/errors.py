"""Errors of knowledge."""

from frontdesk import gateway
from frontdesk.core.errors import Conflict, NotFound, Unavailable, UnsupportedMediaType

# Why there may be no vectors: then words have to do.
NOT_EMBEDDED = (
    gateway.ModelsUnavailable,
    gateway.BudgetReached,
    gateway.PromptRejected,
    Unavailable,
)


class NoSuchSource(NotFound):
    """There is no such source in this tenant."""

    code, title = "no_such_source", "There is no such source"


class NoSuchAgentForSource(NotFound):
    """There is no such agent in this tenant."""

    code, title = "no_such_agent", "There is no such agent"


class NoSuchGap(NotFound):
    """There is no such gap in this tenant."""

    code, title = "no_such_gap", "There is no such gap"


class NotWrittenHere(Conflict):
    """A source's text comes from a file or a page, so it is changed there."""

    code, title = "not_written_here", "Its text comes from a file or a page"


class NotReadable(UnsupportedMediaType):
    """A file is none of those that are read."""

    code, title = "not_readable", "Send text, Markdown, HTML, PDF or DOCX"


class Unreadable(Exception):
    """A document can't be read, whoever tries; the message tells its owner why."""
