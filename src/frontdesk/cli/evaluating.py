"""Commands of evaluation: datasets as files, runs of a candidate, comparing two, and the gate for CI."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from frontdesk.cli.progress import progress
from frontdesk.cli.prompting import Tenant, find_tenant, in_tenant
from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, coloured, fail, print_json
from frontdesk.cli.tending import _with_resources

if TYPE_CHECKING:
    from frontdesk.core.db import Session
    from frontdesk.core.resources import Resources
    from frontdesk.evaluation import (
        ComparisonPublic,
        DatasetChange,
        RunPublic,
    )

evaluation = typer.Typer(
    help="""\
Cases that an agent is judged by: import them, play them with a change, compare, and let it pass.

The whole way is in docs/evaluation.md. A worker plays the runs.

\b
Examples:
  frontdesk eval import cases.jsonl
  frontdesk eval run --prompt reply=1.2.0
  frontdesk eval compare 0192f0aa-… 0192f0bb-…
  frontdesk eval gate 0192f0bb-…
  frontdesk eval list
  frontdesk eval cancel 0192f0bb-…""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LOOK_SECONDS = 0.5
Agent = Annotated[
    str | None,
    typer.Option(help="The agent: its name or its id. Not needed when there is only one."),
]
Dataset = Annotated[str, typer.Option(help="The dataset's name.")]
RunId = Annotated[UUID, typer.Argument(metavar="RUN", help="As eval run printed it.")]
JUnit = Annotated[
    Path | None, typer.Option(help="Also write the cases as JUnit XML.", dir_okay=False)
]
GOLDEN = "golden"


@evaluation.command("import", epilog=EXIT_CODES)
def eval_import(
    file: Annotated[Path, typer.Argument(help=".jsonl, .yaml or .yml.", exists=True)],
    dataset: Dataset = GOLDEN,
    replace: Annotated[
        bool, typer.Option("--replace", help="Drop cases that are not in the file.")
    ] = False,
    agent: Agent = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Read cases from a file into a dataset, all of them or, when one is wrong, none.

    Safe to repeat: what is there already in the same words makes no version.

    \b
    Examples:
      frontdesk eval import cases.jsonl
      frontdesk eval import personas.yaml --dataset customers --replace
    """

    async def run(_: "Resources", session: "Session") -> "DatasetChange":
        from frontdesk.evaluation import golden_of, put_file

        found = await golden_of(session, await _agent(session, agent), dataset)
        return await put_file(
            session, found.id, _format(file), file.read_text(encoding="utf-8"), replace=replace
        )

    change = in_tenant(tenant, run)
    if as_json:
        print_json(change.model_dump())
        return
    typer.echo(
        f"Version {change.version}: {change.added} added, {change.changed} changed, "
        f"{change.dropped} dropped."
    )


@evaluation.command("export", epilog=EXIT_CODES)
def eval_export(
    file: Annotated[Path, typer.Argument(help="Where to: .jsonl, .yaml or .yml.")],
    dataset: Dataset = GOLDEN,
    version: Annotated[int | None, typer.Option(min=1, help="Else the present one.")] = None,
    agent: Agent = None,
    tenant: Tenant = None,
) -> None:
    """Write a dataset to a file.

    \b
    Examples:
      frontdesk eval export cases.yaml
      frontdesk eval export cases.jsonl --dataset golden --version 3
    """

    async def run(_: "Resources", session: "Session") -> Any:
        from frontdesk.evaluation import get_file, golden_of

        found = await golden_of(session, await _agent(session, agent), dataset)
        return await get_file(session, found.id, _format(file), version)

    told = in_tenant(tenant, run)
    file.write_text(told.content, encoding="utf-8")
    typer.echo(f"Version {told.version} of {dataset} is in {file}.")


@evaluation.command("run", epilog=EXIT_CODES)
def eval_run(
    dataset: Dataset = GOLDEN,
    prompt: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VERSION", help="Another version of a prompt; repeatable."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Prompts where this label stands, such as candidate.")
    ] = None,
    agent_version: Annotated[
        int | None, typer.Option(min=1, help="Another version of the agent's configuration.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A draft of it: a file of JSON.", exists=True)
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(metavar="PROVIDER/MODEL", help="Other models, in turn; repeatable."),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, max=10, help="Play each case so often.")] = 1,
    budget_usd: Annotated[
        float | None, typer.Option(min=0, help="Stop when it has cost this much.")
    ] = None,
    traffic_days: Annotated[
        int | None,
        typer.Option(min=1, max=31, help="Play what contacts wrote in these days, not a dataset."),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, max=500, help="So many bursts of it.")] = 50,
    agent: Agent = None,
    tenant: Tenant = None,
    junit: JUnit = None,
    wait_seconds: Annotated[
        int, typer.Option(min=1, help="How long to wait for a worker to play it.")
    ] = 1_800,
    as_json: AsJson = False,
) -> None:
    """Play a dataset with what is in production, or with what is said here, and wait for it.

    Exits with 1 when it does not clear the gate: 95 % of the cases must pass, and no tag may be
    worse than in the latest run of what is in production. With --traffic-days it shows what would
    change and clears nothing; it exits with 0 then.

    \b
    Examples:
      frontdesk eval run
      frontdesk eval run --prompt reply=1.2.0 --junit results.xml
      frontdesk eval run --dataset customers --model openai/gpt-4o-mini --repeats 3
      frontdesk eval run --traffic-days 7 --prompt reply=1.2.0
    """
    candidate: dict[str, Any] = {
        "prompts": dict(_pair(text) for text in prompt or []),
        "label": label,
        "version": agent_version,
        "models": model or None,
        "config": _read_json(config) if config else None,
    }

    async def run(resources: "Resources") -> "RunPublic":
        from pydantic import ValidationError

        from frontdesk.evaluation import (
            RunCreate,
            TrafficCreate,
            golden_of,
            start_run,
            start_traffic_run,
        )

        tenant_id = await find_tenant(resources, tenant)
        asked: dict[str, Any] = {"candidate": candidate, "budget_usd": budget_usd}
        try:
            async with resources.db.transaction(tenant_id) as session:
                agent_id = await _agent(session, agent)
                if traffic_days is not None:
                    wish = TrafficCreate(**asked, days=traffic_days, sample=sample)
                    made = await start_traffic_run(session, agent_id, wish)
                else:
                    found = await golden_of(session, agent_id, dataset)
                    body = RunCreate(**asked, dataset_id=found.id, repeats=repeats)
                    made = await start_run(session, agent_id, body)
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False)
            place = ".".join(map(str, first["loc"]))
            raise typer.BadParameter(f"{place}: {first['msg']}.") from None
        return await _wait(resources, tenant_id, made.id, wait_seconds)

    _tell_run(_with_resources(run), junit, as_json, traffic_days is None, wait_seconds)


@evaluation.command("gate", epilog=EXIT_CODES)
def eval_gate(
    run_id: RunId, tenant: Tenant = None, junit: JUnit = None, as_json: AsJson = False
) -> None:
    """Show whether a run clears the gate, and why. Exits with 1 when it does not.

    \b
    Examples:
      frontdesk eval gate 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
      frontdesk eval gate 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --junit results.xml
    """

    async def run(_: "Resources", session: "Session") -> "RunPublic":
        from frontdesk.evaluation import get_run

        return await get_run(session, run_id)

    _tell_run(in_tenant(tenant, run), junit, as_json, True, 0)


@evaluation.command("list", epilog=EXIT_CODES)
def eval_list(
    agent: Agent = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Show so many at most.")] = 20,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """List an agent's runs, newest first.

    \b
    Examples:
      frontdesk eval list
      frontdesk eval list --agent "Shop agent" --limit 5 --json
    """

    async def run(_: "Resources", session: "Session") -> Any:
        from frontdesk.evaluation import list_runs

        agent_id = await _agent(session, agent)
        return await list_runs(session, agent_id, limit=limit, cursor=None)

    page = in_tenant(tenant, run)
    if as_json:
        print_json([each.model_dump(mode="json") for each in page.items])
        return
    for each in page.items:
        rate = "" if each.pass_rate is None else f"  {each.pass_rate:.1%}"
        cleared = "  clears the gate" if each.deployment_approved else ""
        typer.echo(
            f"{each.id}  {each.kind:<7}  {coloured(each.state, 9)}  {each.done} of {each.total}"
            f"{rate}{cleared}"
        )
    typer.echo(f"{len(page.items)} shown.")


@evaluation.command("cancel", epilog=EXIT_CODES)
def eval_cancel(run_id: RunId, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """End a run: cases in play are let end, no other begins, and it clears nothing.

    \b
    Examples:
      frontdesk eval cancel 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
    """

    async def run(_: "Resources", session: "Session") -> Any:
        from frontdesk.evaluation import cancel_run

        return await cancel_run(session, run_id)

    found = in_tenant(tenant, run)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    typer.echo(f"Run {found.id} is cancelled: {found.done} of {found.total} were played.")


@evaluation.command("compare", epilog=EXIT_CODES)
def eval_compare(
    first: RunId, second: RunId, tenant: Tenant = None, as_json: AsJson = False
) -> None:
    """Say what differs between two runs, and whether it is more than noise.

    Exits with 1 when the second is worse by more than noise.

    \b
    Examples:
      frontdesk eval compare 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 0192f0bb-7c0e-7c31-b6a1-d6a0c3c1e002
    """

    async def run(_: "Resources", session: "Session") -> "ComparisonPublic":
        from frontdesk.evaluation import compare_runs

        return await compare_runs(session, first, second)

    found = in_tenant(tenant, run)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo(found.words)
        for title, names in (("Lost", found.only_first), ("Won", found.only_second)):
            for name in names:
                typer.echo(f"  {title:<5} {name}")
    if found.is_more_than_noise and len(found.only_first) > len(found.only_second):
        fail("The second run is worse.", FAILED)


async def _wait(
    resources: "Resources", tenant_id: UUID, run_id: UUID, seconds: float
) -> "RunPublic":
    """The run once it is over, or as it is when the time is up."""
    from frontdesk.evaluation import get_run

    until = asyncio.get_running_loop().time() + seconds
    with progress("playing cases") as tell:
        while True:
            async with resources.db.transaction(tenant_id) as session:
                run = await get_run(session, run_id)
            if run.state != "queued" or asyncio.get_running_loop().time() > until:
                return run
            tell(run.done, run.total)
            await asyncio.sleep(LOOK_SECONDS)


async def _agent(session: "Session", agent: str | None) -> UUID:
    """The agent of this name or id, or the only one there is."""
    rows = await session.sql.fetch(
        "SELECT id FROM agent WHERE $1::text IS NULL OR name = $1 OR id::text = $1 LIMIT 2", agent
    )
    if len(rows) != 1:
        raise typer.BadParameter(
            "There are several agents: say --agent." if rows else "There is no such agent."
        )
    found: UUID = rows[0]["id"]
    return found


def _tell_run(
    run: "RunPublic", junit: Path | None, as_json: bool, has_gate: bool, wait_seconds: float
) -> None:
    if junit is not None:
        from frontdesk.evaluation import as_junit

        junit.write_text(as_junit(run), encoding="utf-8")
    if as_json:
        print_json(run.model_dump(mode="json"))
    else:
        _show(run)
    if run.state == "queued":
        fail(f"Run {run.id} is not over after {wait_seconds} seconds; it goes on.", FAILED)
    if run.state == "cancelled":
        fail(f"Run {run.id} was cancelled.", FAILED)
    if run.state == "failed":
        fail(f"Run {run.id} failed: {run.last_error}", FAILED)
    if has_gate and not run.deployment_approved:
        fail(f"It does not clear the gate: {'; '.join(run.gate)}.", FAILED)


def _show(run: "RunPublic") -> None:
    typer.echo(f"Run {run.id}: {run.state}, {run.done} of {run.total} played.")
    for result in run.results:
        if not result.passed:
            typer.echo(f"  FAILED {result.name}: {'; '.join(result.failures)}")
    if (summary := run.summary) is None:
        return
    for tag, counted in summary.tags.items():
        typer.echo(f"  {tag:<20} {counted.passed} of {counted.played}")
    cost = "unknown" if summary.cost_usd is None else f"${summary.cost_usd:.4f}"
    # Traffic is compared with what had been answered; there is nothing it could fail.
    passed = "" if summary.before else f"{summary.pass_rate:.1%} passed; "
    typer.echo(
        f"{passed}p50 {summary.latency_p50_seconds or 0:.2f} s, p95 "
        f"{summary.latency_p95_seconds or 0:.2f} s; {summary.input_tokens} + "
        f"{summary.output_tokens} tokens; cost {cost}; spread {summary.spread:.3f}"
    )
    if run.judge is not None:
        typer.echo(run.judge.words)
    for line in (summary.before or {}).get("words", []):
        typer.echo(line)
    if run.deployment_approved:
        typer.echo(f"It clears the gate: {'; '.join(run.gate)}.")


def _format(file: Path) -> Literal["jsonl", "yaml"]:
    return "yaml" if file.suffix in (".yaml", ".yml") else "jsonl"


def _pair(text: str) -> tuple[str, str]:
    name, _, version = text.partition("=")
    return name, version


def _read_json(file: Path) -> Any:
    import json

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{file} is no JSON: {error}") from None
