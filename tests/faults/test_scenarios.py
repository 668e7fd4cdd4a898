"""The scenarios of the fault suite that fit into a test run; `make faults` plays all of them."""

import pytest
from faults.scenario import Scenario
from faults.scenarios import SCENARIOS
from faults.site import Site

from faults import judge


@pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.fast], ids=lambda scenario: scenario.name
)
async def test_every_promise_holds_when(site: Site, scenario: Scenario) -> None:
    result = await judge.run(site, scenario, seed=1)
    if not result.holds:
        pytest.fail("\n".join([*result.broken, *site.last_words()]))
