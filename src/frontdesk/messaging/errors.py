"""Errors of messaging."""

from frontdesk.core.errors import Conflict


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
