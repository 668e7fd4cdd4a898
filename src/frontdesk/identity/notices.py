"""E-mails that tell people what was done to their account, in case it was not them."""

from frontdesk.core.mail import Mail
from frontdesk.core.resources import Resources
from frontdesk.identity.onboarding_models import MailKind
from frontdesk.identity.outbox import Letter

_TEXTS = {
    MailKind.PASSWORD_CHANGED: (
        "Your Frontdesk password was changed",
        "The password of your Frontdesk account was changed, and you were signed out everywhere.",
    ),
    MailKind.SECOND_FACTOR_ON: (
        "Your Frontdesk account asks for a code now",
        "An authenticator app was set up for your Frontdesk account. Signing in takes a code of it.",
    ),
    MailKind.SECOND_FACTOR_OFF: (
        "Your Frontdesk account asks for no code any more",
        "The authenticator app was removed from your Frontdesk account.",
    ),
}


async def write_notice(_: Resources, letter: Letter) -> Mail:
    """The e-mail that says what happened."""
    subject, what = _TEXTS[letter.kind]
    return Mail(
        letter.address,
        subject,
        f"{what}\n\nIf it was not you, reset your password and tell an admin of your tenant.\n",
    )
