"""The rows and how they are judged and shown."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_HEADINGS = ("what", "measured", "floor", "ratio", "must", "aim", "verdict")


@dataclass(frozen=True)
class Row:
    """One thing measured on Frontdesk and on its floor, and what their ratio must and should be.

    `beyond` says what Frontdesk does there that its floor does not: why an aim may be missed.
    """

    what: str
    unit: str
    measured: float
    floor: float
    must: float | None  # None: told and not judged.
    aim: float
    beyond: str
    more_is_better: bool = False
    broken: str | None = None  # Why the row is worth nothing, whatever its ratio.

    @property
    def ratio(self) -> float:
        """Measured to floor."""
        return self.measured / self.floor

    @property
    def meets_must(self) -> bool:
        """Whether it is good enough."""
        return self.broken is None and (self.must is None or self._within(self.must))

    @property
    def verdict(self) -> str:
        """In words, with the reason where an aim is missed."""
        if self.broken is not None:
            return f"MISSES MUST: {self.broken}"
        if self._within(self.aim):
            return "meets aim"
        if self.must is None:
            return f"not judged; misses aim because of {self.beyond}"
        if self._within(self.must):
            return f"meets must; misses aim because of {self.beyond}"
        return f"MISSES MUST because of {self.beyond}"

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}

    def _within(self, limit: float) -> bool:
        return self.ratio >= limit if self.more_is_better else self.ratio <= limit


def table(rows: Sequence[Row]) -> str:
    """The rows as aligned columns; verdicts stand on the right, where they may be long."""
    cells = [_HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [_aligned(line, widths) for line in cells]
    lines.insert(1, "-" * min(118, max(map(len, lines))))
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    than = "≥" if row.more_is_better else "≤"
    return (
        f"{row.what} ({row.unit})",
        _number(row.measured),
        _number(row.floor),
        f"{row.ratio:.2f}",
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
