"""What can go wrong between a person and their account."""

from frontdesk.core.errors import Conflict, Invalid, RateLimited, Unauthenticated


class WrongCredentials(Unauthenticated):
    """The account, the password or the tenant is wrong, and nobody is told which."""

    code, title = "wrong_credentials", "The email or the password is wrong"


class TooManySignIns(RateLimited):
    """Too many failed sign-ins for this account or from this address; each waits longer."""

    code, title = "too_many_sign_ins", "Too many failed sign-ins"


class ChooseTenant(Conflict):
    """The password is right and the user belongs to several tenants; `tenants` lists them."""

    code, title = "choose_tenant", "Say which tenant to sign in to"


class WeakPassword(Invalid):
    """The password breaks one of the rules."""

    code, title = "weak_password", "Choose another password"


class EmailTaken(Conflict):
    """A user with this email exists."""

    code, title = "email_taken", "There is a user with this email"


class SlugTaken(Conflict):
    """A tenant with this slug exists."""

    code, title = "slug_taken", "There is a tenant with this slug"


class AlreadyMember(Conflict):
    """The user has a membership in this tenant, perhaps a disabled one."""

    code, title = "already_member", "This user is a member already"


class LastAdmin(Conflict):
    """The change would leave the tenant without an admin who can sign in."""

    code, title = "last_admin", "A tenant needs an admin"


class PlanLimitReached(Conflict):
    """The tenant has as many of these as its plan allows; `limit` says how many that is."""

    code, title = "plan_limit_reached", "The plan's limit is reached"
