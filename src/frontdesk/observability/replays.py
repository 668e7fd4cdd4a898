"""Replays of model calls: the rows that ask for one and say what came of it. Made in the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlmodel import col, select

from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.errors import Conflict, NotFound
from frontdesk.core.pages import Page, newest_page
from frontdesk.observability.llm_calls import get_llm_call
from frontdesk.observability.models import LlmReplay, ReplayState
from frontdesk.observability.schemas import ReplaySummary

REPLAY = "observability.replay"
# Longer than a call may take over all its attempts.
LEASE_SECONDS = 180
MAX_ATTEMPTS = 3


class Knowledge(StrEnum):
    """Which facts a replayed prompt holds."""

    RECORDED = "recorded"
    CURRENT = "current"


class ReplayKeyReused(Conflict):
    """The idempotency key was used for another replay."""

    code, title = "idempotency_key_reused", "The idempotency key was used for something else"


@dataclass(frozen=True)
class ReplayWish:
    """What is to be different from the recorded call; None and `recorded` are as it was.

    `prompt` is a version, or `current` for the one in use.
    """

    prompt: str | None = None
    model: str | None = None
    knowledge: Knowledge = Knowledge.RECORDED

    @property
    def fills_in_again(self) -> bool:
        """Whether the prompt has to be filled in anew."""
        return self.prompt is not None or self.knowledge is Knowledge.CURRENT


@dataclass(frozen=True)
class ClaimedReplay:
    """A replay that is ours to make."""

    call_id: UUID
    wish: ReplayWish


async def queue_replay(
    session: Session, call_id: UUID, wish: ReplayWish, *, by: UUID | None, client_key: str | None
) -> tuple[UUID, bool]:
    """Make a replay due: its id, and whether it is new. The same key again gives the same one.

    Raises:
        ReplayKeyReused: the key was for another one.
    """
    made = await session.sql.fetchval(
        "INSERT INTO llm_replay (id, call_id, requested_by, prompt, model, knowledge, state, "
        "due_at, client_key) VALUES ($1, $2, $3, $4, $5, $6, 'queued', now(), $7) "
        "ON CONFLICT (tenant_id, client_key) DO NOTHING RETURNING id",
        ids.new(),
        call_id,
        by,
        wish.prompt,
        wish.model,
        wish.knowledge,
        client_key,
    )
    if made is not None:
        session.ring(REPLAY, made)
        return made, True
    query = select(LlmReplay).where(LlmReplay.client_key == client_key)
    earlier = (await session.exec(query)).one()
    same = ReplayWish(earlier.prompt, earlier.model, Knowledge(earlier.knowledge)) == wish
    if earlier.call_id != call_id or not same:
        raise ReplayKeyReused
    return earlier.id, False


async def list_replays(
    session: Session, call_id: UUID, *, limit: int, cursor: str | None
) -> Page[ReplaySummary]:
    """A page of a call's replays, newest first; raises `NotFound` when there is no such call."""
    await get_llm_call(session, call_id)
    query = select(LlmReplay).where(LlmReplay.call_id == call_id)
    return await newest_page(
        session, query, col(LlmReplay.id), ReplaySummary.model_validate, limit=limit, cursor=cursor
    )


async def get_replay(session: Session, replay_id: UUID) -> ReplaySummary:
    """One replay, or `NotFound`."""
    row = (await session.exec(select(LlmReplay).where(LlmReplay.id == replay_id))).one_or_none()
    if row is None:
        raise NotFound(f"There is no replay {replay_id}.")
    return ReplaySummary.model_validate(row)


async def list_due_replays(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Replays to be made: the first of every tenant before the second of any."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM llm_replay WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def claim_replay(tx: Transaction, replay_id: UUID) -> ClaimedReplay | None:
    """Claim a replay until its lease runs out; None when it is not due, or was tried too often."""
    row = await tx.sql.fetchrow(
        "UPDATE llm_replay SET attempts = attempts + 1, "
        "due_at = CASE WHEN attempts < $3 THEN now() + make_interval(secs => $2) END, "
        "state = CASE WHEN attempts < $3 THEN state ELSE 'failed' END, "
        "last_error = CASE WHEN attempts < $3 THEN last_error "
        "ELSE coalesce(last_error, 'It ended its worker each time.') END "
        "WHERE id = $1 AND due_at <= now() RETURNING call_id, prompt, model, knowledge, state",
        replay_id,
        float(LEASE_SECONDS),
        MAX_ATTEMPTS,
    )
    if row is None or row["state"] != ReplayState.QUEUED:
        return None
    wish = ReplayWish(row["prompt"], row["model"], Knowledge(row["knowledge"]))
    return ClaimedReplay(row["call_id"], wish)


async def finish_replay(
    tx: Transaction,
    replay_id: UUID,
    *,
    result_call_id: UUID | None,
    error: str | None = None,
    remark: str | None = None,
) -> None:
    """Write down what came of a replay: the new call, or why there is none.

    Args:
        remark: what is missing in the new call.
    """
    await tx.sql.execute(
        "UPDATE llm_replay SET state = $2, due_at = NULL, finished_at = now(), "
        "result_call_id = $3, last_error = $4, remark = $5 WHERE id = $1 AND state = 'queued'",
        replay_id,
        ReplayState.FAILED if result_call_id is None else ReplayState.DONE,
        result_call_id,
        error and error[:500],
        remark,
    )
