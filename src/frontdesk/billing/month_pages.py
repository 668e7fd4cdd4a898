"""The report of a month as CSV and as one page of HTML with charts.

The page loads nothing and has neither scripts nor styles: it is shown under a policy that forbids
both, and prints as it looks. Its charts are SVG.
"""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal
from html import escape

from frontdesk.billing.month_schemas import MonthPublic
from frontdesk.billing.schemas import UsageGroupPublic, UsageSums

_COLUMNS = tuple(UsageSums.model_fields)
_SLICES = ("day", "kind", "feature", "model", "agent", "prompt", "category", "human_agent")
_WIDTH, _HEIGHT, _ROW = 720, 180, 24
_INK, _BAR = "#1f2937", "#0f766e"


def as_csv(report: MonthPublic) -> str:
    """A line for each slice of the report, and the total first; amounts in USD."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["month", "slice", "key", *_COLUMNS])
    writer.writerow([report.month, "total", "", *_numbers(report.total)])
    for name in _SLICES:
        for group in _groups(report, name):
            writer.writerow([report.month, name, _cell(group.key), *_numbers(group)])
    return text.getvalue()


def as_html(report: MonthPublic, tenant: str) -> str:
    """One page for people: what it came to, two charts, and a table of each slice."""
    until = "" if report.is_over else f" (until {report.last_day})"
    title = f"Usage of {escape(tenant)}, {report.month}{until}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>',
        f"<body><h1>{title}</h1>",
        _facts(report),
        "<h2>Cost by day</h2>",
        _columns_chart(report.by_day),
        "<h2>Cost by feature</h2>",
        _bars_chart(report.by_feature),
    ]
    parts += [_table(name, _groups(report, name)) for name in _SLICES if _groups(report, name)]
    parts.append("</body></html>")
    return "\n".join(parts)


def usd(amount: Decimal | None) -> str:
    """An amount as people read it: cents, and more digits only of what is smaller than a cent."""
    if amount is None:
        return "not known"
    return f"{amount:,.2f} USD" if abs(amount) >= 1 or not amount else f"{amount:.6f} USD"


def _facts(report: MonthPublic) -> str:
    outcomes = report.outcomes
    facts = {
        "Costs": usd(report.total.amount_usd),
        "Of these, billed to the tenant by its providers": usd(report.total.own_key_usd),
        "Conversations": f"{outcomes.active:,}",
        "Resolutions": f"{outcomes.resolutions:,} ({outcomes.by_agent:,} by the AI alone, "
        f"{outcomes.by_people:,} with people)",
        "Cost per conversation": usd(report.usd_per_conversation),
        "Cost per resolution": usd(report.usd_per_resolution),
        "Time of people": f"{report.total.human_seconds / 60:,.0f} minutes",
        "Revenue": usd(report.revenue_usd),
        "Margin": usd(report.margin_usd),
    }
    if report.total.unpriced:
        facts["Missing in the costs"] = f"{report.total.unpriced:,} entries without a price"
    if report.forecast is not None:
        facts["Forecast"] = f"{usd(report.forecast.amount_usd)}. {report.forecast.method}"
    rows = "".join(
        f'<tr><th align="left" scope="row">{name}</th><td>{escape(value)}</td></tr>'
        for name, value in facts.items()
    )
    return f'<table cellpadding="4">{rows}</table>'


def _columns_chart(days: Sequence[UsageGroupPublic]) -> str:
    """A column for each day, its cost on top of a hover."""
    most = max((day.amount_usd for day in days), default=Decimal(0))
    if most <= 0:
        return "<p>Nothing was spent.</p>"
    step = _WIDTH / max(len(days), 1)
    shapes = []
    for place, day in enumerate(days):
        height = float(max(day.amount_usd, Decimal(0)) / most) * (_HEIGHT - 30)
        shapes.append(
            f'<rect x="{place * step + 1:.1f}" y="{_HEIGHT - 20 - height:.1f}" '
            f'width="{max(step - 2, 1):.1f}" height="{height:.1f}" fill="{_BAR}">'
            f"<title>{day.key}: {usd(day.amount_usd)}</title></rect>"
            f'<text x="{(place + 0.5) * step:.1f}" y="{_HEIGHT - 6}" font-size="10" '
            f'text-anchor="middle" fill="{_INK}">{(day.key or "")[-2:]}</text>'
        )
    top = f'<text x="0" y="10" font-size="10" fill="{_INK}">{usd(most)}</text>'
    return _svg(_HEIGHT, "Cost by day", top + "".join(shapes))


def _bars_chart(groups: Sequence[UsageGroupPublic]) -> str:
    """A bar for each of the dearest twelve, with its name and cost beside it."""
    dearest = sorted(groups, key=lambda group: group.amount_usd, reverse=True)[:12]
    most = dearest[0].amount_usd if dearest else Decimal(0)
    if most <= 0:
        return "<p>Nothing was spent.</p>"
    shapes = []
    for place, group in enumerate(dearest):
        y, width = place * _ROW, float(max(group.amount_usd, Decimal(0)) / most) * (_WIDTH - 340)
        shapes.append(
            f'<text x="0" y="{y + 16}" font-size="12" fill="{_INK}">'
            f"{escape((group.key or 'none')[:28])}</text>"
            f'<rect x="200" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}" fill="{_BAR}"/>'
            f'<text x="{206 + width:.1f}" y="{y + 16}" font-size="12" fill="{_INK}">'
            f"{usd(group.amount_usd)}</text>"
        )
    return _svg(len(dearest) * _ROW, "Cost by feature", "".join(shapes))


def _svg(height: int, label: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif">{inside}</svg>'
    )


def _table(name: str, groups: Sequence[UsageGroupPublic]) -> str:
    heads = (name.capitalize(), "Calls", "Messages", "Input tokens", "Output tokens", "Cost")
    head = "".join(f'<th align="left" scope="col">{text}</th>' for text in heads)
    rows = "".join(
        f"<tr><td>{escape(group.key or 'none')}</td>"
        + "".join(
            f'<td align="right">{text}</td>'
            for text in (
                f"{group.calls:,}",
                f"{group.messages:,}",
                f"{group.input_tokens:,}",
                f"{group.output_tokens:,}",
                usd(group.amount_usd),
            )
        )
        + "</tr>"
        for group in groups
    )
    return f'<h2>By {name}</h2><table cellpadding="4"><tr>{head}</tr>{rows}</table>'


def _groups(report: MonthPublic, name: str) -> list[UsageGroupPublic]:
    found: list[UsageGroupPublic] = getattr(report, f"by_{name}")
    return found


def _numbers(sums: UsageSums) -> list[str]:
    told = sums.model_dump(mode="json")
    return [str(told[name]) for name in _COLUMNS]


def _cell(text: str | None) -> str:
    # A spreadsheet would run what begins like a formula.
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text or ""
