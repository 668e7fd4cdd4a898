"""Rows 1 to 4: one web process taking webhooks, against raw ASGI, one HMAC and one INSERT."""

from collections import defaultdict
from collections.abc import Callable

from benchmarks import floor_accept, meter
from benchmarks.ground import APP_SECRET, Contender, Ground
from benchmarks.processes import Process
from benchmarks.report import Row
from frontdesk.demo.world import free_port

IN_FLIGHT = 32
PACED_PER_SECOND = 270

Samples = dict[str, list[float]]


def measure(
    ground: Ground, *, rounds: int, seconds: float, tell: Callable[[str], None]
) -> list[Row]:
    """Both in turn, saturated and then at a steady rate, and the rows that come of it."""
    load = ground.start("load", "benchmarks.load")
    product, floor = _start_product(ground), _start_floor(ground)
    samples: dict[str, Samples] = {"product": defaultdict(list), "floor": defaultdict(list)}
    for contender in (product, floor):
        _take_turn(load, contender, 0.5)  # Not counted: connections open, statements are prepared.
    for number in range(rounds):
        for contender in (product, floor):
            for name, value in _take_turn(load, contender, seconds).items():
                samples[contender.name][name].append(value)
        tell(f"accept: round {number + 1} of {rounds}")
    for process in (*product.processes, *floor.processes, load):
        ground.end(process)
    return _rows(samples["product"], samples["floor"])


def _start_product(ground: Ground) -> Contender:
    port = free_port()
    web = ground.serve(
        "accept-web",
        "frontdesk",
        "web",
        port=port,
        variables=ground.product_variables(WEB__PORT=str(port)),
    )
    sql = ground.sql("frontdesk")
    return Contender("product", [web], f"http://127.0.0.1:{port}/webhooks/whatsapp", sql)


def _start_floor(ground: Ground) -> Contender:
    port = free_port()
    sql = ground.make_floor_database("floor_accept", floor_accept.SCHEMA)
    process = ground.serve(
        "accept-floor",
        "benchmarks.floor_accept",
        port=port,
        variables=ground.floor_variables("floor_accept", port),
    )
    return Contender("floor", [process], f"http://127.0.0.1:{port}/webhooks/whatsapp", sql)


def _take_turn(load: Process, contender: Contender, seconds: float) -> dict[str, float]:
    def put(seconds: float, per_second: float) -> tuple[float, list[float]]:
        answer = load.ask(
            url=contender.webhook_url,
            app_secret=APP_SECRET,
            connections=IN_FLIGHT,
            seconds=seconds,
            per_second=per_second,
        )
        return answer["seconds"], answer["took"]

    with contender.turn():
        put(0.3, 0)  # The first requests after a rest find everything cold.
        before = contender.cpu_seconds()
        lasted, took = put(seconds, 0)
        used = contender.cpu_seconds() - before
        _, took_paced = put(seconds * 1.6, PACED_PER_SECOND)
        table = "webhook_event" if contender.name == "product" else "raw_event"
        contender.sql.execute(f"TRUNCATE {table}")
    return {
        "rate": len(took) / lasted,
        "cpu": used / len(took) * 1e6,
        "p99": meter.percentile(took, 0.99) * 1000,
        "p99_paced": meter.percentile(took_paced, 0.99) * 1000,
    }


def _rows(ours: Samples, theirs: Samples) -> list[Row]:
    def row(what: str, unit: str, name: str, must: float, aim: float) -> Row:
        return Row(what, unit, ours[name], theirs[name], must, aim, more_is_better=name == "rate")

    return [
        row(f"durable webhook accepts, {IN_FLIGHT} in flight", "per second", "rate", 0.35, 0.6),
        row("web CPU per webhook, saturated", "µs", "cpu", 3, 1.6),
        row("accept p99, saturated", "ms", "p99", 4, 1.5),
        row(f"accept p99, {PACED_PER_SECOND} a second", "ms", "p99_paced", 2, 1.2),
    ]
