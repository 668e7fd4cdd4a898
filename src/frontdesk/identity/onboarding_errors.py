"""What can go wrong on the way in: invites, links, and second factors."""

from frontdesk.core.errors import Conflict, NotFound, Unauthenticated


class LinkNotFound(NotFound):
    """The link was used or taken back, has expired, or never was: they are not told apart."""

    code, title = "link_not_found", "This link works no more"


class AlreadyInvited(Conflict):
    """There is an open invite for this email."""

    code, title = "already_invited", "This email has an open invite"


class InviteClosed(Conflict):
    """The invite was accepted or revoked."""

    code, title = "invite_closed", "This invite is closed"


class MfaRequired(Unauthenticated):
    """The password is right; `challenge` and a code of the authenticator app end the sign-in."""

    code, title = "mfa_required", "Send a code of your authenticator app"


class MfaEnrolmentRequired(Unauthenticated):
    """The password is right, and the tenant asks for an authenticator app that is not set up yet."""

    code, title = "mfa_enrolment_required", "Set up an authenticator app first"


class MfaMissing(Conflict):
    """The tenant asks for an authenticator app and the caller has none."""

    code, title = "mfa_missing", "This tenant asks for an authenticator app"


class WrongCode(Unauthenticated):
    """The code is wrong, too old, or was used before."""

    code, title = "wrong_code", "The code is wrong or was used"


class ChallengeExpired(Unauthenticated):
    """The sign-in took longer than five minutes, or the challenge is not one of ours."""

    code, title = "challenge_expired", "Sign in again"


class AlreadyEnrolled(Conflict):
    """The account has an authenticator app."""

    code, title = "already_enrolled", "An authenticator app is set up already"


class NotEnrolled(Conflict):
    """The account has no authenticator app, or none that is being set up."""

    code, title = "not_enrolled", "No authenticator app is set up"


class FactorKept(Conflict):
    """A tenant of the caller asks for the authenticator app."""

    code, title = "factor_kept", "A tenant of yours asks for the authenticator app"
