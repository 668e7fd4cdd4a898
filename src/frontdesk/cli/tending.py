"""Commands of whoever looks after a deployment: dead letters, and whether its promises hold."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from frontdesk.cli.telling import EXIT_CODES, FAILED, AsJson, coloured, fail, print_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontdesk.core.resources import Resources
    from frontdesk.pipeline import Caller, Change, Letter

dead = typer.Typer(
    help="""\
Work that will not go on by itself: see it, try it again, or let it go.

\b
  webhook  what WhatsApp told could not be received; the cause is in the code or in the body
  burst    answering it failed too often; a person has it
  send     a message failed, or nobody knows whether it arrived

What to do about each is in docs/runbooks/dead-letters.md.

\b
Examples:
  frontdesk dead list
  frontdesk dead show 177
  frontdesk dead replay 177""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LetterId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="Its id as `frontdesk dead list` prints it, or a webhook's number."
    ),
]
Tenant = Annotated[
    str | None, typer.Option(help="Only what concerns this tenant: its short name or its id.")
]
MOST = 1_000


@dead.command("list", epilog=EXIT_CODES)
def dead_list(
    tenant: Tenant = None,
    kind: Annotated[
        Literal["webhook", "burst", "send"] | None, typer.Option(help="Only those of this kind.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="Show so many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List dead letters of all tenants, newest first.

    \b
    Examples:
      frontdesk dead list
      frontdesk dead list --tenant green-leaf --kind send
      frontdesk dead list --json | jq -r '.[].id'
    """

    async def run(resources: "Resources") -> "list[Letter]":
        from frontdesk import pipeline

        return await pipeline.list_letters(
            resources,
            await _caller(resources, tenant),
            kind=pipeline.Kind(kind) if kind else None,
            limit=limit,
        )

    letters = _with_resources(run)
    if as_json:
        print_json([_plain(letter) for letter in letters])
        return
    if not letters:
        typer.echo("There are no dead letters.")
        return
    for letter in letters:
        number = f" (number {letter.number})" if letter.number is not None else ""
        typer.echo(
            f"{letter.id}  {letter.kind:<7}  {coloured(letter.state, 15)}  {letter.at:%Y-%m-%d %H:%M}"
        )
        typer.echo(f"    {letter.reason or 'No reason was recorded.'}{number}")
    more = f" There may be more: --limit {MOST}." if len(letters) == limit < MOST else ""
    typer.echo(f"\n{len(letters)} in all.{more} Next: frontdesk dead show ID")


@dead.command("show", epilog=EXIT_CODES)
def dead_show(letter_id: LetterId, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Show a dead letter with what it holds, and what can be done about it.

    With --tenant a webhook shows only the part that concerns the tenant; without, the whole body
    as it came, which may hold contacts' messages: mind who reads along.

    \b
    Examples:
      frontdesk dead show 177
      frontdesk dead show 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --json
    """

    async def run(resources: "Resources") -> "Letter":
        from frontdesk import pipeline

        by = await _caller(resources, tenant)
        return await pipeline.get_letter(resources, by, await _id(resources, letter_id))

    letter = _with_resources(run)
    if as_json:
        print_json(_plain(letter))
        return
    shown = _plain(letter)
    contents, next_step = shown.pop("contents"), shown.pop("next_step")
    for name, value in shown.items():
        typer.echo(f"{name:<16} {value if value not in (None, '', []) else '–'}")
    for part in contents:
        typer.echo("")
        if isinstance(part.get("raw"), str):
            typer.echo(part["raw"])
        else:
            print_json(part)
    typer.echo(f"\n{next_step}")
    if (letter.kind, letter.state) in (("webhook", "dead"), ("send", "failed")):
        typer.echo(f"Next: frontdesk dead replay {letter.id}")
    elif letter.state == "needs_attention":
        typer.echo(f"It arrived: frontdesk dead discard {letter.id} --arrived")
        typer.echo(f"It did not: frontdesk dead replay {letter.id}")


@dead.command("replay", epilog=EXIT_CODES)
def dead_replay(letter_id: LetterId, tenant: Tenant = None, as_json: AsJson = False) -> None:
    """Try a dead letter again: receive a webhook from the start, or send a message again.

    Safe to repeat: when it is under way or has succeeded, nothing changes. A message of which
    nobody knows whether it arrived is sent twice if it had. It is written into the tenant's audit
    log. A burst can't be replayed, as a person has it: exits with 1.

    \b
    Examples:
      frontdesk dead replay 177
      frontdesk dead list --kind webhook --json | jq -r '.[].id' | xargs -n 1 frontdesk dead replay
    """

    async def run(resources: "Resources") -> "Change":
        from frontdesk import pipeline

        by = await _caller(resources, tenant)
        return await pipeline.replay_letter(resources, by, await _id(resources, letter_id))

    _tell(_with_resources(run), as_json)


@dead.command("discard", epilog=EXIT_CODES)
def dead_discard(
    letter_id: LetterId,
    tenant: Tenant = None,
    arrived: Annotated[
        bool,
        typer.Option("--arrived", help="It is a message that did arrive: count it as sent."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Let go of a dead letter: it is listed no more; what it is about stays as it is.

    Safe to repeat. A webhook that was let go is deleted after RETENTION__WEBHOOK_DAYS, and can be
    replayed until then. A burst can't be discarded, as a person has it: exits with 1.

    \b
    Examples:
      frontdesk dead discard 177
      frontdesk dead discard 177 --tenant green-leaf
      frontdesk dead discard 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 --arrived
    """

    async def run(resources: "Resources") -> "Change":
        from frontdesk import pipeline

        by = await _caller(resources, tenant)
        found = await _id(resources, letter_id)
        return await pipeline.discard_letter(resources, by, found, arrived=arrived)

    _tell(_with_resources(run), as_json)


def invariants(
    older_than_minutes: Annotated[
        float,
        typer.Option(min=0, help="What is due for longer than this counts as forgotten."),
    ] = 10,
    as_json: AsJson = False,
) -> None:
    """Prove with SQL that the promises hold: no message without its one outcome, nothing forgotten.

    Reads all tenants in one snapshot and changes nothing; safe at any time, though it reads whole
    tables. Needs only the DATABASE__ settings. Exits with 1 when a promise is broken.

    \b
    Examples:
      frontdesk invariants
      frontdesk invariants --older-than-minutes 30 --json
    """
    import asyncio

    results = asyncio.run(_check(older_than_minutes))
    broken = [result for result in results if not result.ok]
    if as_json:
        print_json(
            [
                {
                    "name": result.name,
                    "words": result.words,
                    "ok": result.ok,
                    "broken": result.broken,
                    "examples": result.examples,
                }
                for result in results
            ]
        )
    else:
        for result in results:
            how = "ok" if result.ok else f"BROKEN {result.broken} times"
            typer.echo(f"{result.name:<28} {coloured(how)}\n    {result.words}")
            for example in result.examples:
                typer.echo(f"    - {example}")
    if broken:
        names = ", ".join(result.name for result in broken)
        fail(f"Broken: {names}. What to do: docs/runbooks/promise-broken.md.", FAILED)


async def _check(older_than_minutes: float) -> Any:
    from frontdesk.core.db import Database
    from frontdesk.core.settings import load_database_settings
    from frontdesk.observability import check_invariants

    database = Database(load_database_settings(), {})
    await database.open()
    try:
        async with database.system() as connection:
            return await check_invariants(connection, older_than_minutes=older_than_minutes)
    finally:
        await database.close()


def _with_resources(run: "Callable[[Resources], Awaitable[Any]]") -> Any:
    """What `run` gives with the settings' open resources; logs go to standard error."""
    import asyncio

    from frontdesk.core.logging import configure_logging
    from frontdesk.core.resources import open_resources
    from frontdesk.core.settings import load_settings
    from frontdesk.subscriptions import SUBSCRIPTIONS

    settings = load_settings()
    secret = settings.security.session_secret.get_secret_value()
    # Standard output is for the answer alone, which programs read.
    configure_logging(settings.log, hash_key=secret, stream=sys.stderr)

    async def opened() -> Any:
        async with open_resources(settings, SUBSCRIPTIONS) as resources:
            return await run(resources)

    return asyncio.run(opened())


async def _caller(resources: "Resources", tenant: str | None) -> "Caller":
    """The operator, or the operator with the eyes of one tenant."""
    from frontdesk.pipeline import OPERATOR, Caller

    return OPERATOR if tenant is None else Caller(tenant_id=await find_tenant(resources, tenant))


async def find_tenant(resources: "Resources", tenant: str) -> UUID:
    """The id of the tenant with this short name or id; raises `NotFound`."""
    from frontdesk.core.errors import NotFound

    async with resources.db.system() as connection:
        found: UUID | None = await connection.fetchval(
            "SELECT id FROM tenant WHERE slug = $1 OR id::text = $1", tenant.lower()
        )
    if found is None:
        raise NotFound(f"There is no tenant “{tenant}”.")
    return found


async def _id(resources: "Resources", text: str) -> UUID:
    """The id a dead letter is known by: as given, or found by a webhook's number."""
    from frontdesk import pipeline

    if text.isdecimal():
        return await pipeline.find_number(resources, int(text))
    try:
        return UUID(text)
    except ValueError:
        raise typer.BadParameter(f"“{text}” is no id and no number of a webhook.") from None


def _plain(letter: "Letter") -> dict[str, Any]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "state": letter.state,
        "at": letter.at.isoformat(),
        "reason": letter.reason,
        "attempts": letter.attempts,
        "number": letter.number,
        "tenant_ids": [str(tenant_id) for tenant_id in letter.tenant_ids],
        "conversation_id": letter.conversation_id,
        "contents": letter.contents,
        "next_step": letter.next_step,
    }


def _tell(change: "Change", as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "changed": change.changed,
                "message": change.message,
                "letter": _plain(change.letter),
            }
        )
        return
    typer.echo(change.message if change.changed else f"Nothing changed: {change.message}")
    if change.changed and change.letter.kind == "webhook" and change.letter.state == "pending":
        typer.echo(f"What became of it: frontdesk dead show {change.letter.id}")
