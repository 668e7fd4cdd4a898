"""Alerts, SLOs and dashboards in deploy/ ask only for metrics, and labels, that Frontdesk has."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from tests.desk import Desk

from frontdesk.core.metrics import Metrics
from frontdesk.gateway.door import Door
from frontdesk.observability import overdue
from frontdesk.observability.overdue import BacklogGauges

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = [DEPLOY / "prometheus/alerts.yml", DEPLOY / "prometheus/slos.yml"]
DASHBOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
# What Prometheus itself adds.
OF_PROMETHEUS = {"up": {"job", "instance"}}
LABELS_OF_PROMETHEUS = {"job", "instance", "le"}
KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless"}
KEYWORDS |= {"offset", "bool"}
_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*")|(?P<duration>\d+(?:ms|[smhdwy]))|(?P<number>\d+(?:\.\d+)?)
    |(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^(){}\[\],=<>])|(?P<space>\s+)""",
    re.VERBOSE,
)


def tokens(expression: str) -> list[tuple[str, str]]:
    """An expression of PromQL in its tokens; it fails where there is none."""
    found, place = [], 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        assert match, f"no PromQL from here: {expression[place:]!r}"
        place = match.end()
        if match.lastgroup != "space":
            found.append((str(match.lastgroup), match[0]))
    return found


def asked(expression: str) -> tuple[set[tuple[str, str]], set[str], set[str]]:
    """(metric, label) for each selector, all metrics, and the labels that are grouped by."""
    pairs: set[tuple[str, str]] = set()
    metrics: set[str] = set()
    grouped: set[str] = set()
    brackets: list[str] = []
    metric, after = "", ""
    for place, (kind, text) in enumerate(told := tokens(expression)):
        following = told[place + 1][1] if place + 1 < len(told) else ""
        if kind == "sign" and text in "({[":
            # `by (le)` names labels; what stands before another bracket is a function.
            brackets.append("labels" if text == "(" and after in KEYWORDS - {"and", "or"} else text)
        elif kind == "sign" and text in ")}]":
            opened = brackets.pop()
            assert opened == "labels" or {"(": ")", "{": "}", "[": "]"}[opened] == text, expression
        elif kind == "name" and brackets[-1:] == ["labels"]:
            grouped.add(text)
        elif kind == "name" and brackets[-1:] == ["{"]:
            pairs.add((metric, text))
        elif (
            kind == "name"
            and text not in KEYWORDS
            and following != "("
            and not _aggregates(told, place)
        ):
            metric = text
            metrics.add(text)
        after = text
    assert not brackets, expression
    return pairs, metrics, grouped


def _aggregates(told: list[tuple[str, str]], place: int) -> bool:
    return place + 1 < len(told) and told[place + 1][1] in ("by", "without")


def rules() -> Iterator[dict[str, Any]]:
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def expressions() -> list[str]:
    found = [rule["expr"] for rule in rules()]
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            found += [target["expr"] for target in panel["targets"]]
    return found


@cache
def declared() -> dict[str, set[str]]:
    """Every series a process's own counters can have, with its labels."""
    known: dict[str, set[str]] = {}
    for metric in vars(Metrics()).values():
        if not hasattr(metric, "_labelnames"):
            continue
        labels = set(metric._labelnames)
        for suffix in {"counter": ("_total",), "gauge": ("",)}.get(
            metric._type, ("_bucket", "_count", "_sum")
        ):
            known[f"{metric._name}{suffix}"] = labels | ({"le"} if suffix == "_bucket" else set())
    return known


def scraped(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Every series there is now, with its labels."""
    return {
        sample.name: set(sample.labels)
        for metric in registry.collect()
        for sample in metric.samples
    }


async def test_every_expression_asks_for_what_there_is(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    # A look that takes too long tells nothing, and this machine may be busy.
    monkeypatch.setattr(overdue, "_LOOK_SECONDS", 50)
    await desk.say("When does it ship?")
    desk.resources.keep(Door)
    gauges = desk.resources.keep(BacklogGauges)
    gauges._looked_at = float("-inf")
    await gauges.refresh()
    known = {**scraped(desk.resources.metrics.registry), **declared(), **OF_PROMETHEUS}
    for expression in expressions():
        pairs, metrics, grouped = asked(expression)
        assert metrics, expression
        labels: set[str] = set(LABELS_OF_PROMETHEUS)
        for metric in metrics - RECORDED:
            assert metric in known, f"{metric} in {expression}"
            labels |= known[metric]
        for metric, label in pairs:
            assert label in known[metric] | LABELS_OF_PROMETHEUS, (
                f"{metric}.{label} in {expression}"
            )
        assert grouped <= labels, f"{grouped - labels} in {expression}"


def test_what_is_no_promql_is_found_out():
    assert asked('sum by (le) (rate(a_total{b="c"}[5m])) / d') == (
        {("a_total", "b")},
        {"a_total", "d"},
        {"le"},
    )
    for broken in ("sum(rate(a[5m])", "a ? b", "sum(a]"):
        with pytest.raises((AssertionError, KeyError)):
            asked(broken)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_runbook_that_names_it(rule: dict[str, Any]):
    page = DEPLOY.parent / rule["annotations"]["runbook"]
    assert f"`{rule['alert']}`" in page.read_text()
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    assert re.fullmatch(r"\d+m", rule["for"])


def test_every_page_names_alerts_that_exist_and_is_in_the_index():
    folder = DEPLOY.parent / "docs/runbooks"
    index = (folder / "README.md").read_text()
    alerts = {rule["alert"] for rule in ALERTS}
    for page in folder.glob("*.md"):
        assert set(re.findall(r"`(Frontdesk[A-Z]\w+)`", page.read_text())) <= alerts, page.name
        assert page.name == "README.md" or f"({page.name}" in index, page.name


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_every_dashboard_is_one_that_grafana_takes(file: Path):
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] == f"frontdesk-{file.stem}"
    assert dashboard["title"]
    assert dashboard["schemaVersion"] >= 36
    [source] = dashboard["templating"]["list"]
    assert (source["name"], source["type"]) == ("datasource", "datasource")
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        assert {"type", "title", "datasource", "gridPos", "targets", "fieldConfig"} <= panel.keys()
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_the_scrape_configuration_names_the_rules_and_our_ports():
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    assert {f"prometheus/{name}" for name in config["rule_files"]} == {
        str(file.relative_to(DEPLOY)) for file in RULES
    }
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert jobs == {"frontdesk-web", "frontdesk-worker"}
