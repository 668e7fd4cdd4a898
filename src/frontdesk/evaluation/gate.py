"""The gate: whether a run lets its candidate into production, and telling those who publish it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.db import Session
from frontdesk.evaluation.candidates import Pinned, let_into_production, pin
from frontdesk.evaluation.rules import objections
from frontdesk.evaluation.runs import find_run_of, load_results, scored
from frontdesk.evaluation.schemas import Candidate, CaseResult


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may go to production, and why."""

    approves: bool
    reasons: list[str]


async def decide(
    session: Session,
    run_id: UUID,
    pinned: Pinned,
    dataset_id: UUID,
    results: Sequence[CaseResult],
    *,
    threshold: float,
    is_whole: bool,
) -> Decision:
    """Judge a run that has ended; what passes is written down as passed.

    It is compared with the latest run over this dataset of what is in production now.
    """
    if not is_whole:
        return Decision(False, ["not all cases were played"])
    production = await pin(session, pinned.agent.agent_id, Candidate())
    baseline_id = await find_run_of(session, dataset_id, production.fingerprint, but=run_id)
    baseline = None
    if baseline_id is not None:
        baseline = scored(await load_results(session, baseline_id))
    found = objections(scored(results), threshold=threshold, production=baseline)
    if found:
        return Decision(False, found)
    await let_into_production(session, run_id, pinned)
    if baseline is None:
        return Decision(True, ["it passes; no run of what is in production to compare it with"])
    return Decision(True, [f"it passes; no tag is worse than in run {baseline_id}"])
