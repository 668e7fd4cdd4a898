"""What observability tells over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict, Field

from frontdesk.core.pages import Exact, PublicSchema
from frontdesk.observability.models import ReplayState

_CALL: dict[str, Any] = {
    "id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "created_at": "2026-03-02T09:15:04Z",
    "request_id": "0192f0aa-7b00-7d11-8a55-0c0ffee00001",
    "attempt": 1,
    "feature": "reply",
    "conversation_id": "0192f0aa-1111-7d11-8a55-0c0ffee00002",
    "message_id": None,
    "user_id": None,
    "agent_id": "0192f0aa-2222-7d11-8a55-0c0ffee00003",
    "agent_version": 4,
    "prompt_name": "reply",
    "prompt_version": "1.2.0",
    "experiment_id": None,
    "variant": None,
    "model_asked": "groq/openai/gpt-oss-20b",
    "model_used": "openai/gpt-oss-20b",
    "finish_reason": "stop",
    "outcome": "ok",
    "status_code": 200,
    "input_tokens": 812,
    "output_tokens": 96,
    "cached_input_tokens": 512,
    "reasoning_tokens": 0,
    "usage_known": True,
    "cost_usd": "0.000070500",
    "latency_seconds": 0.84,
    "cache_hit": False,
    "masking": {"policy": 2, "result": "masked", "found": {"phone": 1}},
}


class LlmCallSummary(PublicSchema):
    """One attempt at a model: what it was for, what it took, and not what was said."""

    model_config = ConfigDict(
        from_attributes=True, protected_namespaces=(), json_schema_extra={"examples": [_CALL]}
    )

    id: UUID
    created_at: datetime
    request_id: UUID = Field(description="Attempts at the same request share it.")
    attempt: int
    feature: str = Field(description="What the call was for: `triage`, `reply`, …")
    conversation_id: UUID | None
    message_id: UUID | None
    user_id: UUID | None
    agent_id: UUID | None
    agent_version: int | None
    prompt_name: str | None
    prompt_version: str | None
    experiment_id: UUID | None = Field(description="The experiment this call was part of.")
    variant: str | None = Field(description="What it was given there; `control` is production.")
    model_asked: str
    model_used: str | None
    finish_reason: str | None
    outcome: str = Field(description="`ok`, or the kind of error.")
    status_code: int | None
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    reasoning_tokens: int | None
    usage_known: bool = Field(description="False: the provider told no usage; tokens are counted.")
    cost_usd: Exact | None
    latency_seconds: float
    cache_hit: bool = Field(description="Answered from what was kept: no model was asked.")
    masking: dict[str, Any] | None = Field(
        description="What personal data was masked before the call left: how many of each kind, by "
        "which policy, and the result: `masked`, `clean`, `off`, or `failed`, when it did not leave."
    )


class LlmCallPublic(LlmCallSummary):
    """One attempt at a model with everything that was sent and came back."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    **_CALL,
                    "messages": [{"role": "user", "content": "When do you open?"}],
                    "parameters": {"temperature": 0.2, "max_tokens": 400},
                    "variables": {"company_name": "Lumen & Oak", "language": "en"},
                    "chunk_ids": [],
                    "response": '{"text": "At nine.", "action": "reply"}',
                    "error": None,
                }
            ]
        }
    )

    messages: list[dict[str, Any]]
    parameters: dict[str, Any]
    variables: dict[str, Any] | None = Field(description="What the prompt was filled in with.")
    chunk_ids: list[str] = Field(description="The pieces of knowledge in the prompt.")
    response: str | None
    error: str | None
    texts_erased_at: datetime | None = Field(
        None, description="Since when what was said is gone; tokens and costs stay."
    )


class ReplaySummary(PublicSchema):
    """A recorded call made again: what was to be different, and how far it has got."""

    model_config = ConfigDict(from_attributes=True, protected_namespaces=())

    id: UUID
    call_id: UUID
    created_at: datetime
    requested_by: UUID | None = Field(description="Null: an operator at the command line.")
    prompt: str | None = Field(description="A version, or `current`; null is the recorded text.")
    model: str | None = Field(description="Null is the recorded one.")
    knowledge: str
    state: ReplayState
    result_call_id: UUID | None
    finished_at: datetime | None
    last_error: str | None
    remark: str | None = Field(
        description="What of the recorded call is missing in this one, though nobody wished for that."
    )


class AuditEntryPublic(PublicSchema):
    """Who did what to what."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
                    "created_at": "2026-03-02T09:15:04Z",
                    "user_id": "0192f0aa-2222-7d11-8a55-0c0ffee00003",
                    "action": "member.role_changed",
                    "subject": "membership",
                    "subject_id": "0192f0aa-3333-7d11-8a55-0c0ffee00004",
                    "details": {"from": "HUMAN_AGENT", "to": "ADMIN"},
                    "request_id": "0192f0aa7c0e7c31b6a1d6a0c3c1e001",
                }
            ]
        },
    )

    id: UUID
    created_at: datetime
    user_id: UUID | None = Field(description="Who did it; null is the system itself.")
    acting_id: UUID | None = Field(
        None, description="Set when a super admin did it while they acted in the tenant."
    )
    api_key_id: UUID | None = Field(
        None, description="Set when a program did it, with a key that this user had made."
    )
    action: str
    subject: str
    subject_id: str | None
    details: dict[str, Any]
    request_id: str | None


class CheckPublic(PublicSchema):
    """One named check."""

    ok: bool
    required: bool = Field(description="Whether the service is unready without it.")
    detail: str
    value: float | None = Field(
        default=None,
        description="Of `overdue` and `oldest_unfinished` the seconds, of `workers` how many, of "
        "`models` how many are down.",
    )


class ReadinessPublic(PublicSchema):
    """Whether this process should get requests, and what it looked at."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "ok": True,
                    "checks": {
                        "database": {"ok": True, "required": True, "detail": "answers in 2 ms"},
                        "redis": {"ok": False, "required": False, "detail": "down: work is slower"},
                        "overdue": {
                            "ok": True,
                            "required": False,
                            "detail": "due 2 seconds ago, in conversation",
                            "value": 2.113,
                        },
                        "oldest_unfinished": {
                            "ok": True,
                            "required": False,
                            "detail": "unfinished for 64 seconds, in outbound",
                            "value": 64.021,
                        },
                        "models": {
                            "ok": False,
                            "required": False,
                            "detail": "groq/openai/gpt-oss-20b failed too often and is tried again "
                            "in 20 seconds; openai/gpt-4o-mini is well",
                            "value": 1,
                        },
                    },
                }
            ]
        },
    )

    ok: bool
    checks: dict[str, CheckPublic]


class AlivePublic(PublicSchema):
    """The process runs."""

    ok: bool = Field(examples=[True])
