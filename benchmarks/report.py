"""The rows and how they are judged and shown."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import meter

_HEADINGS = ("what", "measured", "floor", "ratio", "by round", "must", "aim", "verdict")


@dataclass(frozen=True)
class Row:
    """One thing measured on Frontdesk and on its floor, and what their ratio must and should be.

    `ours` and `theirs` hold a sample of each round. The ratio is that of their medians.
    """

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    must: float | None  # None: told and not judged.
    aim: float
    more_is_better: bool = False
    broken: str | None = None  # Why the row is worth nothing, whatever its ratio.

    @property
    def measured(self) -> float:
        """Frontdesk's median."""
        return meter.median(self.ours)

    @property
    def floor(self) -> float:
        """The floor's median."""
        return meter.median(self.theirs)

    @property
    def ratio(self) -> float:
        """Measured to floor."""
        return self.measured / self.floor

    @property
    def ratios(self) -> list[float]:
        """The ratio of each round: how far they lie apart shows what the median is worth."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def meets_must(self) -> bool:
        """Whether it is good enough."""
        return self.broken is None and (self.must is None or self._within(self.must))

    @property
    def verdict(self) -> str:
        """In words, and by how much a limit is missed. Why, a benchmark can't know."""
        if self.broken is not None:
            return f"MISSES MUST: {self.broken}"
        if self._within(self.aim):
            return "meets aim"
        misses_aim = f"misses aim by {self._excess(self.aim):.0%}"
        if self.must is None:
            return f"not judged, {misses_aim}"
        if self._within(self.must):
            return f"meets must, {misses_aim}"
        return f"MISSES MUST by {self._excess(self.must):.0%}"

    def view(self) -> dict[str, Any]:
        """As JSON."""
        told = {name: getattr(self, name) for name in ("measured", "floor", "ratio", "verdict")}
        return {**asdict(self), **told}

    def _within(self, limit: float) -> bool:
        return self.ratio >= limit if self.more_is_better else self.ratio <= limit

    def _excess(self, limit: float) -> float:
        return abs(self.ratio / limit - 1)


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned columns."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [_aligned(line, widths) for line in cells]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    than = "≥" if row.more_is_better else "≤"
    return (
        f"{row.what} ({row.unit})",
        _number(row.measured),
        _number(row.floor),
        f"{row.ratio:.2f}",
        f"{min(row.ratios):.2f}–{max(row.ratios):.2f}",
        "–" if row.must is None else f"{than} {row.must:g}",
        f"{than} {row.aim:g}",
        row.verdict,
    )


def _aligned(cells: Iterable[str], widths: Sequence[int]) -> str:
    what, *numbers, verdict = cells
    aligned = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
    return "  ".join([what.ljust(widths[0]), *aligned, verdict]).rstrip()


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
