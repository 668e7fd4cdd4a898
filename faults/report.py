"""The table of a run, for the terminal and for the docs."""

from collections.abc import Sequence
from pathlib import Path

from faults.scenario import Result

PAGE = Path(__file__).resolve().parents[1] / "docs/reliability.md"
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
_HEADINGS = (
    "scenario",
    "messages",
    "replies",
    "unanswered",
    "answered twice",
    "out of order",
    "to a person",
    "drained after s",
    "verdict",
)


def table(results: Sequence[Result]) -> str:
    """The results as aligned columns and a sum."""
    cells = [_HEADINGS, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1], strict=True)]
            + [line[-1]]
        ).rstrip()
        for line in cells
    ]
    lines.insert(1, "-" * min(118, max(map(len, lines))))
    return "\n".join(lines)


def _cells(result: Result) -> tuple[str, ...]:
    tally = result.tally
    return (
        result.scenario.name,
        str(tally.messages),
        str(tally.replies),
        str(len(tally.unanswered)),
        str(len(tally.twice)),
        str(tally.out_of_order),
        str(tally.to_person),
        f"{result.drained_seconds:.0f}",
        _verdict(result),
    )


def _verdict(result: Result) -> str:
    if not result.holds:
        return "BROKEN: " + "; ".join(result.broken)
    said = ["holds"]
    if result.scenario.residual:
        said.append("twice is the residual case, expected here")
    return "; ".join([*said, *result.notes])


def write_docs(results: Sequence[Result]) -> None:
    """Write the failure matrix of docs/reliability.md anew, from a run of every scenario that held.

    Raises:
        ValueError: a scenario broke; then the table stays as it is.
    """
    if broken := [result.scenario.name for result in results if not result.holds]:
        raise ValueError(f"No table is written of {', '.join(broken)}: they broke.")
    head, _, rest = PAGE.read_text().partition(BEGIN)
    foot = rest.partition(END)[2]
    heading = [_line([name for name, _ in _COLUMNS]), _line([rule for _, rule in _COLUMNS])]
    rows = "\n".join([*heading, *map(_row, results)])
    PAGE.write_text(f"{head}{BEGIN}\n{rows}\n{END}{foot}")


_COLUMNS = (
    ("scenario", "---"),
    ("point or fault", "---"),
    ("what is left", "---"),
    ("what follows", "---"),
    ("promised", "---"),
    ("messages", "--:"),
    ("replies", "--:"),
    ("lost", "--:"),
    ("twice", "--:"),
    ("out of order", "--:"),
    ("to a person", "--:"),
    ("seconds", "--:"),
)


def _row(result: Result) -> str:
    scenario = result.scenario
    told = [scenario.point, scenario.left, scenario.follows, scenario.outcome]
    if result.notes:
        told[-1] += f" ({'; '.join(result.notes)})"
    return _line([f"`{scenario.name}`", *told, *_cells(result)[1:-1]])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
