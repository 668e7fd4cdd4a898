"""Second factors: an authenticator app and recovery codes. As the system role: they are the user's.

Signing in then takes two steps: the password alone gets a challenge, and that with a code the session.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from frontdesk.core.callers import Principal, SuperAdmin
from frontdesk.core.db import Transaction
from frontdesk.core.errors import FrontdeskError, NotFound
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.identity import throttle, totp
from frontdesk.identity.challenges import (
    CHALLENGE_MINUTES,
    Proven,
    Purpose,
    fingerprint_of,
    issue_challenge,
    read_challenge,
)
from frontdesk.identity.links import audit_everywhere, end_all_sessions, prove_password
from frontdesk.identity.live_sessions import LiveSessions
from frontdesk.identity.onboarding_errors import (
    AlreadyEnrolled,
    ChallengeExpired,
    FactorKept,
    MfaEnrolmentRequired,
    MfaMissing,
    MfaRequired,
    NotEnrolled,
    WrongCode,
)
from frontdesk.identity.onboarding_models import MailKind
from frontdesk.identity.onboarding_schemas import Enrolment, FactorPublic, SignInPolicy
from frontdesk.identity.outbox import queue_mail
from frontdesk.identity.rules import Patience
from frontdesk.identity.sessions import act_in, end_other_sessions
from frontdesk.observability import audit

log = structlog.get_logger(__name__)

RECOVERY_CODES = 10
# Whoever guesses here has the password already. Six digits, three of which are good at a time: a
# hundred guesses a day, which this leaves, find one in ten years.
PER_USER = Patience(free_failures=5, longest_wait_seconds=900, forgotten_after=timedelta(hours=24))
# Base32 without what people misread.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_ISSUER = "Frontdesk"
_FIELD = "totp_factor.secret"

_STATE = """
SELECT u.email, u.password_hash,
       EXISTS (SELECT 1 FROM totp_factor f WHERE f.user_id = u.id AND f.confirmed_at IS NOT NULL)
           AS enrolled,
       EXISTS (SELECT 1 FROM tenant t WHERE t.id = $2 AND t.mfa_required) AS required,
       EXISTS (SELECT 1 FROM membership m JOIN tenant t ON t.id = m.tenant_id WHERE t.mfa_required
           AND m.user_id = u.id AND m.disabled_at IS NULL) AS required_somewhere,
       (SELECT count(*) FROM recovery_code r WHERE r.user_id = u.id) AS recovery_codes_left
  FROM app_user u WHERE u.id = $1 AND u.disabled_at IS NULL
"""
# An app that counts is not replaced: it is taken away first, with a code of it.
_START = """
INSERT INTO totp_factor AS f (user_id, secret_sealed) VALUES ($1, $2)
ON CONFLICT (user_id) DO UPDATE SET secret_sealed = excluded.secret_sealed
    WHERE f.confirmed_at IS NULL
RETURNING f.user_id
"""
_SEALED = """
SELECT secret_sealed FROM totp_factor WHERE user_id = $1 AND (confirmed_at IS NOT NULL) = $2
"""
# A code counts once: of two requests that show the same one, one finds the step spent.
_SPEND = """
UPDATE totp_factor SET last_step = $2, confirmed_at = coalesce(confirmed_at, now())
 WHERE user_id = $1 AND last_step < $2 AND (confirmed_at IS NOT NULL) = $3 RETURNING user_id
"""
_SPEND_RECOVERY = (
    "DELETE FROM recovery_code WHERE user_id = $1 AND code_hash = $2 RETURNING user_id"
)
_ADD_RECOVERY = "INSERT INTO recovery_code (user_id, code_hash) SELECT $1, unnest($2::text[])"
_END_UNPROTECTED = """
UPDATE user_session SET revoked_at = now()
 WHERE tenant_id = $1 AND id <> $2 AND revoked_at IS NULL AND user_id NOT IN
    (SELECT user_id FROM totp_factor WHERE confirmed_at IS NOT NULL)
"""


async def challenge_if_enrolled(
    tx: Transaction, settings: Settings, user_id: UUID, tenant_id: UUID | None, now: datetime
) -> None:
    """Stop a sign-in whose password is right while it lacks its second factor.

    Raises:
        MfaRequired: the user has an authenticator app; `challenge` goes on with a code.
        MfaEnrolmentRequired: they have none and the tenant asks for one; `challenge` sets it up.
    """
    state = await _state(tx, user_id, tenant_id)
    kind: type[FrontdeskError]
    if state["enrolled"]:
        kind, purpose = MfaRequired, Purpose.CODE
    elif state["required"]:
        kind, purpose = MfaEnrolmentRequired, Purpose.ENROLMENT
    else:
        return
    raise kind(
        challenge=issue_challenge(
            settings, purpose, Proven(user_id, tenant_id), state["password_hash"], now
        ),
        expires_in_seconds=CHALLENGE_MINUTES * 60,
    )


async def require_enrolment(tx: Transaction, user_id: UUID, tenant_id: UUID) -> None:
    """Keep somebody who is signed in already out of a tenant that asks for more.

    Raises:
        MfaMissing: the tenant asks for an authenticator app, and they have none.
    """
    state = await _state(tx, user_id, tenant_id)
    if state["required"] and not state["enrolled"]:
        raise MfaMissing


async def answer_challenge(
    resources: Resources, challenge: str, code: str, *, address: str
) -> Proven:
    """Who a challenge and a code prove somebody to be; their session may be opened.

    Raises:
        ChallengeExpired: too old, not ours, or the password has changed since.
        WrongCode: wrong, too old, or used before.
        TooManySignIns: too many codes were wrong; it takes a wait.
    """
    proven = await _read(resources, challenge, Purpose.CODE)
    await _prove_code(resources, proven.user_id, code, address=address)
    return proven


async def enrol_by_challenge(resources: Resources, challenge: str) -> Enrolment:
    """Begin to set up the app that a tenant asks for; raises as `start_enrolment`."""
    proven = await _read(resources, challenge, Purpose.ENROLMENT)
    return await _start(resources, proven.user_id)


async def confirm_by_challenge(
    resources: Resources, challenge: str, code: str, *, address: str, request_id: str
) -> tuple[Proven, list[str]]:
    """Finish setting up the app a tenant asks for: who may go on, and their recovery codes."""
    proven = await _read(resources, challenge, Purpose.ENROLMENT)
    codes = await _confirm(resources, proven.user_id, code, address, request_id)
    return proven, codes


async def get_factor(resources: Resources, who: Principal | SuperAdmin) -> FactorPublic:
    """How the caller's account is protected."""
    async with resources.db.system_transaction() as tx:
        state = await _state(tx, who.user_id, None)
    return FactorPublic(
        enrolled=state["enrolled"],
        required=state["required_somewhere"],
        recovery_codes_left=state["recovery_codes_left"],
    )


async def start_enrolment(
    resources: Resources, who: Principal | SuperAdmin, password: str, *, address: str
) -> Enrolment:
    """A fresh secret for an authenticator app. It counts once a code of it was shown.

    Raises:
        WrongCredentials: the password is another one.
        TooManySignIns: too many attempts have failed; it takes a wait.
        AlreadyEnrolled: there is an app.
    """
    await _prove_owner(resources, who.user_id, password, address=address)
    return await _start(resources, who.user_id)


async def confirm_enrolment(
    resources: Resources, who: Principal | SuperAdmin, code: str, *, address: str
) -> list[str]:
    """Let the app count from now on; ten recovery codes, told once.

    Raises:
        NotEnrolled: no app is being set up.
        WrongCode: wrong or too old.
        TooManySignIns: too many codes were wrong; it takes a wait.
    """
    return await _confirm(resources, who.user_id, code, address, who.request_id)


async def renew_recovery_codes(
    resources: Resources,
    who: Principal | SuperAdmin,
    password: str,
    code: str,
    *,
    address: str,
) -> list[str]:
    """Ten new recovery codes in place of the old; raises as `remove_factor`."""
    await _prove_owner(resources, who.user_id, password, address=address)
    await _prove_code(resources, who.user_id, code, address=address)
    async with resources.db.system_transaction() as tx:
        codes = await _new_recovery_codes(tx, who.user_id)
        await audit_everywhere(
            tx, who.user_id, "user.recovery_codes_renewed", request_id=who.request_id
        )
    return codes


async def remove_factor(
    resources: Resources,
    who: Principal | SuperAdmin,
    password: str,
    code: str,
    *,
    address: str,
) -> None:
    """Take the authenticator app away, and end the caller's other sessions.

    Raises:
        FactorKept: a tenant of theirs asks for it.
        NotEnrolled: there is none.
        WrongCredentials: the password is another one.
        WrongCode: wrong, too old, or used before.
        TooManySignIns: too many attempts have failed; it takes a wait.
    """
    state = await _prove_owner(resources, who.user_id, password, address=address)
    if state["required_somewhere"]:
        raise FactorKept
    await _prove_code(resources, who.user_id, code, address=address)
    async with resources.db.system_transaction() as tx:
        await tx.sql.execute("DELETE FROM totp_factor WHERE user_id = $1", who.user_id)
        await end_other_sessions(tx, who)
        await audit_everywhere(tx, who.user_id, "user.mfa_removed", request_id=who.request_id)
        await queue_mail(tx, MailKind.SECOND_FACTOR_OFF, state["email"])
    resources.keep(LiveSessions).forget_user(who.user_id)


async def take_factor_away(resources: Resources, by: SuperAdmin, email: str) -> None:
    """Help whoever lost the app and the recovery codes; all their sessions end, and they are told.

    A super admin's to do: an account may belong to several tenants, of which no admin knows.

    Raises:
        NotFound: no account with this email has an app.
    """
    async with resources.db.system_transaction() as tx:
        user_id = await tx.sql.fetchval(
            "DELETE FROM totp_factor f USING app_user u WHERE u.id = f.user_id AND u.email = $1 "
            "RETURNING f.user_id",
            email,
        )
        if user_id is None:
            raise NotFound("No account with this email has an authenticator app.")
        await end_all_sessions(tx, user_id)
        await audit_everywhere(
            tx, user_id, "user.mfa_removed", by=by.user_id, request_id=by.request_id
        )
        await queue_mail(tx, MailKind.SECOND_FACTOR_OFF, email)
    log.warning("second_factor_taken_away", user_id=str(user_id), by=str(by.user_id))
    resources.keep(LiveSessions).forget_user(user_id)


async def get_policy(resources: Resources, tenant_id: UUID) -> SignInPolicy:
    """How members of this tenant sign in."""
    async with resources.db.hot(tenant_id) as tx:
        required = await tx.sql.fetchval("SELECT mfa_required FROM tenant")
    return SignInPolicy(mfa_required=required)


async def set_policy(resources: Resources, who: Principal, policy: SignInPolicy) -> SignInPolicy:
    """Say whether the tenant asks for an authenticator app.

    From then on who has none may sign in only to set it up; their sessions end, but the caller's.
    A super admin who has none acts in the tenant no longer.
    """
    async with resources.db.system_transaction() as tx:
        changed = await tx.sql.fetchval(
            "UPDATE tenant SET mfa_required = $2 WHERE id = $1 AND mfa_required <> $2 RETURNING id",
            who.tenant_id,
            policy.mfa_required,
        )
        if changed:
            await act_in(tx, who.tenant_id)
            await audit(
                tx,
                "tenant.mfa_required" if policy.mfa_required else "tenant.mfa_optional",
                "tenant",
                who.tenant_id,
                user_id=who.user_id,
                request_id=who.request_id,
            )
            if policy.mfa_required:
                await tx.sql.execute(_END_UNPROTECTED, who.tenant_id, who.session_id)
    resources.keep(LiveSessions).forget_tenant(who.tenant_id)
    return policy


async def _read(resources: Resources, challenge: str, purpose: Purpose) -> Proven:
    proven, fingerprint = read_challenge(resources.settings, purpose, challenge)
    async with resources.db.system_transaction() as tx:
        state = await _state(tx, proven.user_id, proven.tenant_id)
    # Whoever proved a password that was changed since has proved nothing.
    if not hmac.compare_digest(fingerprint_of(state["password_hash"]), fingerprint):
        raise ChallengeExpired
    return proven


async def _state(tx: Transaction, user_id: UUID, tenant_id: UUID | None) -> Any:
    row = await tx.sql.fetchrow(_STATE, user_id, tenant_id)
    if row is None:
        # Disabled between one step and the next.
        raise ChallengeExpired
    return row


async def _prove_owner(resources: Resources, user_id: UUID, password: str, *, address: str) -> Any:
    # A cookie left open on a shared computer is no licence to change how its owner signs in.
    async with resources.db.system_transaction() as tx:
        state = await _state(tx, user_id, None)
    await prove_password(
        resources,
        email=state["email"],
        stored=state["password_hash"],
        password=password,
        address=address,
    )
    return state


async def _prove_code(resources: Resources, user_id: UUID, code: str, *, address: str) -> None:
    keys = _keys(user_id, address)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, keys)
    async with resources.db.system_transaction() as tx:
        typed = _normal(code)
        if typed.isdigit() and len(typed) == totp.DIGITS:
            await _spend(tx, resources, user_id, typed, confirmed=True)
        elif not await tx.sql.fetchval(_SPEND_RECOVERY, user_id, _hash(typed)):
            raise _wrong_code(user_id)
        await throttle.forgive(tx, keys)


async def _spend(
    tx: Transaction, resources: Resources, user_id: UUID, code: str, *, confirmed: bool
) -> None:
    sealed = await tx.sql.fetchval(_SEALED, user_id, confirmed)
    if sealed is None:
        raise NotEnrolled
    # Sealed for this user: in another user's row it does not open.
    secret = resources.sealer.open(sealed, tenant_id=user_id, field=_FIELD)
    # The database's clock: processes may differ, and a step must be spent for all of them.
    now = await tx.sql.fetchval("SELECT now()")
    step = totp.find_step(secret, code, now)
    if step is None or not await tx.sql.fetchval(_SPEND, user_id, step, confirmed):
        raise _wrong_code(user_id)


async def _start(resources: Resources, user_id: UUID) -> Enrolment:
    secret = totp.new_secret()
    sealed = resources.sealer.seal(secret, tenant_id=user_id, field=_FIELD)
    async with resources.db.system_transaction() as tx:
        state = await _state(tx, user_id, None)
        if not await tx.sql.fetchval(_START, user_id, sealed):
            raise AlreadyEnrolled
    return Enrolment(
        secret=secret, uri=totp.enrolment_uri(secret, account=state["email"], issuer=_ISSUER)
    )


async def _confirm(
    resources: Resources, user_id: UUID, code: str, address: str, request_id: str
) -> list[str]:
    keys = _keys(user_id, address)
    async with resources.db.system_transaction() as tx:
        await throttle.count_attempt(tx, keys)
    async with resources.db.system_transaction() as tx:
        state = await _state(tx, user_id, None)
        await _spend(tx, resources, user_id, _normal(code), confirmed=False)
        await throttle.forgive(tx, keys)
        codes = await _new_recovery_codes(tx, user_id)
        await audit_everywhere(tx, user_id, "user.mfa_set_up", request_id=request_id)
        await queue_mail(tx, MailKind.SECOND_FACTOR_ON, state["email"])
    return codes


async def _new_recovery_codes(tx: Transaction, user_id: UUID) -> list[str]:
    codes = [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))
        for _ in range(RECOVERY_CODES)
    ]
    await tx.sql.execute("DELETE FROM recovery_code WHERE user_id = $1", user_id)
    await tx.sql.execute(_ADD_RECOVERY, user_id, [_hash(_normal(code)) for code in codes])
    return codes


def _wrong_code(user_id: UUID) -> WrongCode:
    log.info("second_factor_failed", user_id=str(user_id))
    return WrongCode()


def _normal(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()


def _hash(code: str) -> str:
    # 79 random bits: a plain hash of them can't be tried through.
    return hashlib.sha256(code.encode()).hexdigest()


def _keys(user_id: UUID, address: str) -> throttle.Keys:
    _, network = throttle.keys_of("", address)
    return ((f"code:{user_id}", PER_USER), network)
