"""What the gateway takes and gives."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from frontdesk.core.pages import Exact
from frontdesk.gateway.attempts import Outcome, Picture, Sound, ToolCall
from frontdesk.gateway.personal import ALL_KINDS, Masking


@dataclass(frozen=True, kw_only=True)
class CompletionRequest:
    """A prompt, what for, and on whose account.

    Args:
        feature: what the call is for (`triage`, `reply`, `handoff`, …); cost is sliced by it.
        messages: OpenAI chat messages. System messages are the tenant's own words and sent as they
            are; in the others what is personal is masked, and put back into the answer.
        schema: the answer must be JSON of this shape; asked for under the class's name in
            snake_case, and validated here.
        recorded: the parameters of an earlier call, sent again as they are: no schema, temperature or
            limit of this request counts, and whatever the model answers is the answer.
        tools: OpenAI's definitions of tools the model may have called instead of answering; they
            need a `schema`, as the answer is then given by a tool too.
        temperature: None leaves it to the feature: 0, but for free text the model's own.
        sampling: parameters of the caller's own (`temperature`, `top_p`, `seed`, `stop`), sent as they
            are. A model that does not take one of them is passed over; nothing is left out.
        may_be_cut: an answer that ends at the output limit is an answer; else it is garbage.
        models: pinned models tried in turn; None is the chain of the settings.
        routed_as: the feature whose route is taken, when the call counts as another one's.
        sound: a recording to be written down; the messages then only say in the records what it was.
            It can't be made again from a record.
        embeds: vectors of the messages' texts are wanted, one each, and no answer.
        picture: goes with the last message, to models that see, and is not in the records either.
        variables: what the prompt was filled in with; recorded, so that another version of it can be
            filled in the same way.
        experiment_id, variant: the experiment on the prompt that this call is part of; recorded.
        cacheable: nothing but the prompt bears on the answer, so the same prompt may get the same
            answer again (gateway/answer_cache.py says when).
        is_followed: another call of the tenant comes soon; where no budget is concerned, the record of
            this one may be written with that one's. It is not waited for, but by `finish_records`.
        deadline_seconds: one deadline over all attempts; None is the one of the settings.
    """

    tenant_id: UUID
    feature: str
    messages: tuple[Mapping[str, Any], ...]
    schema: type[BaseModel] | None = None
    recorded: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    temperature: float | None = None
    sampling: Mapping[str, Any] | None = None
    max_output_tokens: int | None = None
    may_be_cut: bool = False
    models: tuple[str, ...] | None = None
    routed_as: str | None = None
    deadline_seconds: float | None = None
    cacheable: bool = False
    is_followed: bool = False
    sound: Sound | None = None
    embeds: bool = False
    picture: Picture | None = None
    masking: Masking = ALL_KINDS
    conversation_id: UUID | None = None
    contact_id: UUID | None = None
    message_id: UUID | None = None
    user_id: UUID | None = None
    agent_id: UUID | None = None
    agent_version: int | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    variables: Mapping[str, Any] | None = None
    experiment_id: UUID | None = None
    variant: str | None = None
    chunk_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A usable answer. Tokens and cost are of all attempts it took, as they were all billed.

    `cost_usd` is None when the price of a model among them is not known. `failures` says of each
    attempt before the good one which model it was and what was wrong, as `model: outcome`. With
    `tool_calls` and nothing `parsed` the model wants tools called before it answers.
    `thrift` says which budget sent the call to a cheaper model. `is_cut`: it ends at the output limit.
    `unwritten` are the records that were not waited for.
    """

    request_id: UUID
    text: str
    parsed: BaseModel | None
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: Exact | None
    latency_seconds: float
    attempts: int
    call_ids: tuple[UUID, ...]
    failures: tuple[str, ...] = ()
    thrift: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    cache_hit: bool = False
    is_cut: bool = False
    vectors: tuple[tuple[float, ...], ...] = ()
    unwritten: tuple[asyncio.Future[None], ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Estimate:
    """What a request takes at worst. `usd` is None when the model's price is not known."""

    model: str
    input_tokens: int
    output_tokens: int
    usd: Exact | None


@dataclass(frozen=True)
class Standing:
    """Whether a call may go to a model now: `obstacle` says why not, `words` says it to people.

    `is_cheaper`: it is asked only once a budget is too small for the models before it.
    """

    model: str
    is_cheaper: bool
    obstacle: Outcome | None = None
    words: str = ""
