"""What the rows about messages share: tenants, the outside world, and both contenders in it."""

from typing import Any

import orjson

from benchmarks import floor_pipeline
from benchmarks.ground import APP_SECRET, Contender, Ground
from benchmarks.processes import Failed, Process
from benchmarks.tenants import TOKEN, make_tenants
from frontdesk.demo.world import free_port

_API_VERSION = "v26.0"


class Stage:
    """Tenants in Frontdesk's database and a simulator that knows their numbers."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.sql = ground.sql("frontdesk")
        channels = make_tenants(ground)
        self.outside = ground.start("outside", "benchmarks.outside", APP_SECRET)
        self.addresses: dict[str, str] = self.outside.answer()
        self.outside.ask(do="know", channels=channels)

    def start_product(self, *, debounce_seconds: float, workers: int = 1, **more: str) -> Contender:
        """A web process and so many workers, ready to work."""
        port = free_port()
        variables = self.ground.product_variables(
            WEB__PORT=str(port),
            WORKER__DEBOUNCE_SECONDS=str(debounce_seconds),
            WHATSAPP__API_BASE=self.addresses["url"],
            LLM__GROQ_API_BASE=self.addresses["groq"],
            LLM__OPENAI_API_BASE=self.addresses["openai"],
            **more,
        )
        processes = [self.ground.serve("web", "frontdesk", "web", port=port, variables=variables)]
        for number in range(workers):
            worker_port = free_port()
            processes.append(
                self.ground.serve(
                    "worker" if number == 0 else f"worker-{number + 1}",
                    "frontdesk",
                    "worker",
                    port=worker_port,
                    variables=variables | {"WORKER__HTTP_PORT": str(worker_port)},
                )
            )
        return Contender("product", processes, _webhook_url(port), self.sql)

    def start_floor(self, *, debounce_seconds: float) -> Contender:
        """The minimal pipeline, asking models what Frontdesk has been seen to ask them."""
        port = free_port()
        sql = self.ground.make_floor_database("floor_pipeline", floor_pipeline.SCHEMA)
        calls = {
            feature: {
                "model": call["model"],
                "system": call["messages"][0]["content"],
                "parameters": call["parameters"],
            }
            for feature, call in self.calls_seen().items()
        }
        variables = self.ground.floor_variables(
            "floor_pipeline",
            port,
            FLOOR_DEBOUNCE_SECONDS=str(debounce_seconds),
            FLOOR_GRAPH=f"{self.addresses['url']}/{_API_VERSION}",
            FLOOR_TOKEN=TOKEN,
            FLOOR_MODEL=self.addresses["groq"],
            FLOOR_CALLS=orjson.dumps(calls).decode(),
        )
        process = self.ground.serve(
            "floor", "benchmarks.floor_pipeline", port=port, variables=variables
        )
        return Contender("floor", [process], _webhook_url(port), sql)

    def calls_seen(self) -> dict[str, dict[str, Any]]:
        """The latest call of each kind a turn makes, as Frontdesk gave it to LiteLLM."""
        rows = self.sql.fetch(
            "SELECT DISTINCT ON (feature) feature, model_asked, messages, parameters FROM llm_call "
            "WHERE outcome = 'ok' AND feature <> 'summary' ORDER BY feature, id DESC"
        )
        calls = {
            row["feature"]: {
                "model": row["model_asked"],
                "messages": orjson.loads(row["messages"]),
                "parameters": orjson.loads(row["parameters"]),
            }
            for row in rows
        }
        if set(calls) != {"triage", "reply"}:
            raise Failed(f"A turn should make a triage and a reply call, not {sorted(calls)}.")
        return calls

    def check_turns(self) -> None:
        """See that Frontdesk replied to every burst, with two calls each and none that failed.

        Raises:
            Failed: a burst was ignored, given to a person, or took another number of calls.
        """
        turns = dict(self.sql.fetch("SELECT outcome, count(*) FROM turn GROUP BY outcome"))
        calls = dict(
            self.sql.fetch(
                "SELECT outcome, count(*) FROM llm_call WHERE feature <> 'summary' GROUP BY outcome"
            )
        )
        replied = turns.get("replied", 0)
        if turns != {"replied": replied} or calls != {"ok": 2 * replied}:
            raise Failed(f"Not every turn was a reply in two calls: {turns}, {calls}.")


def _webhook_url(port: int) -> str:
    return f"http://127.0.0.1:{port}/webhooks/whatsapp"


def load_on(outside: Process, contender: Contender, **question: Any) -> dict[str, Any]:
    """Put a load from outside on a contender, to the end of its last status; what was seen."""
    outside.ask(do="behave", webhook_url=contender.webhook_url)
    try:
        seen: dict[str, Any] = outside.ask(timeout_seconds=180, **question)
    except Failed as failure:
        raise Failed(f"{failure}\n{contender.describe()}") from None
    contender.wait_until_quiet()
    return seen
