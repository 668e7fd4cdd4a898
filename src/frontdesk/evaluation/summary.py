"""What the results of a run come to: rates, tags, times, money, spread; pure."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from frontdesk.evaluation.rules import Action, pass_rate
from frontdesk.evaluation.schemas import CaseResult, SummaryPublic, TagPublic
from frontdesk.evaluation.statistics import percentile, spread
from frontdesk.pipeline import OutcomeKind


def summarise(results: Sequence[CaseResult]) -> SummaryPublic:
    """The sum of a run."""
    seconds = [result.seconds for result in results]
    repeats = sorted({result.repeat for result in results})
    rates = [pass_rate([r.passed for r in results if r.repeat == each]) for each in repeats]
    return SummaryPublic(
        played=len(results),
        passed=sum(result.passed for result in results),
        pass_rate=pass_rate([result.passed for result in results]),
        tags={tag: _tag(results, tag) for tag in sorted({t for r in results for t in r.tags})},
        latency_p50_seconds=percentile(seconds, 0.5),
        latency_p95_seconds=percentile(seconds, 0.95),
        input_tokens=sum(result.input_tokens for result in results),
        output_tokens=sum(result.output_tokens for result in results),
        cost_usd=total_usd([result.cost_usd for result in results]),
        around_usd=total_usd([result.around_usd for result in results]),
        mean_turns=_mean([result.turns for result in results]) or 0.0,
        escalation_rate=_mean([r.outcome is OutcomeKind.HAND_OFF for r in results]) or 0.0,
        repeat_pass_rates=rates,
        spread=spread(rates),
        unsteady=_unsteady(results),
        before=_before(results),
    )


def total_usd(costs: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; None when one of them is not known."""
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if len(known) == len(costs) else None


def _tag(results: Sequence[CaseResult], tag: str) -> TagPublic:
    tagged = [result for result in results if tag in result.tags]
    failed = dict.fromkeys(result.name for result in tagged if not result.passed)
    passed = sum(result.passed for result in tagged)
    return TagPublic(
        passed=passed, played=len(tagged), pass_rate=passed / len(tagged), failures=list(failed)
    )


def _unsteady(results: Sequence[CaseResult]) -> list[str]:
    seen: dict[str, set[bool]] = {}
    for result in results:
        seen.setdefault(result.name, set()).add(result.passed)
    return sorted(name for name, ways in seen.items() if len(ways) > 1)


def _before(results: Sequence[CaseResult]) -> dict[str, Any] | None:
    """Of traffic: how it had been, and what would change, in words."""
    pairs = [(result, result.before) for result in results if result.before is not None]
    if not pairs:
        return None
    quality = _mean([b.judged.passes for _, b in pairs if b.judged is not None])
    quality_then = _mean([r.judged.passes for r, _ in pairs if r.judged is not None])
    escalated = _mean([before.action is Action.HAND_OFF for _, before in pairs]) or 0.0
    escalated_then = _mean([r.outcome is OutcomeKind.HAND_OFF for r, _ in pairs]) or 0.0
    cost = total_usd([before.cost_usd for _, before in pairs])
    cost_then = total_usd([result.cost_usd for result, _ in pairs])
    words = [
        f"Of {len(pairs)} bursts {escalated:.0%} went to people and {escalated_then:.0%} would."
    ]
    if quality is not None and quality_then is not None:
        words.append(
            f"The judge lets {quality:.0%} of the answers pass, and then {quality_then:.0%}."
        )
    if cost is not None and cost_then is not None and cost:
        words.append(
            f"A burst cost ${cost / len(pairs):.6f}, and would ${cost_then / len(pairs):.6f}."
        )
    return {
        "escalation_rate": escalated,
        "escalation_rate_then": escalated_then,
        "quality": quality,
        "quality_then": quality_then,
        "cost_usd": cost,
        "cost_usd_then": cost_then,
        "latency_p50_seconds": percentile(
            [b.seconds for _, b in pairs if b.seconds is not None], 0.5
        ),
        "words": words,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
