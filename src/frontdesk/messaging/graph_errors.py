"""What WhatsApp's error codes mean: whether to try again, when, and what to tell people.

Decide by code, never by HTTP status or title (WhatsApp Cloud API: error codes).
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from frontdesk.core.text import clean


class FailureClass(StrEnum):
    """What to do about a send that failed."""

    TRANSIENT = "transient"  # WhatsApp has a problem: try again a few times.
    THROTTLED = "throttled"  # We are too fast: wait, then try again.
    RECIPIENT = "recipient"  # This contact can't be reached this way: stop for the contact.
    REQUEST = "request"  # Our request is wrong: trying again changes nothing.
    ACCOUNT = "account"  # The tenant must mend something: tell them.
    OTHER = "other"  # None of these.


class Scope(StrEnum):
    """How far a failure reaches beyond the message that met it."""

    MESSAGE = "message"
    PAIR = "pair"  # This channel to this contact.
    CHANNEL = "channel"
    APP = "app"  # All tenants: the platform itself is braked.


@dataclass(frozen=True, slots=True)
class GraphError:
    """The error that the Graph API answered with, or that a failed status carried.

    `http_status` is None for a status. Log `fbtrace_id`: Meta's support asks for it.
    """

    code: int | None
    subcode: int | None = None
    message: str = ""
    details: str = ""
    fbtrace_id: str | None = None
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class SendFailure:
    """What an error means.

    Attributes:
        words: one plain sentence for people.
        wait_seconds: a fixed wait before each retry, where a code has one of its own.
    """

    failure_class: FailureClass
    scope: Scope
    words: str
    code: int | None = None
    wait_seconds: float | None = None

    @property
    def pauses_channel(self) -> bool:
        """Whether nothing more may be sent on the channel until its tenant has acted."""
        return self.failure_class is FailureClass.ACCOUNT and self.scope is Scope.CHANNEL

    @property
    def is_outage(self) -> bool:
        """Whether WhatsApp itself is out of order, so that no message of the channel would pass."""
        return self.failure_class is FailureClass.TRANSIENT and self.scope is Scope.CHANNEL

    def retry_after_seconds(self, attempt: int) -> float | None:
        """Seconds to wait after the given attempt failed, counted from 1; None: never again.

        4^n seconds (1, 4, 16, 64, then 256 each time), as Meta advises for throttling (WhatsApp
        Cloud API: about the platform, pair rate limits). The caller adds jitter, and gives up by
        the age of the message.
        """
        if self.failure_class not in {FailureClass.TRANSIENT, FailureClass.THROTTLED}:
            return None
        if self.wait_seconds is not None:
            return self.wait_seconds
        return float(4 ** min(max(attempt - 1, 0), MAX_EXPONENT))


MAX_EXPONENT = 4  # 256 s; a support answer that waits longer is stale.
TOO_MANY_REQUESTS = 429

_T, _P = FailureClass.TRANSIENT, FailureClass.THROTTLED
_W, _B = FailureClass.RECIPIENT, FailureClass.REQUEST
_A, _X = FailureClass.ACCOUNT, FailureClass.OTHER
_MESSAGE, _PAIR, _CHANNEL, _APP = Scope.MESSAGE, Scope.PAIR, Scope.CHANNEL, Scope.APP

_FIVE_MINUTES = 300.0
_THREE_DAYS = 259_200.0

# Words that fit several codes.
_ACCESS = "WhatsApp no longer accepts our access to this account: connect the number again."
_PERMISSION = "We lack a permission for this account: connect the number again."
_INVALID = "WhatsApp refused the message because a part of it is missing or not valid."
_POLICY = "WhatsApp locked the account for a violation of its policies: see WhatsApp Manager."
_REGISTER = "The number is not registered with WhatsApp any more: register it again."
_GROUP = "The message concerns a WhatsApp group, which can't be used here."
_TEMPLATE_TEXT = "The values given for the template do not fit it."
_PIN_GUESSES = "The two-step PIN was tried too often: wait before trying again."
_TERMS = "Terms of WhatsApp must be accepted first: see WhatsApp Manager."
_TOO_MANY = "Too many calls to WhatsApp in too short a time."
_HISTORY = "The history of the phone app can't be read:"

_CODES: dict[int, tuple[FailureClass, Scope, str]] = {
    0: (_A, _CHANNEL, _ACCESS),
    1: (_T, _MESSAGE, "WhatsApp had an unknown problem."),
    2: (_T, _CHANNEL, "WhatsApp is out of service for some minutes."),
    3: (_A, _CHANNEL, _PERMISSION),
    4: (_P, _APP, "The platform has made too many calls to WhatsApp."),
    10: (_A, _CHANNEL, _PERMISSION),
    33: (_A, _CHANNEL, "WhatsApp does not know this number any more: connect it again."),
    100: (_B, _MESSAGE, _INVALID),
    190: (_A, _CHANNEL, _ACCESS),
    368: (_A, _CHANNEL, _POLICY),
    80007: (_P, _CHANNEL, "The account has made too many calls to WhatsApp."),
    130403: (_W, _PAIR, "The business has blocked this contact."),
    130429: (_P, _CHANNEL, "The number sends more messages than WhatsApp allows."),
    130472: (_W, _PAIR, "The contact is in a Meta experiment and gets no marketing messages."),
    130497: (_W, _PAIR, "The business may not write to contacts in this country."),
    131000: (_T, _MESSAGE, "WhatsApp failed for an unknown reason."),
    131005: (_A, _CHANNEL, _PERMISSION),
    131008: (_B, _MESSAGE, _INVALID),
    131009: (_B, _MESSAGE, _INVALID),
    131016: (_T, _CHANNEL, "WhatsApp is overloaded or down for a moment."),
    131020: (_X, _MESSAGE, _GROUP),
    131021: (_B, _MESSAGE, "A number can't write to itself."),
    131026: (
        _W,
        _PAIR,
        "The message can't be delivered: not on WhatsApp, an old app, or terms not accepted.",
    ),
    131030: (_B, _MESSAGE, "A test number may only write to the numbers on its list."),
    131031: (_A, _CHANNEL, _POLICY),
    131035: (_X, _CHANNEL, "WhatsApp could not deliver something to us in time and dropped it."),
    131036: (_X, _MESSAGE, "The message did not reach all devices of the contact; send it again."),
    131037: (_A, _CHANNEL, "The display name of the number must be approved first."),
    131041: (_X, _MESSAGE, _GROUP),
    131042: (_A, _CHANNEL, "WhatsApp can't charge the account: check its payment method."),
    131044: (
        _A,
        _MESSAGE,
        "WhatsApp can't charge the account for calls: check its payment method.",
    ),
    131045: (_A, _CHANNEL, _REGISTER),
    131047: (_W, _PAIR, "More than 24 hours have passed since the contact last wrote."),
    131048: (
        _A,
        _MESSAGE,
        "Contacts blocked or reported the number too often: start no conversations for some hours.",
    ),
    131049: (_W, _PAIR, "WhatsApp held the marketing message back to protect the contact."),
    131050: (_W, _PAIR, "The contact has stopped marketing messages of this business."),
    131051: (_B, _MESSAGE, "WhatsApp does not support this type of message."),
    131052: (_X, _MESSAGE, "The file that the contact sent can't be downloaded."),
    131053: (_B, _MESSAGE, "The file can't be sent: WhatsApp does not take its type or its link."),
    131056: (_P, _PAIR, "Too many messages to this contact in too short a time."),
    131057: (_T, _CHANNEL, "The account is in maintenance for up to a minute."),
    131059: (_B, _MESSAGE, "The page asked for does not exist."),
    131060: (_X, _MESSAGE, "The message is only on a companion device of the phone app."),
    131062: (_B, _MESSAGE, "This message can be sent to a phone number only, not to a user id."),
    131063: (_B, _MESSAGE, "Marketing templates can't be sent this way on this account."),
    131064: (
        _A,
        _MESSAGE,
        "WhatsApp cut the messaging limit because of wrong template categories.",
    ),
    132000: (_B, _MESSAGE, "The template takes another number of values."),
    132001: (_B, _MESSAGE, "The template does not exist in this language, or is not approved."),
    132005: (_B, _MESSAGE, "The text of the template is too long with these values."),
    132007: (_A, _MESSAGE, "The template breaks a policy of WhatsApp."),
    132008: (_B, _MESSAGE, _TEMPLATE_TEXT),
    132012: (_B, _MESSAGE, _TEMPLATE_TEXT),
    132015: (_A, _MESSAGE, "The template is paused because of its quality."),
    132016: (_A, _MESSAGE, "The template is disabled because of its quality."),
    132018: (_B, _MESSAGE, _TEMPLATE_TEXT),
    132068: (_B, _MESSAGE, "The form of this message is blocked."),
    132069: (_P, _MESSAGE, "The form of this message was sent too often this hour."),
    133000: (_A, _CHANNEL, "The number is only half deregistered: deregister it again."),
    133004: (_T, _CHANNEL, "WhatsApp is not available for a moment."),
    133005: (_A, _MESSAGE, "The two-step PIN is wrong."),
    133006: (_A, _CHANNEL, "The number must be verified first."),
    133008: (_A, _MESSAGE, _PIN_GUESSES),
    133009: (_A, _MESSAGE, _PIN_GUESSES),
    133010: (_A, _CHANNEL, _REGISTER),
    133015: (_T, _CHANNEL, "The number was deleted a moment ago: wait five minutes."),
    133016: (_P, _CHANNEL, "The number was registered too often: wait three days."),
    134011: (_A, _MESSAGE, _TERMS),
    134100: (_A, _MESSAGE, _TERMS),
    134101: (_A, _MESSAGE, _TERMS),
    134102: (_A, _MESSAGE, _TERMS),
    135000: (_B, _MESSAGE, _INVALID),
    137000: (_W, _PAIR, "The contact's identity has changed and must be confirmed first."),
    2494100: (_T, _CHANNEL, "The number is in maintenance."),
    2593107: (_X, _MESSAGE, f"{_HISTORY} it was asked for before."),
    2593108: (_X, _MESSAGE, f"{_HISTORY} it was asked for too late."),
    2593109: (_X, _MESSAGE, f"{_HISTORY} the owner declined."),
}

_RANGES: tuple[tuple[range, tuple[FailureClass, Scope, str]], ...] = (
    (range(200, 300), (_A, _CHANNEL, _PERMISSION)),
    (range(131200, 131300), (_X, _MESSAGE, _GROUP)),
    (range(138000, 139000), (_X, _MESSAGE, "A call did not work.")),
    (range(139100, 139200), (_X, _MESSAGE, "Blocking the contact did not work.")),
    (range(147001, 147006), (_X, _MESSAGE, "The business can't use this username.")),
)

# Codes that say how long they last.
_WAIT_SECONDS: dict[int, float] = {
    2: _FIVE_MINUTES,
    131057: 60.0,
    132069: 3600.0,
    133015: _FIVE_MINUTES,
    133016: _THREE_DAYS,
}


def classify(error: GraphError) -> SendFailure:
    """What an error means, by its code; codes new to us are judged by the HTTP status.

    A pause of the whole channel follows from known codes only, and from a plain 401.
    """
    code = error.code
    if code is not None:
        found = _CODES.get(code) or next((rule for codes, rule in _RANGES if code in codes), None)
        if found is not None:
            failure_class, scope, words = found
            return SendFailure(failure_class, scope, words, code, _WAIT_SECONDS.get(code))
    told = f"WhatsApp refused with the code {code}, which is new to us."
    if error.http_status == 401:
        return SendFailure(_A, _CHANNEL, _ACCESS, code)
    if error.http_status == TOO_MANY_REQUESTS:
        return SendFailure(_P, _CHANNEL, _TOO_MANY if code is None else told, code)
    if error.http_status is not None and error.http_status >= 500:
        return SendFailure(_T, _MESSAGE, told, code)
    return SendFailure(_X, _MESSAGE, told, code)


def classify_code(code: int | None) -> SendFailure:
    """What the code in the `errors` of a failed status, or of a webhook, means."""
    return classify(GraphError(code))


def parse_graph_error(http_status: int, body: bytes) -> GraphError | None:
    """The Graph error in an answer, or None when the body holds none; never raises.

    Without one, a 5xx leaves open whether the message was taken. A 429 does not, whoever on the way
    answered with it: too many requests are turned away before they are read.
    """
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        payload = None
    error = payload.get("error") if isinstance(payload, dict) else None
    if not isinstance(error, dict) or not error:
        turned_away = http_status == TOO_MANY_REQUESTS
        return GraphError(None, http_status=http_status) if turned_away else None
    data = error.get("error_data")
    return GraphError(
        code=_integer(error.get("code")),
        subcode=_integer(error.get("error_subcode")),
        message=_words(error.get("message")),
        details=_words(data.get("details")) if isinstance(data, dict) else _words(data),
        fbtrace_id=_words(error.get("fbtrace_id")) or None,
        http_status=http_status,
    )


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(value: Any) -> str:
    return clean(value)[:1000] if isinstance(value, str) else ""
