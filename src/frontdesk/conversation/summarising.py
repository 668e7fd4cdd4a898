"""Bringing a conversation's memory up to date: due work, beside the turns and never in their way."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from asyncpg import Record
from pydantic import BaseModel, Field

from frontdesk import gateway
from frontdesk.agent_config import AgentSnapshot, load_agent, masking_of
from frontdesk.conversation.commitments import adopt
from frontdesk.conversation.memory import (
    MEMORY,
    VERBATIM_MESSAGES,
    Memory,
    Noticed,
    Remembered,
    Summary,
    merge,
)
from frontdesk.conversation.turns import PastMessage
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.json import dumps
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.gateway import BudgetReached, Completion, Masking, PromptRejected
from frontdesk.messaging import LOCK_THREAD
from frontdesk.prompts import PromptSnapshot, as_data, fill, load_prompt

MAX_ATTEMPTS = 5
_LEASE_SECONDS = 60
_DEADLINE_SECONDS = 30
# What one call reads: a longer past is read in portions.
_PORTION_MESSAGES = 60
_PORTION_TOKENS = 4_000
_MESSAGE_TOKENS = 400
_OUTPUT_TOKENS = 900


class NoticedItem(BaseModel):
    """Something said in a message of the transcript."""

    text: str = Field(description="What was said, in a short sentence that stands by itself.")
    message: int = Field(description="The number of the message it stands in.")


class ConversationSummary(BaseModel):
    """What newer messages add to what is known of a conversation."""

    intent: str = Field(description="What the contact wants now, in one sentence.")
    facts: list[NoticedItem] = Field(description="New facts about the contact and the matter.")
    outdated_facts: list[int] = Field(description="Numbers of known facts that no longer hold.")
    promises: list[NoticedItem] = Field(description="What was newly promised to the contact.")
    settled_promises: list[int] = Field(description="Numbers of earlier promises now kept.")
    open_questions: list[str] = Field(description="What the contact asked and nobody answered.")


@dataclass(frozen=True)
class Portion:
    """Messages to be summarised together."""

    messages: Sequence[PastMessage]
    lines: tuple[str, ...]
    goes_on: bool  # More are waiting.


_CLAIM = """
UPDATE conversation_memory m SET attempts = m.attempts + 1,
    due_at = now() + make_interval(secs => $2)
FROM conversation k JOIN contact c ON c.tenant_id = k.tenant_id AND c.id = k.contact_id
WHERE m.conversation_id = $1 AND m.due_at <= now()
    AND k.tenant_id = m.tenant_id AND k.id = m.conversation_id
RETURNING m.version, m.attempts, m.summary::text AS summary, m.through_id, m.last_error,
    k.agent_id, k.contact_id, c.name AS contact_name, c.wa_id AS contact_wa_id
"""
_MESSAGES = """
SELECT id, author, type, text FROM message m
WHERE conversation_id = $1 AND ($2::uuid IS NULL OR id > $2) AND revoked_at IS NULL
    AND (direction = 'in' AND ignored_reason IS NULL OR direction = 'out' AND NOT EXISTS (
        SELECT 1 FROM outbound o WHERE o.tenant_id = m.tenant_id AND o.id = m.id
        AND o.state IN ('cancelled', 'failed')))
ORDER BY id LIMIT $3
"""
# A conversation that was erased meanwhile has no row any more.
_STORE = """
UPDATE conversation_memory SET summary = $3, through_id = $4, version = version + 1, attempts = 0,
    last_error = NULL, updated_at = now(), due_at = CASE WHEN $5 THEN now() END
WHERE conversation_id = $1 AND version = $2 RETURNING true
"""
_END = """
UPDATE conversation_memory SET due_at = now() + make_interval(secs => $3), last_error = $4,
    attempts = CASE WHEN $3::float8 IS NULL THEN 0 ELSE attempts END
WHERE conversation_id = $1 AND version = $2
"""


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Conversations whose memory is to be brought up to date, each tenant's first before any second."""
    rows = await connection.fetch(
        "SELECT tenant_id, conversation_id FROM conversation_memory WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["conversation_id"]) for row in rows]


async def summarise(resources: Resources, tenant_id: UUID, conversation_id: UUID) -> None:
    """Add the oldest messages that no summary speaks of yet to the conversation's summary.

    Safe to run twice: the summary that is stored says how far it goes, and only the one made from
    the present version is stored. What fails is tried again a few times; until the next turn that
    needs it, the old summary does.

    Raises:
        Unavailable: no model answers, or the database is away.
    """
    async with resources.db.hot(tenant_id) as tx:
        claim = await tx.sql.fetchrow(_CLAIM, conversation_id, _LEASE_SECONDS)
        if claim is None:
            return
        limit = _PORTION_MESSAGES + VERBATIM_MESSAGES
        rows = await tx.sql.fetch(_MESSAGES, conversation_id, claim["through_id"], limit)
        older = [_past(row) for row in rows[:-VERBATIM_MESSAGES]]
        if not older or claim["attempts"] > MAX_ATTEMPTS:
            await _end(tx, conversation_id, claim, error=claim["last_error"])
            return
    portion = _portion(older, goes_on=len(rows) == limit)
    before = Summary.model_validate_json(claim["summary"]) if claim["summary"] else Summary()
    try:
        agent = await load_agent(resources, tenant_id, claim["agent_id"])
        prompt = await load_prompt(resources, tenant_id, "summary", conversation_id=conversation_id)
        noticed, _ = await _ask(
            resources,
            tenant_id,
            agent,
            prompt,
            before,
            portion,
            masking=masking_of(agent.config, claim["contact_name"], claim["contact_wa_id"]),
            conversation_id=conversation_id,
            contact_id=claim["contact_id"],
        )
    except (Unavailable, PromptRejected, BudgetReached) as error:
        # A prompt that is refused once is refused each time, and a budget is not back so soon.
        final = claim["attempts"] >= MAX_ATTEMPTS or not isinstance(error, Unavailable)
        pause = None if final else 2.0 ** claim["attempts"]
        async with resources.db.hot(tenant_id) as tx:
            await _end(tx, conversation_id, claim, error=str(error), pause_seconds=pause)
        return
    async with resources.db.hot(tenant_id) as tx:
        # The conversation first, as everywhere: whoever takes back what the summary speaks of, or
        # adds to it, reads it and then writes it under that lock.
        await tx.sql.execute(LOCK_THREAD, conversation_id)
        stored = await tx.sql.fetchval(
            _STORE,
            conversation_id,
            claim["version"],
            dumps(merge(before, noticed)),
            portion.messages[-1].id,
            portion.goes_on,
        )
        if stored:
            await adopt(tx, conversation_id, noticed.promises)
        if portion.goes_on:
            tx.ring(MEMORY, conversation_id)


async def summarise_on_paper(
    resources: Resources,
    tenant_id: UUID,
    agent: AgentSnapshot,
    history: Sequence[PastMessage],
    *,
    prompt: PromptSnapshot,
    masking: Masking,
    feature: str,
) -> tuple[Memory, list[Completion]]:
    """What the memory of a thread that nobody wrote would be, portion by portion as in the desk.

    Args:
        history: with more messages than are kept word for word (`VERBATIM_MESSAGES`).
        feature: what its model calls count as.

    Raises:
        ModelsUnavailable, BudgetReached, PromptRejected: no model could be asked.
    """
    older, summary = list(history[:-VERBATIM_MESSAGES]), Summary()
    through_id, completions = older[-1].id, []
    while older:
        portion = _portion(older[:_PORTION_MESSAGES], goes_on=len(older) > _PORTION_MESSAGES)
        noticed, completion = await _ask(
            resources, tenant_id, agent, prompt, summary, portion, masking=masking, feature=feature
        )
        summary = merge(summary, noticed)
        completions.append(completion)
        older = older[len(portion.messages) :]
    return Memory(summary, through_id), completions


def _past(row: Record) -> PastMessage:
    return PastMessage(
        id=row["id"],
        author=row["author"],
        type=row["type"],
        text=row["text"],
        seq=None,
        has_media=False,
        wamid=None,
    )


def _portion(rows: Sequence[PastMessage], *, goes_on: bool) -> Portion:
    """As many messages as one call reads, at least one, a line each."""
    lines: list[str] = []
    left = _PORTION_TOKENS
    for number, row in enumerate(rows, start=1):
        said = gateway.cut_to_tokens(row.text or f"[{row.type}]", _MESSAGE_TOKENS)
        line = f"[{number}] {row.author}: {' '.join(said.split())}"
        left -= gateway.count_tokens(line)
        if left < 0 and lines:
            return Portion(rows[: number - 1], tuple(lines), goes_on=True)
        lines.append(line)
    return Portion(rows, tuple(lines), goes_on)


async def _ask(
    resources: Resources,
    tenant_id: UUID,
    agent: AgentSnapshot,
    prompt: PromptSnapshot,
    before: Summary,
    portion: Portion,
    *,
    masking: Masking,
    conversation_id: UUID | None = None,
    contact_id: UUID | None = None,
    feature: str = "summary",
) -> tuple[Noticed, Completion]:
    filled = fill(prompt, {"company_name": agent.config.company_name})
    transcript = "\n".join(portion.lines)
    data = f"{before.as_data(numbered=True)}\n<transcript>\n{as_data(transcript)}\n</transcript>"
    completion = await gateway.complete(
        resources,
        gateway.CompletionRequest(
            tenant_id=tenant_id,
            masking=masking,
            feature=feature,
            routed_as="summary",
            messages=(
                {"role": "system", "content": filled.text},
                {"role": "user", "content": data},
            ),
            schema=ConversationSummary,
            temperature=0,
            max_output_tokens=_OUTPUT_TOKENS,
            deadline_seconds=_DEADLINE_SECONDS,
            conversation_id=conversation_id,
            contact_id=contact_id,
            agent_id=agent.agent_id,
            agent_version=agent.version,
            prompt_name=prompt.name,
            prompt_version=prompt.version,
            variables=filled.variables,
            experiment_id=prompt.exposure.experiment_id if prompt.exposure else None,
            variant=prompt.exposure.variant if prompt.exposure else None,
        ),
    )
    said = completion.parsed
    assert isinstance(said, ConversationSummary)
    ids = {number: said_in.id for number, said_in in enumerate(portion.messages, start=1)}
    noticed = Noticed(
        intent=said.intent,
        facts=_found(said.facts, ids),
        outdated_facts=said.outdated_facts,
        promises=_found(said.promises, ids),
        settled_promises=said.settled_promises,
        open_questions=said.open_questions,
    )
    return noticed, completion


def _found(items: Sequence[NoticedItem], ids: dict[int, UUID]) -> list[Remembered]:
    # An item without its message is a claim of the model's own.
    return [
        Remembered(text=item.text, message_id=ids[item.message])
        for item in items
        if item.message in ids
    ]


async def _end(
    tx: Transaction,
    conversation_id: UUID,
    claim: Record,
    *,
    error: str | None = None,
    pause_seconds: float | None = None,
) -> None:
    told = excerpt(error, 500) if error else None
    await tx.sql.execute(_END, conversation_id, claim["version"], pause_seconds, told)
