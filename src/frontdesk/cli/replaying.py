"""The command that makes a recorded model call again and shows what differs."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from frontdesk.cli.progress import progress
from frontdesk.cli.prompting import Tenant
from frontdesk.cli.telling import FAILED, AsJson, fail, print_json
from frontdesk.cli.tending import _caller, _with_resources

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources
    from frontdesk.observability import LlmCallPublic
    from frontdesk.pipeline import ReplayPublic

LOOK_SECONDS = 0.2


def replay(
    call_id: Annotated[UUID, typer.Argument(metavar="ID", help="Of the call, in /llm-calls.")],
    prompt: Annotated[
        str | None,
        typer.Option(help="current for the prompt in use, or a version; else as recorded."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Another model, as provider/model; else as recorded.")
    ] = None,
    knowledge: Annotated[
        Literal["recorded", "current"], typer.Option(help="Facts of then, or looked up again.")
    ] = "recorded",
    tenant: Tenant = None,
    wait_seconds: Annotated[
        int, typer.Option(min=1, help="How long to wait for a worker to make it.")
    ] = 120,
    as_json: AsJson = False,
) -> None:
    """Make a recorded model call again, as it was or with one thing changed, and compare the two.

    A worker makes it. It costs what a call costs, as feature `replay`, and touches no conversation.
    Exits with 1 when the text of the call is gone (RETENTION__LLM_TEXT_DAYS), or no model answered.

    \b
    Examples:
      frontdesk replay 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001
      frontdesk replay 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --prompt current --knowledge current
      frontdesk replay 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --model openai/gpt-4o-mini --json
    """
    from pydantic import ValidationError

    async def run(resources: "Resources") -> "ReplayPublic":
        from frontdesk import pipeline
        from frontdesk.observability import Knowledge

        tenant_id = await _tenant_of(resources, call_id, tenant)
        try:
            body = pipeline.ReplayCreate(prompt=prompt, model=model, knowledge=Knowledge(knowledge))
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False)
            raise typer.BadParameter(f"--{first['loc'][0]}: {first['msg']}.") from None
        async with resources.db.transaction(tenant_id) as session:
            made = await pipeline.start_replay(session, call_id, body, who=None)
        return await _wait(resources, tenant_id, made, wait_seconds)

    made = _with_resources(run)
    if as_json:
        print_json(made.model_dump(mode="json"))
    else:
        _show(made)
    if made.state == "queued":
        fail(
            f"No worker has made replay {made.id} within {wait_seconds} seconds; it stays due.",
            FAILED,
        )
    if made.state == "failed":
        fail(f"There is no answer: {made.last_error}", FAILED)


async def _wait(
    resources: "Resources", tenant_id: UUID, made: "ReplayPublic", seconds: float
) -> "ReplayPublic":
    """The replay once it is done, or as it is when the time is up."""
    from frontdesk import pipeline

    until = asyncio.get_running_loop().time() + seconds
    began = asyncio.get_running_loop().time()
    with progress("waiting for the model, seconds:") as tell:
        while made.state == "queued" and (now := asyncio.get_running_loop().time()) < until:
            tell(round(now - began), None)
            await asyncio.sleep(LOOK_SECONDS)
            async with resources.db.transaction(tenant_id) as session:
                made = await pipeline.get_replay(session, made.id)
    return made


async def _tenant_of(resources: "Resources", call_id: UUID, tenant: str | None) -> UUID:
    from frontdesk.core.errors import NotFound

    found: UUID | None
    if tenant is not None:
        found = (await _caller(resources, tenant)).tenant_id
    else:
        async with resources.db.system() as connection:
            # Tenant by tenant, as calls are found by tenant and id.
            found = await connection.fetchval(
                "SELECT t.id FROM tenant t WHERE EXISTS "
                "(SELECT 1 FROM llm_call c WHERE c.tenant_id = t.id AND c.id = $1)",
                call_id,
            )
    if found is None:
        raise NotFound(f"There is no call {call_id}.")
    return found


def _show(made: "ReplayPublic") -> None:
    calls: list[LlmCallPublic | None] = [made.before, made.after]
    for title, name in (
        ("model", "model_asked"),
        ("prompt", "prompt_version"),
        ("outcome", "outcome"),
        ("input tokens", "input_tokens"),
        ("output tokens", "output_tokens"),
        ("cost, USD", "cost_usd"),
        ("seconds", "latency_seconds"),
    ):
        values = [getattr(call, name) if call else None for call in calls]
        shown = [
            "–" if v is None else f"{v:.3f}" if isinstance(v, float) else str(v) for v in values
        ]
        typer.echo(f"{title:<14} {shown[0]:<32} {shown[1]}")
    if made.remark:
        typer.echo(f"\n{made.remark}")
    if made.prompt_diff:
        typer.echo(f"\nWhat it was sent:\n{made.prompt_diff}")
    if made.after:
        typer.echo(f"\nWhat it answered:\n{made.diff or 'the same'}")
