"""One attempt at one model: what is sent, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from frontdesk.billing import TokenUsage


class Outcome(StrEnum):
    """What came of an attempt; all but OK are errors, told apart by what may be done about them."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"  # 429; the provider may say when to come back.
    PROVIDER_DOWN = "provider_down"  # 5xx, connection refused, HTML or broken JSON.
    TIMEOUT = "timeout"
    CONFIGURATION = "configuration"  # 401, 403, 404: a key or a name of ours is wrong.
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    BAD_REQUEST = "bad_request"
    GARBAGE = "garbage"  # An answer, but empty, cut off, or not what the schema asks for.
    CANCELLED = "cancelled"  # The caller went away while the model was at work.
    # Not an attempt: what is personal in the prompt could not be masked, so it did not leave.
    NOT_MASKED = "not_masked"
    # Not attempts: the breaker let none through, or a budget. Only routing sees these.
    BREAKER_OPEN = "breaker_open"
    OVER_BUDGET = "over_budget"


@dataclass(frozen=True)
class Sound:
    """A recording whose words are wanted.

    Attributes:
        seconds: how long it is at most; such calls are counted, and priced, by the second where
            chat is by the token, unless the provider says tokens.
    """

    content: bytes = field(repr=False)
    filename: str
    mime_type: str
    seconds: int


@dataclass(frozen=True)
class Picture:
    """A picture to be looked at, beside what the last message says."""

    content: bytes = field(repr=False)
    mime_type: str


@dataclass(frozen=True)
class ToolCall:
    """A tool the model wants called. `arguments` is its JSON as it came: it may be none at all."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class ProviderCall:
    """What one attempt sends, and where to.

    `wire_model` is the model as LiteLLM is told it. `problem` says why the call can't be made.
    """

    model: str
    wire_model: str
    messages: Sequence[Mapping[str, Any]]
    schema: type[BaseModel] | None
    temperature: float | None
    max_output_tokens: int
    timeout_seconds: float
    sampling: Mapping[str, Any] | None = (
        None  # The caller's own parameters: all of them, or no call.
    )
    may_be_cut: bool = False  # At the output limit it is an answer all the same.
    recorded: Mapping[str, Any] | None = None  # Parameters of an earlier call, in place of ours.
    api_key: str | None = field(default=None, repr=False)
    api_base: str | None = None
    uses_own_key: bool = False
    problem: str | None = None
    tools: Sequence[Mapping[str, Any]] = ()
    sound: Sound | None = None
    embeds: bool = False  # Vectors of the messages' texts are wanted, not an answer to them.
    picture: Picture | None = None


@dataclass(frozen=True)
class Attempt:
    """What came of one attempt.

    `usage` is None when nothing can have been billed; `usage_known` is False when the provider
    did not say and the tokens are our own count. `counts_seconds`: of a recording, they are seconds.
    """

    outcome: Outcome
    text: str | None = None
    parsed: BaseModel | None = None
    finish_reason: str | None = None
    model_used: str | None = None
    response_id: str | None = None
    usage: TokenUsage | None = None
    usage_known: bool = True
    counts_seconds: bool = False
    reasoning_tokens: int | None = None
    error: str | None = None
    status_code: int | None = None
    retry_after_seconds: float | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    vectors: tuple[tuple[float, ...], ...] = ()
