"""Wishes for faults, as the control API and the command line give them."""

import time
from typing import Any

import pytest

from frontdesk.simulator import ModelFault, ModelFaultKind, SendFault, SendFaultKind
from frontdesk.simulator.faults import FaultPlan, plan_fault, read_wish


@pytest.mark.parametrize("kind", list(SendFaultKind))
def test_every_fault_of_a_send_can_be_wished_for(kind: SendFaultKind) -> None:
    plan: FaultPlan[SendFault] = FaultPlan(1)
    plan_fault(plan, SendFault, read_wish(kind.value))
    assert plan.draw() == SendFault(kind)


@pytest.mark.parametrize("kind", list(ModelFaultKind))
def test_every_fault_of_a_model_call_can_be_wished_for(kind: ModelFaultKind) -> None:
    plan: FaultPlan[ModelFault] = FaultPlan(1)
    plan_fault(plan, ModelFault, read_wish(kind.value))
    assert plan.draw() == ModelFault(kind)


def test_a_wish_says_all_there_is_to_a_fault() -> None:
    plan: FaultPlan[ModelFault] = FaultPlan(1)
    began = time.monotonic()
    wish = "status=1,http_status=429,retry_after_seconds=2.5,only=groq,for_seconds=60"
    plan_fault(plan, ModelFault, read_wish(wish))
    assert plan.draw("openai") is None
    assert plan.draw("groq") == ModelFault(
        ModelFaultKind.STATUS, http_status=429, retry_after_seconds=2.5
    )
    (shown,) = plan.describe()["shares"]
    assert 59.9 - (time.monotonic() - began) < shown["seconds_left"] <= 60


def test_a_number_can_be_what_a_fault_is_limited_to() -> None:
    plan: FaultPlan[SendFault] = FaultPlan(1)
    plan_fault(plan, SendFault, read_wish("server_error,graph_body=true,only=100200300"))
    assert plan.draw("100200300") == SendFault(SendFaultKind.SERVER_ERROR, graph_body=True)


def test_a_fault_wished_for_some_times_meets_the_next_requests() -> None:
    plan: FaultPlan[SendFault] = FaultPlan(1)
    plan_fault(plan, SendFault, {"kind": "error", "code": 131056, "times": 2})
    drawn = [plan.draw() for _ in range(3)]
    assert drawn == [SendFault(SendFaultKind.ERROR, code=131056)] * 2 + [None]


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "unheard_of"},
        {},
        {"kind": "error", "colour": 1},
        {"kind": "error", "code": "high"},
        {"kind": "error", "share": "often"},
        {"kind": "error", "times": [1]},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"error|number|colour"):
        plan_fault(FaultPlan(1), SendFault, wish)


def test_a_word_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="NAME=VALUE"):
        read_wish("error=1,code")
