"""Errors of the Graph API: their codes, titles and bodies."""

from dataclasses import dataclass
from uuid import uuid4

from frontdesk.simulator.world import Json

ERROR_PAGE = "/documentation/business-messaging/whatsapp/support/error-codes"

# Code: HTTP status of a synchronous answer and title (Cloud API: error codes). Meta no longer
# documents the status and has answered throttling with 400, so clients must decide by code.
_KNOWN: dict[int, tuple[int, str]] = {
    0: (401, "AuthException"),
    1: (400, "API Unknown"),
    2: (503, "API Service"),
    3: (500, "API Method"),
    4: (400, "API Too Many Calls"),
    10: (403, "Permission Denied"),
    33: (400, "Parameter value is not valid"),
    100: (400, "Invalid parameter"),
    190: (401, "Access token has expired"),
    200: (403, "Permission Denied"),
    368: (403, "Temporarily blocked for policies violations"),
    80007: (400, "Rate limit issues"),
    130403: (400, "Business has blocked this user"),
    130429: (400, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    130497: (403, "Business account is restricted from messaging users in this country"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (503, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Account has been locked"),
    131037: (400, "Display name approval needed"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "Meta chose not to deliver"),
    131050: (400, "User has stopped marketing messages"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    132000: (400, "Template param count mismatch"),
    132001: (404, "Template does not exist"),
    132012: (400, "Template parameter format mismatch"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "Template parameters are invalid"),
    133004: (503, "Server temporarily unavailable"),
    133000: (400, "Incomplete Deregistration"),
    133005: (400, "Two step verification PIN Mismatch"),
    133006: (400, "Phone number re-verification needed"),
    133008: (400, "Too Many two step verification PIN Guesses"),
    133009: (400, "Two step verification PIN Guessed Too Fast"),
    133010: (400, "Phone number not registered"),
    133015: (400, "Please wait a few minutes before registering"),
    133016: (400, "Account register or deregister rate limit exceeded"),
    135000: (400, "Generic user error"),
}

_DETAILS: dict[int, str] = {
    131047: "Message failed to send because more than 24 hours have passed since the customer "
    "last replied to this number.",
    131056: "Message failed to send because there were too many messages sent from this phone "
    "number to the same phone number in a short period of time.",
    130429: "Message failed to send because there were too many messages sent from this phone "
    "number in a short period of time.",
}


@dataclass(eq=False)  # Not frozen: raising sets the traceback on it.
class GraphError(Exception):
    """A refusal, as the Graph API words it."""

    code: int
    details: str = ""
    http_status: int | None = None

    @property
    def title(self) -> str:
        """Meta's short name of the code."""
        return _KNOWN.get(self.code, (400, "Unknown error"))[1]

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return self.http_status or _KNOWN.get(self.code, (400, ""))[0]

    def body(self) -> Json:
        """The body of a synchronous refusal."""
        details = self.details or _DETAILS.get(self.code, self.title)
        return {
            "error": {
                "message": f"(#{self.code}) {details if self.code == 100 else self.title}",
                "type": "OAuthException",
                "code": self.code,
                "error_data": {"messaging_product": "whatsapp", "details": details},
                "fbtrace_id": "A" + uuid4().hex[:22],
            }
        }

    def status_entry(self) -> Json:
        """The item of `errors[]` in a `failed` status."""
        return {
            "code": self.code,
            "title": self.title,
            "message": self.title,
            "error_data": {"details": self.details or _DETAILS.get(self.code, self.title)},
            "href": ERROR_PAGE,
        }
