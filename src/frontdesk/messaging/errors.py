"""Errors of messaging."""

from frontdesk.core.errors import Conflict


class ChannelTaken(Conflict):
    """The number is connected to this deployment already; one number serves one tenant."""

    code, title = "channel_taken", "The number is already connected"


class WindowClosed(Conflict):
    """24 hours have passed since the contact last wrote: only a template may be sent."""

    code, title = "window_closed", "The 24-hour window is closed"


class NotUncertain(Conflict):
    """The outcome of this message is known, so there is nothing to decide."""

    code, title = "outcome_known", "The outcome of this message is known"
