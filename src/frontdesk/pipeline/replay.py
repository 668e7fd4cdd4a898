"""Replay: make a recorded model call again, as it was or with one thing changed, and compare.

What was recorded is all there is to it: the messages and parameters as they were sent, and what the
prompt was filled in with. No conversation is read or touched. Personal data was masked before the
call was recorded, so a replay sends the masked words again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk import feed, gateway, knowledge, observability
from frontdesk.core.callers import Principal
from frontdesk.core.db import Session
from frontdesk.core.errors import Conflict
from frontdesk.core.resources import Resources
from frontdesk.core.text import difference
from frontdesk.feed import Audience
from frontdesk.gateway import BudgetReached, ModelsUnavailable, PromptRejected
from frontdesk.observability import Knowledge, LlmCallPublic, ReplayWish
from frontdesk.pipeline.happenings import CallReplayed
from frontdesk.pipeline.prompt import are_notes
from frontdesk.pipeline.schemas import ReplayCreate, ReplayPublic
from frontdesk.prompts import NoSuchPromptVersion, PromptInvalid, get_version, load_prompt, render

CURRENT = "current"
_MISSING = (
    "What stood behind the prompt is missing: it could not be told from the recorded prompt, whose "
    "text is not known any more."
)


class TextIsGone(Conflict):
    """What was said in the call has been deleted, so it can't be said again."""

    code, title = "text_is_gone", "What was said in this call has been deleted"


class NotInRecord(Conflict):
    """The model was given a file, which is not in the record of the call."""

    code, title = "not_in_record", "What was heard or seen in this call is not in its record"


class NotFilledIn(Conflict):
    """The call was made without a prompt of ours, so it can only be made as it was."""

    code, title = "not_filled_in", "This call can only be made again as it was"


async def start_replay(
    session: Session,
    call_id: UUID,
    body: ReplayCreate,
    *,
    who: Principal | None,
    client_key: str | None = None,
) -> ReplayPublic:
    """Make a replay of a call due; a worker makes it. The same `client_key` gives the same one.

    Args:
        who: the admin who asks; None is an operator at the command line.

    Raises:
        NotFound: there is no such call.
        TextIsGone: its retention is over.
        NotInRecord: a file went with it.
        NotFilledIn: another prompt, or other facts, are asked for where there were none.
        NoSuchPromptVersion: the tenant has no such version.
        ReplayKeyReused: the key was for another replay.
    """
    call = await observability.get_llm_call(session, call_id)
    if call.texts_erased_at is not None or not call.messages:
        raise TextIsGone(f"The text is gone since {call.texts_erased_at:%Y-%m-%d}; costs are kept.")
    if call.feature in gateway.FILE_FEATURES:
        raise NotInRecord
    wish = ReplayWish(body.prompt, body.model, body.knowledge)
    if wish.fills_in_again and (call.prompt_name is None or call.variables is None):
        raise NotFilledIn
    if wish.knowledge is Knowledge.CURRENT and "facts" not in (call.variables or {}):
        raise NotFilledIn("There were no facts in it.")
    if wish.prompt not in (None, CURRENT):
        await get_version(session, str(call.prompt_name), str(wish.prompt))
    user_id = who.user_id if who else None
    replay_id, is_new = await observability.queue_replay(
        session, call_id, wish, by=user_id, client_key=client_key
    )
    if is_new:
        await observability.audit(
            session,
            "llm_call.replayed",
            "llm_call",
            call_id,
            user_id=user_id,
            details={"replay_id": str(replay_id), **body.model_dump(mode="json")},
            request_id=who.request_id if who else None,
        )
    return await get_replay(session, replay_id)


async def get_replay(session: Session, replay_id: UUID) -> ReplayPublic:
    """A replay with both calls side by side and what differs; raises `NotFound`."""
    replay = await observability.get_replay(session, replay_id)
    before = await observability.get_llm_call(session, replay.call_id)
    after = (
        await observability.get_llm_call(session, replay.result_call_id)
        if replay.result_call_id
        else None
    )
    return ReplayPublic(
        **replay.model_dump(),
        before=before,
        after=after,
        diff=after and _difference(_answer(before), _answer(after)),
        prompt_diff=after and _difference(_prompt(before), _prompt(after)),
    )


async def replay(resources: Resources, tenant_id: UUID, replay_id: UUID) -> None:
    """Make a call again. Run twice after a crash, the model is asked and paid twice, no more."""
    async with resources.db.hot(tenant_id) as tx:
        claimed = await observability.claim_replay(tx, replay_id)
    if claimed is None:
        return
    async with resources.db.transaction(tenant_id) as session:
        call = await observability.get_llm_call(session, claimed.call_id)
    result_call_id, error, remark = None, None, None
    try:
        made = await _make(resources, tenant_id, call, claimed.wish)
        remark = made.remark
        completion = await gateway.complete(
            resources, _request(tenant_id, call, claimed.wish, made)
        )
        result_call_id = completion.call_ids[-1]
    except (ModelsUnavailable, BudgetReached, PromptRejected, PromptInvalid, TextIsGone) as failure:
        error = str(failure)
    async with resources.db.hot(tenant_id) as tx:
        await observability.finish_replay(
            tx, replay_id, result_call_id=result_call_id, error=error, remark=remark
        )
        told = CallReplayed(replay_id=replay_id, call_id=claimed.call_id, error=error)
        feed.tell(tx, told, Audience.ADMINS)


def _request(
    tenant_id: UUID, call: LlmCallPublic, wish: ReplayWish, made: "_Made"
) -> gateway.CompletionRequest:
    """The recorded call with what is wished for changed, on nobody's conversation."""
    return gateway.CompletionRequest(
        tenant_id=tenant_id,
        feature="replay",
        messages=tuple(made.messages),
        recorded=call.parameters,
        max_output_tokens=call.parameters.get("max_tokens"),
        models=(wish.model or call.model_asked,),
        agent_id=call.agent_id,
        agent_version=call.agent_version,
        prompt_name=call.prompt_name,
        prompt_version=made.prompt_version,
        variables=made.variables,
        chunk_ids=made.chunk_ids,
    )


@dataclass(frozen=True)
class _Made:
    messages: list[dict[str, Any]]
    prompt_version: str | None
    variables: Mapping[str, Any] | None
    chunk_ids: tuple[str, ...]
    remark: str | None = None


async def _make(
    resources: Resources, tenant_id: UUID, call: LlmCallPublic, wish: ReplayWish
) -> _Made:
    """What the model is sent: as recorded, or filled in again."""
    if not call.messages:  # Erased since it was asked for.
        raise TextIsGone
    if wish.fills_in_again:
        return await _fill_in_again(resources, tenant_id, call, wish)
    return _Made(call.messages, call.prompt_version, call.variables, tuple(call.chunk_ids))


async def _fill_in_again(
    resources: Resources, tenant_id: UUID, call: LlmCallPublic, wish: ReplayWish
) -> _Made:
    """The messages with the prompt made anew; what stood behind it and what contacts wrote stay."""
    name, variables, chunk_ids = str(call.prompt_name), dict(call.variables or {}), call.chunk_ids
    if wish.prompt == CURRENT:
        used = await load_prompt(resources, tenant_id, name)
        version, content = used.version, used.content
    else:
        async with resources.db.transaction(tenant_id) as session:
            found = await get_version(session, name, wish.prompt or str(call.prompt_version))
        version, content = found.version, found.content
    if wish.knowledge is Knowledge.CURRENT and call.agent_id is not None:
        known = await knowledge.look_up(resources, tenant_id, call.agent_id, _question(call))
        variables["facts"] = knowledge.Context(known.chunks).text
        chunk_ids = [str(chunk.id) for chunk in known.chunks]
    behind = await _behind_prompt(resources, tenant_id, call)
    system = {"role": "system", "content": render(content, variables) + (behind or "")}
    rest = call.messages[1:] if call.messages[0].get("role") == "system" else call.messages
    remark = _MISSING if behind is None else None
    return _Made([system, *rest], version, variables, tuple(chunk_ids), remark)


async def _behind_prompt(resources: Resources, tenant_id: UUID, call: LlmCallPublic) -> str | None:
    """What stands in the recorded system message behind the prompt: how a conversation was given back,
    what tools are for, what placeholders are. None, when it can't be told from the prompt, as of a
    built-in one that has been changed since."""
    try:
        async with resources.db.transaction(tenant_id) as session:
            used = await get_version(session, str(call.prompt_name), str(call.prompt_version))
        prompt = render(used.content, call.variables or {})
    except (NoSuchPromptVersion, PromptInvalid):
        return None  # A candidate of an evaluation, out of a file.
    system = str(call.messages[0].get("content"))
    return system.removeprefix(prompt) if system.startswith(prompt) else None


def _question(call: LlmCallPublic) -> str:
    """What the contact wrote last: the burst that the call was about."""
    burst: list[str] = []
    for message in reversed(call.messages):
        if message.get("role") == "user":
            if not are_notes(content := str(message.get("content"))):
                burst.append(content)
        elif burst:
            break
    return "\n".join(reversed(burst))


def _answer(call: LlmCallPublic) -> str:
    """The answer, a line a field, when it is JSON."""
    try:
        return json.dumps(json.loads(call.response or ""), ensure_ascii=False, indent=2)
    except ValueError:
        return call.response or ""


def _prompt(call: LlmCallPublic) -> str:
    return "\n\n".join(f"[{m.get('role')}]\n{m.get('content')}" for m in call.messages)


def _difference(before: str, after: str) -> str:
    return difference(f"{before}\n", f"{after}\n", names=("recorded", "replayed"))
