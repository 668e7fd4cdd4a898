"""Commands of knowledge: give an agent something to answer from, see how far it is, and try it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from frontdesk.cli.progress import progress
from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, coloured, fail, print_json
from frontdesk.cli.tending import _caller, _with_resources

if TYPE_CHECKING:
    from frontdesk.core.db import Transaction
    from frontdesk.core.resources import Resources

kb = typer.Typer(
    help="""\
What agents answer from: add a file, a page or a whole site, see how far it is, try a question.

A running worker takes it in.

\b
Examples:
  frontdesk kb add handbook.pdf --tenant green-leaf
  frontdesk kb add https://shop.example/help --pages 50 --tenant green-leaf
  frontdesk kb status --tenant green-leaf
  frontdesk kb search "how long does shipping take?" --tenant green-leaf
  frontdesk kb gaps --tenant green-leaf""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

WAIT_SECONDS, LOOK_SECONDS = 600, 0.5
Tenant = Annotated[str, typer.Option(help="The tenant: its short name or its id.")]
Agent = Annotated[
    UUID | None, typer.Option(help="The agent's id; not needed where there is only one.")
]


@kb.command("add", epilog=EXIT_CODES)
def kb_add(
    source: Annotated[str, typer.Argument(help="A file, or an address with http.")],
    tenant: Tenant,
    agent: Agent = None,
    title: Annotated[str | None, typer.Option(help="What to call it.")] = None,
    pages: Annotated[
        int, typer.Option(min=1, max=500, help="Of a site: read so many pages at most.")
    ] = 1,
    refetch_hours: Annotated[
        int | None, typer.Option(min=1, help="Of a page: look so often whether it has changed.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Until a worker has read it; exits with 1 when that failed."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give an agent a file (text, Markdown, HTML, PDF, DOCX), a page or a site to answer from.

    \b
    Examples:
      frontdesk kb add handbook.pdf --tenant green-leaf --wait
      frontdesk kb add handbook.pdf --tenant green-leaf
      frontdesk kb add https://shop.example/help --pages 50 --refetch-hours 24 --tenant green-leaf
    """

    async def run(resources: "Resources") -> Any:
        from starlette.datastructures import UploadFile

        from frontdesk import knowledge

        tenant_id = await _tenant_id(resources, tenant)
        async with resources.db.hot(tenant_id) as tx:
            agent_id = await _agent_id(tx, agent)
            if source.startswith(("http://", "https://")):
                body = knowledge.PageCreate(
                    agent_id=agent_id,
                    url=source,
                    title=title,
                    most_pages=pages,
                    refetch_hours=refetch_hours,
                )
                return await knowledge.add_page(resources, tx, body)
        with open(source, "rb") as content:  # noqa: ASYNC230  # Nothing else runs here.
            upload = UploadFile(content, filename=Path(source).name)
            return await knowledge.add_file(
                resources, tenant_id, agent_id, upload, title=title, author_id=None
            )

    async def run_and_wait(resources: "Resources") -> Any:
        added = await run(resources)
        return await _wait(resources, await _tenant_id(resources, tenant), added.id)

    added = _with_resources(run_and_wait if wait else run)
    if as_json:
        print_json(added.model_dump(mode="json", exclude={"body"}))
    if wait and added.state != "ready":
        fail(added.last_error or f"{added.id} is {added.state} still.", FAILED)
    if as_json:
        return
    if wait:
        typer.echo(f"{added.id} is ready: {added.chunks} chunks.")
    else:
        typer.echo(f"{added.id} is queued. Next: frontdesk kb status --tenant {tenant}")


@kb.command("status", epilog=EXIT_CODES)
def kb_status(tenant: Tenant, agent: Agent = None, as_json: AsJson = False) -> None:
    """List an agent's sources, newest first, with how far each is.

    \b
    Examples:
      frontdesk kb status --tenant green-leaf
      frontdesk kb status --tenant green-leaf --json | jq '.[] | select(.state == "failed")'
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import knowledge

        async with resources.db.hot(await _tenant_id(resources, tenant)) as tx:
            page = await knowledge.list_sources(tx, agent_id=agent, limit=1000, cursor=None)
            return page.items

    sources = _with_resources(run)
    if as_json:
        print_json([source.model_dump(mode="json") for source in sources])
        return
    for source in sources:
        how = source.state if source.enabled else f"{source.state}, disabled"
        site = f", {source.site_pages_ready} of {source.site_pages} more pages"
        typer.echo(f"{source.id}  {coloured(how, 10)}  {source.title}")
        typer.echo(
            f"    {source.kind}: {source.chunks} chunks, {source.embedded} of them with a vector"
            f"{site if source.site_pages else ''}"
        )
        if source.last_error:
            typer.echo(f"    {source.last_error}")
    typer.echo(f"{len(sources)} in all.")


@kb.command("search", epilog=EXIT_CODES)
def kb_search(
    query: Annotated[str, typer.Argument(help="A question, as a customer would ask it.")],
    tenant: Tenant,
    agent: Agent = None,
    limit: Annotated[int, typer.Option(min=1, max=20, help="Show so many at most.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Show what the agent would be given for a question, best first.

    \b
    Examples:
      frontdesk kb search "how long does shipping take?" --tenant green-leaf
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import knowledge

        tenant_id = await _tenant_id(resources, tenant)
        async with resources.db.hot(tenant_id) as tx:
            agent_id = await _agent_id(tx, agent)
        return await knowledge.look_up(resources, tenant_id, agent_id, query, limit)

    found = _with_resources(run)
    shown = found.chunks[:limit]  # Of little the agent is given all.
    if as_json:
        from dataclasses import asdict

        print_json([asdict(chunk) for chunk in shown])
        return
    for chunk in shown:
        typer.echo(f"{chunk.score:.4f}  {chunk.title}")
        typer.echo(f"    {' '.join(chunk.text.split())[:200]}")
    more = f", the best {len(shown)} of them shown" if len(shown) < len(found.chunks) else ""
    typer.echo(f"{len(found.chunks)} given{more}; fit: {found.relevance.fit}.")
    for reason in found.relevance.reasons:
        typer.echo(f"    {reason}")


@kb.command("gaps", epilog=EXIT_CODES)
def kb_gaps(
    tenant: Tenant,
    agent: Agent = None,
    answered: Annotated[
        bool, typer.Option("--answered", help="Those with an article, and what it is worth.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Show so many at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show what was asked in vain, by meaning, most often first.

    \b
    Examples:
      frontdesk kb gaps --tenant green-leaf
      frontdesk kb gaps --tenant green-leaf --answered --json
    """

    async def run(resources: "Resources") -> Any:
        from frontdesk import knowledge

        state = knowledge.GapState.ANSWERED if answered else knowledge.GapState.OPEN
        tenant_id = await _tenant_id(resources, tenant)
        async with resources.db.hot(tenant_id) as tx:
            agent_id = await _agent_id(tx, agent)
            return await knowledge.list_clusters(tx, agent_id, state=state, limit=limit)

    clusters = _with_resources(run)
    if as_json:
        print_json([cluster.model_dump(mode="json") for cluster in clusters])
        return
    for cluster in clusters:
        typer.echo(f"{cluster.id}  {cluster.times:>4} times in vain  {cluster.questions[0]}")
        for question in cluster.questions[1:4]:
            typer.echo(f"    {question}")
        if cluster.deflection_rate is not None:
            typer.echo(
                f"    since its article: {cluster.deflected} answered, {cluster.times_after} not "
                f"({cluster.deflection_rate:.0%} deflected)"
            )
    typer.echo(f"{len(clusters)} in all.")


async def _tenant_id(resources: "Resources", tenant: str) -> UUID:
    tenant_id = (await _caller(resources, tenant)).tenant_id
    assert tenant_id is not None
    return tenant_id


async def _wait(resources: "Resources", tenant_id: UUID, source_id: UUID) -> Any:
    """A source once it is read, or as it is when the time is up."""
    import asyncio

    from frontdesk import knowledge

    until = asyncio.get_running_loop().time() + WAIT_SECONDS
    with progress("reading, chunks with a vector:") as tell:
        while True:
            async with resources.db.transaction(tenant_id) as tx:
                source = await knowledge.get_source(tx, source_id)
            if source.state in ("ready", "failed") or asyncio.get_running_loop().time() > until:
                return source
            tell(source.embedded, source.chunks)
            await asyncio.sleep(LOOK_SECONDS)


async def _agent_id(tx: "Transaction", agent: UUID | None) -> UUID:
    """The agent that was named, or the tenant's only one."""
    if agent is not None:
        return agent
    agents = await tx.sql.fetch("SELECT id FROM agent ORDER BY id LIMIT 2")
    if len(agents) != 1:
        raise typer.BadParameter("Say which agent is meant: --agent ID.")
    found: UUID = agents[0]["id"]
    return found
