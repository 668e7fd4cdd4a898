"""Errors of messaging."""

from frontdesk.core.errors import Conflict, Invalid, NothingYet


class ChannelTaken(Conflict):
    """The number is connected to this deployment already; one number serves one tenant."""

    code, title = "channel_taken", "The number is already connected"


class ChannelNotConnected(Conflict):
    """The channel is not connected, so there is nothing to pause, to resume or to renew."""

    code, title = "channel_not_connected", "The channel is not connected"


class ChannelConnected(Conflict):
    """The channel is connected or being connected; disconnect it first, or give a new token."""

    code, title = "channel_connected", "The channel is connected"


class CredentialsNeeded(Conflict):
    """The channel has no access token any more: connecting it again needs a new one."""

    code, title = "credentials_needed", "A new access token or code is needed"


class StillDisconnecting(Conflict):
    """A worker has not yet told Meta that the channel is disconnected."""

    code, title = "still_disconnecting", "The channel is still being disconnected"


class SignupNotConfigured(Conflict):
    """This deployment has no Meta app for Embedded Signup (`WHATSAPP__APP_ID`)."""

    code, title = "signup_not_configured", "Embedded Signup is not set up here"


class WindowClosed(Conflict):
    """24 hours have passed since the contact last wrote: only a template may be sent."""

    code, title = "window_closed", "The 24-hour window is closed"


class NotUncertain(Conflict):
    """The outcome of this message is known, so there is nothing to decide."""

    code, title = "outcome_known", "The outcome of this message is known"


class MediaNotThere(NothingYet):
    """The file is not here: not yet, no longer, or it could not be fetched; the message says why."""

    code, title = "media_not_there", "The file is not there"


class MediaNotFailed(Conflict):
    """The file is here, on its way or deleted, so there is nothing to ask for once more."""

    code, title = "media_not_failed", "Fetching the file did not fail"


class MediaSent(Conflict):
    """The file went with another message: upload it once more for this one."""

    code, title = "media_sent", "The file was sent already"


class NotSendable(Invalid):
    """WhatsApp takes no files of this type; it is told by their content."""

    code, title = "not_sendable", "WhatsApp takes no such files"


class ChannelGone(Conflict):
    """The channel is disconnected: nothing can be sent from it."""

    code, title = "channel_disconnected", "The channel is disconnected"


class RetryHopeless(Conflict):
    """The message did not fail, or the same would fail again; its message says why."""

    code, title = "retry_hopeless", "Sending it again can't succeed"
