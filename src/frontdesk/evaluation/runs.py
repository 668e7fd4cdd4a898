"""Runs: what is asked to be played, how far that has got, and the comparison of two."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.agent_config import get_agent
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction
from frontdesk.core.errors import Invalid
from frontdesk.core.json import dumps, loads
from frontdesk.core.pages import Page, cursor_uuid, decode_cursor, encode_cursor
from frontdesk.evaluation import statistics
from frontdesk.evaluation.candidates import pin
from frontdesk.evaluation.datasets import get_dataset, golden_of
from frontdesk.evaluation.errors import NoSuchDataset, NoSuchRun, NothingToPlay, RunIsOver
from frontdesk.evaluation.happenings import EvaluationDone
from frontdesk.evaluation.models import RunKind, RunState
from frontdesk.evaluation.rules import Scored, majority
from frontdesk.evaluation.schemas import (
    CaseResult,
    ComparisonPublic,
    RunCreate,
    RunPublic,
    RunSummary,
    TrafficCreate,
)
from frontdesk.feed import Audience
from frontdesk.observability import audit

RUN = "evaluation.run"
_JSON = ("wish", "judge", "summary", "gate")


async def start_run(
    session: Session, agent_id: UUID, wish: RunCreate, *, user_id: UUID | None = None
) -> RunSummary:
    """Make a run due, of what the wish comes to now; a worker plays it.

    Raises:
        NoSuchAgent, NoSuchAgentVersion, NoSuchPrompt, NoSuchPromptVersion, NoSuchDataset: something
            it names.
        NothingToPlay: the dataset has no cases.
    """
    if wish.dataset_id is None:
        dataset = await golden_of(session, agent_id)
    else:
        dataset = await get_dataset(session, wish.dataset_id)
    if dataset.agent_id != agent_id:
        raise NoSuchDataset(f"There is no dataset {dataset.id}.")
    if not dataset.cases:
        raise NothingToPlay(f"The dataset “{dataset.name}” has no cases.")
    values = {
        "kind": RunKind.CASES,
        "dataset_id": dataset.id,
        "dataset_version": dataset.version,
        "threshold": wish.threshold,
        "repeats": wish.repeats,
        "total": dataset.cases * wish.repeats,
    }
    return await _start(session, agent_id, wish, values, user_id)


async def start_traffic_run(
    session: Session, agent_id: UUID, wish: TrafficCreate, *, user_id: UUID | None = None
) -> RunSummary:
    """Make it due that a candidate is tried on what contacts wrote lately.

    Raises:
        NoSuchAgent, NoSuchAgentVersion, NoSuchPrompt, NoSuchPromptVersion: something it names.
    """
    values = {"kind": RunKind.TRAFFIC, "threshold": 0.0, "repeats": 1}
    return await _start(session, agent_id, wish, values, user_id)


async def _start(
    session: Session,
    agent_id: UUID,
    wish: RunCreate | TrafficCreate,
    values: dict[str, Any],
    user_id: UUID | None,
) -> RunSummary:
    pinned = await pin(session, agent_id, wish.candidate)
    run_id = ids.new()
    row = {
        "id": run_id,
        "agent_id": agent_id,
        "wish": dumps(wish.model_dump(mode="json", exclude_defaults=True)),
        "candidate": dumps(pinned.as_stored()),
        "fingerprint": pinned.fingerprint,
        "budget_usd": wish.budget_usd,
        "requested_by": user_id,
        **values,
    }
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await session.sql.execute(
        f"INSERT INTO eval_run ({', '.join(row)}, state, due_at) "  # noqa: S608  # Names of ours.
        f"VALUES ({places}, 'queued', now())",
        *row.values(),
    )
    await audit(session, "eval_run.started", "eval_run", run_id, user_id=user_id)
    session.ring(RUN, run_id)
    return _summary(await _find(session, run_id))


async def get_run(session: Session, run_id: UUID) -> RunPublic:
    """One run with its results so far, by name; raises `NoSuchRun`."""
    row = await _find(session, run_id)
    results = await load_results(session, run_id)
    return RunPublic.model_validate({**_summary(row).model_dump(), "results": results})


async def cancel_run(session: Session, run_id: UUID, *, user_id: UUID | None = None) -> RunSummary:
    """End a run: cases in play are let end, no other begins, and it clears nothing.

    Raises:
        NoSuchRun: the tenant has no such run.
        RunIsOver: it has ended already.
    """
    row = await session.sql.fetchrow(
        "UPDATE eval_run SET state = 'cancelled', due_at = NULL, finished_at = now(), "
        "deployment_approved = false, gate = $2 WHERE id = $1 AND state = 'queued' RETURNING *",
        run_id,
        dumps(["it was cancelled"]),
    )
    if row is None:
        state = (await _find(session, run_id))["state"]
        raise RunIsOver(f"It is {state}.")
    await audit(session, "eval_run.cancelled", "eval_run", run_id, user_id=user_id)
    told = EvaluationDone(
        run_id=run_id, state=RunState.CANCELLED, pass_rate=None, deployment_approved=False
    )
    feed.tell(session, told, Audience.ADMINS)
    return _summary(row)


async def list_runs(
    session: Session, agent_id: UUID, *, limit: int, cursor: str | None
) -> Page[RunSummary]:
    """A page of an agent's runs, newest first; raises `NoSuchAgent`, `Invalid`."""
    await get_agent(session, agent_id)
    after = decode_cursor(cursor, 1)
    rows = await session.sql.fetch(
        "SELECT * FROM eval_run WHERE agent_id = $1 AND ($2::uuid IS NULL OR id < $2) "
        "ORDER BY id DESC LIMIT $3",
        agent_id,
        cursor_uuid(after[0]) if after else None,
        limit + 1,
    )
    more = encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None
    return Page(items=[_summary(row) for row in rows[:limit]], next_cursor=more)


async def compare_runs(session: Session, first_id: UUID, second_id: UUID) -> ComparisonPublic:
    """What differs between two runs, and whether that is more than noise.

    Raises:
        NoSuchRun: one of them.
        Invalid: they share no case.
    """
    first, second = await get_run(session, first_id), await get_run(session, second_id)
    one, two = majority(scored(first.results)), majority(scored(second.results))
    shared = one.keys() & two.keys()
    if not shared:
        raise Invalid("The two runs have no case in common.")
    names = {result.item_id: result.name for result in first.results}
    only_first = sorted(names[case] for case in shared if one[case] and not two[case])
    only_second = sorted(names[case] for case in shared if two[case] and not one[case])
    p_value = statistics.mcnemar_exact(len(only_first), len(only_second))
    is_more = p_value < statistics.SIGNIFICANT
    return ComparisonPublic(
        first_id=first_id,
        second_id=second_id,
        shared=len(shared),
        both_passed=sum(one[case] and two[case] for case in shared),
        neither_passed=sum(not one[case] and not two[case] for case in shared),
        only_first=only_first,
        only_second=only_second,
        p_value=p_value,
        is_more_than_noise=is_more,
        words=_in_words(len(shared), len(only_first), len(only_second), p_value, is_more),
        cost_usd=[run.summary.cost_usd if run.summary else None for run in (first, second)],
        latency_p50_seconds=[
            run.summary.latency_p50_seconds if run.summary else None for run in (first, second)
        ],
    )


def _in_words(shared: int, only_first: int, only_second: int, p_value: float, is_more: bool) -> str:
    told = (
        f"Of {shared} cases {only_second} were won and {only_first} lost by the second run "
        f"(p = {p_value:.3f})"
    )
    if only_first == only_second:
        return f"{told}: no difference."
    better = "better" if only_second > only_first else "worse"
    if is_more:
        return f"{told}: it is {better}, which is more than noise."
    return f"{told}: it looks {better}, but as much as that is chance often enough."


async def load_results(tx: Transaction, run_id: UUID) -> list[CaseResult]:
    """How the cases of a run went so far, by name."""
    rows = await tx.sql.fetch(
        "SELECT body FROM eval_result WHERE run_id = $1 ORDER BY body ->> 'name', item_id, repeat",
        run_id,
    )
    return [CaseResult.model_validate(loads(row["body"])) for row in rows]


async def find_run_of(
    tx: Transaction, dataset_id: UUID, fingerprint: str, *, but: UUID
) -> UUID | None:
    """The latest whole run of this content over a dataset, beside one; None when there is none."""
    found: UUID | None = await tx.sql.fetchval(
        "SELECT id FROM eval_run WHERE dataset_id = $1 AND fingerprint = $2 AND state = 'done' "
        "AND id <> $3 ORDER BY id DESC LIMIT 1",
        dataset_id,
        fingerprint,
        but,
    )
    return found


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Runs to be played, oldest first, a turn for each tenant."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM eval_run WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


def scored(results: Sequence[CaseResult]) -> list[Scored]:
    """Results as rules look at them."""
    return [Scored(r.item_id, r.passed, r.tags, r.repeat) for r in results]


async def _find(tx: Transaction, run_id: UUID) -> Any:
    row = await tx.sql.fetchrow("SELECT * FROM eval_run WHERE id = $1", run_id)
    if row is None:
        raise NoSuchRun(f"There is no run {run_id}.")
    return row


def _summary(row: Any) -> RunSummary:
    told = {name: row[name] and loads(row[name]) for name in _JSON}
    return RunSummary.model_validate({**row, **told})
