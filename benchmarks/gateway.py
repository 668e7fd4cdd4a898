"""The gateway rows: what a model call costs beyond LiteLLM, and a thousand slow ones in flight."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from benchmarks import gateway_alone, meter
from benchmarks.processes import Failed, Process
from benchmarks.report import Row
from benchmarks.stage import Stage

AT_ONCE = 32
FLOOD = 1_000
FLOOD_SECONDS = 10.0

Pairs = list[tuple[float, float]]  # Frontdesk's sample and the floor's, of each round.


@dataclass(frozen=True)
class Contender:
    """The gateway or LiteLLM in a process of its own, and how it is asked for calls."""

    process: Process
    question: Callable[[int, int], dict[str, Any]]

    def call(self, calls: int, at_once: int) -> None:
        """Have it make so many calls.

        Raises:
            Failed: not all of them were answered.
        """
        told = self.process.ask(timeout_seconds=120, **self.question(calls, at_once))
        if told["failures"]:
            raise Failed(f"{self.process.name}: {told['failures']} of {calls} calls failed.")


def measure(stage: Stage, *, rounds: int, calls: int, tell: Callable[[str], None]) -> list[Row]:
    """Both in turn: CPU in processes that stay, memory in a fresh one each time.

    Args:
        calls: of each contender in a turn in which CPU is counted.
    """
    gateway = _start_gateway(stage)
    gateway.call(AT_ONCE * 4, AT_ONCE)  # Not counted; LiteLLM is asked the same afterwards.
    alone = _start_litellm(stage)
    alone.call(AT_ONCE * 4, AT_ONCE)
    cpu: Pairs = [(_cpu_ms(gateway, calls), _cpu_ms(alone, calls)) for _ in range(rounds)]
    stage.ground.end(gateway.process)
    stage.ground.end(alone.process)
    tell(f"gateway: CPU in {rounds} rounds")
    stage.outside.ask(do="behave", model_latency_seconds=FLOOD_SECONDS)
    peaks: Pairs = [
        (_peak_mib(stage, _start_gateway(stage)), _peak_mib(stage, _start_litellm(stage)))
        for _ in range(1 if rounds < 5 else 2)
    ]
    stage.outside.ask(do="behave", model_latency_seconds=0.0)
    tell(f"gateway: {FLOOD:,} calls of {FLOOD_SECONDS:g} s in flight")
    return [
        Row(
            f"gateway CPU per call, {AT_ONCE} in flight", "ms",
            [ours for ours, _ in cpu], [theirs for _, theirs in cpu], must=1.4, aim=1.1,
        ),
        Row(
            f"gateway peak memory, {FLOOD:,} calls of {FLOOD_SECONDS:g} s in flight", "MiB",
            [ours for ours, _ in peaks], [theirs for _, theirs in peaks], must=1.25, aim=1.05,
        ),
    ]  # fmt: skip


def _start_gateway(stage: Stage) -> Contender:
    variables = stage.ground.product_variables(
        LLM__GROQ_API_BASE=stage.addresses["groq"],
        LLM__OPENAI_API_BASE=stage.addresses["openai"],
        LLM__MAX_IN_FLIGHT=str(FLOOD),
        LLM__TENANT_MAX_IN_FLIGHT=str(FLOOD),
        LLM__PROVIDER_MAX_IN_FLIGHT=str(FLOOD),
    )
    process = stage.ground.start("gateway", "benchmarks.gateway_alone", variables=variables)
    process.answer()
    tenant_id = str(stage.sql.fetch("SELECT id FROM tenant ORDER BY id LIMIT 1")[0][0])
    return Contender(
        process,
        lambda calls, at_once: {"tenant_id": tenant_id, "calls": calls, "at_once": at_once},
    )


def _start_litellm(stage: Stage) -> Contender:
    """LiteLLM, to be asked what the gateway has been seen to ask it."""
    seen = stage.sql.fetch(
        "SELECT model_asked, messages, parameters FROM llm_call "
        f"WHERE feature = '{gateway_alone.FEATURE}' AND outcome = 'ok' LIMIT 1"
    )[0]
    call = {
        "model": seen["model_asked"],
        "messages": orjson.loads(seen["messages"]),
        "parameters": orjson.loads(seen["parameters"]),
    }
    process = stage.ground.start("litellm-alone", "benchmarks.litellm_alone")
    process.answer()
    return Contender(
        process,
        lambda calls, at_once: {
            "calls": [call],
            "turns": calls,
            "at_once": at_once,
            "api_base": stage.addresses["groq"],
        },
    )


def _cpu_ms(contender: Contender, calls: int) -> float:
    contender.process.go_on()
    before = meter.cpu_seconds(contender.process.pid)
    contender.call(calls, AT_ONCE)
    used = meter.cpu_seconds(contender.process.pid) - before
    contender.process.rest()
    return used / calls * 1000


def _peak_mib(stage: Stage, contender: Contender) -> float:
    stage.outside.ask(do="most_open")
    contender.call(FLOOD, FLOOD)
    peak = meter.peak_mib(contender.process.pid)
    stage.ground.end(contender.process)
    most_open = stage.outside.ask(do="most_open")["most_open"]
    if most_open < FLOOD:
        raise Failed(f"{contender.process.name} had only {most_open} calls in flight.")
    return peak
