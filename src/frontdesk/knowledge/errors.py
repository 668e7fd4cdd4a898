"""Errors of knowledge."""

from frontdesk.core.errors import NotFound


class NoSuchSource(NotFound):
    """There is no such source in this tenant."""

    code, title = "no_such_source", "There is no such source"


class NoSuchAgentForSource(NotFound):
    """There is no such agent in this tenant."""

    code, title = "no_such_agent", "There is no such agent"
