"""The failure matrix in the docs, the scenarios, and the crash points in the code are one list."""

import re
from pathlib import Path

from faults.bridges import BRIDGE_POINTS
from faults.crashes import WEB_POINTS, WORKER_POINTS
from faults.report import BEGIN, END, PAGE
from faults.scenarios import SCENARIOS

from frontdesk.core import crash

ROOT = PAGE.parents[1]
CASES = "## The open cases"
SOURCES = [path.read_text() for path in Path(crash.__file__).parents[1].rglob("*.py")]
POINTS = {point for source in SOURCES for point in re.findall(r'crash\("(\w+)"', source)}


def test_the_docs_name_exactly_the_scenarios_there_are():
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    named = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)
    assert named == [scenario.name for scenario in SCENARIOS]


def test_every_scenario_has_a_name_of_its_own():
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))


def test_a_process_is_killed_at_every_crash_point_of_the_code():
    assert {*WEB_POINTS, *WORKER_POINTS, *BRIDGE_POINTS} == POINTS


def test_two_deaths_in_a_row_at_a_point_are_of_the_same_work(tmp_path: Path):
    plan = crash.CrashPlan(("after_claim",), times=2, folder=tmp_path, again=True)
    mine, other = frozenset({"mine"}), frozenset({"other"})
    assert plan.is_meant("after_claim", mine)
    (tmp_path / "after_claim.0").write_text("1 mine")
    assert plan.is_meant("after_claim", mine)
    assert not plan.is_meant("after_claim", other)
    assert not plan.is_fulfilled


def test_the_cases_in_the_docs_are_shown_by_tests_and_scenarios_there_are():
    table = PAGE.read_text().partition(CASES)[2].partition("\n## ")[0]
    scenarios = {scenario.name for scenario in SCENARIOS}
    shown = re.findall(r"`([^`]+)`", table)
    assert len(shown) > 60
    for name in shown:
        path, _, test = name.partition("::")
        there = f"def {test}(" in (ROOT / path).read_text() if test else name in scenarios
        assert there, name


def test_nothing_in_the_product_arms_a_crash_point():
    assert not [source for source in SOURCES if re.search(r"crash import.*\barm\b", source)]
    assert not re.search(r"os\.environ|getenv", Path(crash.__file__).read_text())


def test_a_process_that_nobody_armed_passes_every_crash_point():
    for point in POINTS:
        crash.crash(point)
