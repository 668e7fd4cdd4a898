"""The kinds of error, each with its HTTP status; contexts subclass a kind with a stable code."""

from typing import Any, ClassVar


class FrontdeskError(Exception):
    """An error whose code is a contract and whose message is for people.

    `code` is stable and part of the API; the message may change. `details` are extra members of
    the problem+json answer (RFC 9457) and hold nothing secret.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message or self.title)
        self.details = details


class Invalid(FrontdeskError):
    """What was sent can't be understood or breaks a stated rule."""

    status, code, title = 422, "invalid", "The request is not valid"


class Unauthenticated(FrontdeskError):
    """Nobody is signed in, or the sign-in has ended."""

    status, code, title = 401, "unauthenticated", "Sign in first"


class Forbidden(FrontdeskError):
    """Whoever is signed in may not do this."""

    status, code, title = 403, "forbidden", "You may not do this"


class NotFound(FrontdeskError):
    """There is no such thing, or not in this tenant: the two are never told apart."""

    status, code, title = 404, "not_found", "There is no such thing"


class NothingYet(NotFound):
    """What was named is there; what was asked about it is not, and may come. Nobody is prying."""


class Conflict(FrontdeskError):
    """The thing is not in a state that allows this."""

    status, code, title = 409, "conflict", "This does not fit the present state"


class PreconditionFailed(FrontdeskError):
    """The caller changed an older version than the present one (`If-Match`)."""

    status, code, title = 412, "precondition_failed", "It has changed since you read it"


class PreconditionRequired(FrontdeskError):
    """The caller must say which version it changes (`If-Match`)."""

    status, code, title = 428, "precondition_required", "Say which version you change"


class TooLarge(FrontdeskError):
    """The body is larger than this place takes."""

    status, code, title = 413, "too_large", "The body is too large"


class UnsupportedMediaType(FrontdeskError):
    """The body is of a content type this place does not read."""

    status, code, title = 415, "unsupported_media_type", "Send application/json"


class RateLimited(FrontdeskError):
    """Too many in too short a time; `retry_after_seconds` says when to come back."""

    status, code, title = 429, "rate_limited", "Too many requests"

    def __init__(self, message: str | None = None, *, retry_after_seconds: float = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(FrontdeskError):
    """Something we depend on is down; the same call may succeed later."""

    status, code, title = 503, "unavailable", "Not available just now"

    def __init__(
        self, message: str | None = None, *, retry_after_seconds: float = 5, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.retry_after_seconds = retry_after_seconds
