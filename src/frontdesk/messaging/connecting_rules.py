"""What Meta's answers mean for connecting a number: pure decisions, with the words for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from frontdesk.messaging.graph_errors import GraphError, classify
from frontdesk.messaging.models import ConnectStage

# Both are needed: to send, and for all else (WhatsApp Cloud API: network trust).
SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")
# Days before a token ends at which its tenant is told; 0 is the end itself.
ALARM_DAYS = (14, 7, 3, 1, 0)
# Hours until a channel is looked at again: spread, so that they do not all ask at one time of day.
_LOOK_AFTER_HOURS, _LOOK_SPREAD_HOURS = 20.0, 8.0
# How long connecting is tried while Meta does not answer.
GIVE_UP = timedelta(minutes=15)
# A signup gives one or two; each is asked for its numbers.
MOST_ACCOUNTS = 10


@dataclass(frozen=True)
class Failure:
    """Why connecting ended: `code` is stable, `words` say what to do."""

    code: str
    words: str


@dataclass(frozen=True)
class Grant:
    """What a token is good for.

    Attributes:
        waba_ids: the accounts it names; empty when it names none, which for a token of the app's own
            business means all.
        expires_at: None for a token that does not end.
    """

    waba_ids: tuple[str, ...]
    expires_at: datetime | None


_CODE = Failure(
    "code_refused",
    "Meta did not take the code of the signup: it was used before, is older than 30 seconds, or is "
    "wrong. Run the signup again.",
)
_APP = Failure(
    "app_refused",
    "Meta does not accept the app of this deployment. Whoever runs it has to check WHATSAPP__APP_ID "
    "and WHATSAPP__APP_SECRETS.",
)
TOKEN = Failure(
    "token_refused",
    "Meta does not accept the access token: it is wrong, has ended, or was taken back. Give a new "
    "one.",
)
_PERMISSION = Failure(
    "permission_missing",
    "The access token lacks a permission: it needs whatsapp_business_messaging and "
    "whatsapp_business_management for this account.",
)
_OTHER_APP = Failure(
    "token_of_other_app",
    "The access token belongs to another Meta app, whose webhooks would not come here. Make one "
    "for the app of this deployment.",
)
_UNREACHED = Failure(
    "number_not_reached",
    "The access token does not reach this number or account. Check both ids, and that the account "
    "was given to whose token it is.",
)
NOT_IN_ACCOUNT = Failure(
    "number_not_in_account",
    "The accounts of this access token do not hold this number. Check the ids, or choose the number "
    "again in the signup.",
)
_NO_NUMBER = Failure(
    "no_number",
    "The account has no number yet. Add one in the signup, or in WhatsApp Manager, and connect "
    "again.",
)
_SEVERAL = Failure(
    "several_numbers",
    "The accounts of this access token hold several numbers. Say which one: give phone_number_id.",
)
TAKEN = Failure(
    "number_taken",
    "This number, or another one of its WhatsApp Business Account, is already connected.",
)
_REGISTERING = {
    133005: Failure(
        "pin_wrong",
        "The number has a two-step PIN, and it is another one. Connect again with its PIN, or set a "
        "new one in WhatsApp Manager.",
    ),
    133006: Failure(
        "number_not_verified",
        "WhatsApp wants the number verified anew, as after it moved from another provider. Verify it "
        "in WhatsApp Manager, then connect again.",
    ),
    133008: Failure("pin_locked", "The PIN was tried too often. Wait some hours, then try again."),
    133009: Failure("pin_locked", "The PIN was tried too fast. Wait some hours, then try again."),
    133016: Failure(
        "register_limit",
        "The number was registered too often. WhatsApp lets it be registered again after 72 hours.",
    ),
}


def failure_of(stage: ConnectStage, error: GraphError) -> Failure:
    """Why connecting ended at this stage with this answer (WhatsApp Cloud API: error codes)."""
    code = error.code or 0
    if stage is ConnectStage.EXCHANGE:
        return _APP if code in (1, 101, 190) else _CODE
    if stage is ConnectStage.REGISTER and code in _REGISTERING:
        return _REGISTERING[code]
    if code in (0, 190):
        return TOKEN
    if code in (3, 10, 131005) or 200 <= code < 300:
        return _PERMISSION
    if code in (33, 100):
        return _UNREACHED
    return Failure(f"refused_{code}", classify(error).words)


def read_grant(data: dict[str, Any], app_id: str) -> Grant | Failure:
    """What `debug_token` says of a token. The ids are those it names, whatever a browser sent."""
    if str(data.get("app_id", app_id)) != app_id:
        return _OTHER_APP
    if data.get("is_valid") is not True:
        return TOKEN
    scopes = data.get("scopes")
    if not isinstance(scopes, list) or not set(SCOPES) <= {str(scope) for scope in scopes}:
        return _PERMISSION
    return Grant(_targets(data.get("granular_scopes")), moment_of(data.get("expires_at")))


def _targets(granular: Any) -> tuple[str, ...]:
    """The accounts that both scopes name; a scope that names none covers all the other names."""
    named: list[dict[str, None]] = []
    for scope in granular if isinstance(granular, list) else ():
        if isinstance(scope, dict) and scope.get("scope") in SCOPES:
            targets = scope.get("target_ids")
            ids = [str(target) for target in targets] if isinstance(targets, list) else []
            if ids:
                named.append(dict.fromkeys(ids))
    found = [one for one in named[0] if all(one in other for other in named)] if named else []
    return tuple(one for one in found if one.isdigit())


def moment_of(value: Any) -> datetime | None:
    """A time that Meta gives in Unix seconds; 0 is never."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**33:
        return None
    return datetime.fromtimestamp(value, UTC)


@dataclass(frozen=True)
class Number:
    """A business number a token reaches."""

    phone_number_id: str
    waba_id: str
    display_phone_number: str
    is_on_phone_app: bool
    status: str


def read_numbers(waba_id: str, numbers: Sequence[dict[str, Any]]) -> list[Number]:
    """The numbers of an account as `phone_numbers` lists them; what has no id is left out."""
    return [
        Number(
            phone_number_id=str(number["id"]),
            waba_id=waba_id,
            display_phone_number="".join(
                filter(str.isdigit, str(number.get("display_phone_number", "")))
            ),
            is_on_phone_app=number.get("is_on_biz_app") is True,
            status=str(number.get("status", "")),
        )
        for number in numbers
        if str(number.get("id", "")).isdigit()
    ]


def choose(numbers: Sequence[Number], wanted: str) -> Number | Failure:
    """The number to connect: the wanted one if the token reaches it, else the only one there is."""
    if wanted:
        return next((n for n in numbers if n.phone_number_id == wanted), NOT_IN_ACCOUNT)
    if not numbers:
        return _NO_NUMBER
    return numbers[0] if len(numbers) == 1 else _SEVERAL


def retry_seconds(tried_for: timedelta) -> float | None:
    """Seconds until a step is tried again that Meta did not answer; None: give up."""
    if tried_for >= GIVE_UP:
        return None
    return min(max(tried_for.total_seconds() / 2, 2.0), 120.0)


def alarm_of(expires_at: datetime | None, now: datetime) -> int | None:
    """Which alarm of a token is due: the fewest of `ALARM_DAYS` it has left, or None yet."""
    if expires_at is None:
        return None
    left = expires_at - now
    return min((days for days in ALARM_DAYS if left <= timedelta(days=days)), default=None)


def next_look_at(expires_at: datetime | None, now: datetime, chance: float) -> datetime:
    """When to look at a channel again: in about a day, or when an alarm of its token comes due.

    Args:
        chance: 0 to 1, where in the hours in question.
    """
    at = now + timedelta(hours=_LOOK_AFTER_HOURS + chance * _LOOK_SPREAD_HOURS)
    if expires_at is None:
        return at
    alarms = (expires_at - timedelta(days=days) for days in ALARM_DAYS)
    return min((alarm for alarm in alarms if now < alarm < at), default=at)
