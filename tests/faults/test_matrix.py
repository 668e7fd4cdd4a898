"""The failure matrix in the docs, the scenarios, and the crash points in the code are one list."""

import re
from pathlib import Path

from faults.crashes import WEB_POINTS, WORKER_POINTS
from faults.report import BEGIN, END, PAGE
from faults.scenarios import SCENARIOS

from frontdesk.core import crash

SOURCES = [path.read_text() for path in Path(crash.__file__).parents[1].rglob("*.py")]
POINTS = {point for source in SOURCES for point in re.findall(r'crash\("(\w+)"\)', source)}


def test_the_docs_name_exactly_the_scenarios_there_are():
    table = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    named = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)
    assert named == [scenario.name for scenario in SCENARIOS]


def test_every_scenario_has_a_name_of_its_own():
    names = [scenario.name for scenario in SCENARIOS]
    assert len(names) == len(set(names))


def test_a_process_is_killed_at_every_crash_point_of_the_code():
    assert {*WEB_POINTS, *WORKER_POINTS} == POINTS


def test_nothing_in_the_product_arms_a_crash_point():
    assert not [source for source in SOURCES if re.search(r"crash import.*\barm\b", source)]
    assert not re.search(r"os\.environ|getenv", Path(crash.__file__).read_text())


def test_a_process_that_nobody_armed_passes_every_crash_point():
    for point in POINTS:
        crash.crash(point)
