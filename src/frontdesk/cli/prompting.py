"""Commands of prompts: what is in use, what changed, putting it in use, and files of a repository."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from frontdesk.cli.telling import ACT_FIRST, EXIT_CODES, FAILED, AsJson, coloured, fail, print_json
from frontdesk.cli.tending import _caller, _with_resources

if TYPE_CHECKING:
    from frontdesk.core.db import Session
    from frontdesk.core.resources import Resources
    from frontdesk.prompts import PromptPublic, PromptVersionPublic, Pushed

prompts = typer.Typer(
    help="""\
Prompts of a tenant: what is in use, what changed, putting it in use, and files of a repository.

Versions are kept for ever; a label (production, staging, …) says which one is in use. The whole
way is in docs/prompts.md.

\b
Examples:
  frontdesk prompts list
  frontdesk prompts pull --folder prompts
  frontdesk prompts push --folder prompts --publish
  frontdesk prompts rollback reply""",
    no_args_is_help=True,
    rich_markup_mode=None,
)

PRODUCTION = "production"
Tenant = Annotated[
    str | None,
    typer.Option(help="The tenant: its short name or its id. Not needed when there is only one."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="reply, triage, …: see prompts list.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="As prompts push printed it.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]…", help="Only these prompts; else all.")
]
Label = Annotated[str, typer.Option(help="Which label: production, candidate, staging, your own.")]
Override = Annotated[
    str | None,
    typer.Option(help="Why it may go to production without a passing evaluation run; audited."),
]
Folder = Annotated[Path, typer.Option(help="The folder with a file per prompt.", file_okay=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and do nothing.")]
FOLDER = Path("prompts")


@prompts.command("list", epilog=EXIT_CODES)
def prompts_list(tenant: Tenant = None, as_json: AsJson = False) -> None:
    """List the prompts and the version each label stands at; 0.0.0 is the built-in one.

    \b
    Examples:
      frontdesk prompts list
      frontdesk prompts list --tenant green-leaf --json
    """

    async def run(_: "Resources", session: "Session") -> "list[PromptPublic]":
        from frontdesk.prompts import list_prompts

        return await list_prompts(session)

    found = in_tenant(tenant, run)
    if as_json:
        print_json([prompt.model_dump(mode="json") for prompt in found])
        return
    for prompt in found:
        labels = ", ".join(f"{release.label} {release.version}" for release in prompt.labels)
        typer.echo(f"{prompt.name:<10}  {labels}\n    {prompt.description}")


@prompts.command("show", epilog=EXIT_CODES)
def prompts_show(
    name: Name,
    version: Annotated[
        str | None, typer.Argument(metavar="[VERSION]", help="Else what the label stands at.")
    ] = None,
    label: Label = PRODUCTION,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show the text of a prompt, who wrote it and why, and whether it is approved.

    \b
    Examples:
      frontdesk prompts show reply
      frontdesk prompts show reply 1.2.0
      frontdesk prompts show reply --label staging --json
    """

    async def run(_: "Resources", session: "Session") -> "PromptVersionPublic":
        from frontdesk.prompts import get_standing, get_version

        if version is None:
            return await get_standing(session, name, label)
        return await get_version(session, name, version)

    found = in_tenant(tenant, run)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    for title in ("version", "note", "tags", "author_id", "created_at", "state", "labels"):
        value = getattr(found, title)
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{title:<11} {shown or '–'}")
    typer.echo(f"\n{found.content}", nl=False)


@prompts.command("diff", epilog=EXIT_CODES)
def prompts_diff(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Only this prompt; else all in the folder."),
    ] = None,
    versions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FROM TO]", help="Two versions; else the file is compared."),
    ] = None,
    folder: Folder = FOLDER,
    label: Label = PRODUCTION,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Show what changed between two versions, or from what a label stands at to the files.

    Exits with 1 when files differ, like diff.

    \b
    Examples:
      frontdesk prompts diff reply 1.0.0 1.0.1
      frontdesk prompts diff --folder prompts
      frontdesk prompts diff reply --label staging
    """
    if versions:
        if len(versions) != 2:
            raise typer.BadParameter("Say two versions, from and to.")
        _diff_versions(tenant, str(name), versions, as_json)
        return
    files = _read_folder(folder, [name] if name else None)

    async def run(_: "Resources", session: "Session") -> dict[str, str]:
        from frontdesk.core.text import difference
        from frontdesk.prompts import get_standing

        found = {}
        for each, body in files.items():
            present = await get_standing(session, each, label)
            names = (f"{each} {present.version}", f"{folder / each}.md")
            content = body.content.rstrip() + "\n"
            found[each] = difference(present.content, content, names=names)
        return found

    found = in_tenant(tenant, run)
    if as_json:
        print_json(found)
    else:
        typer.echo("".join(found.values()), nl=False)
    if differing := [each for each, diff in found.items() if diff]:
        fail(f"Changed against {label}: {', '.join(differing)}.", FAILED)


def _diff_versions(tenant: str | None, name: str, versions: list[str], as_json: bool) -> None:
    async def run(_: "Resources", session: "Session") -> Any:
        from frontdesk.prompts import diff_versions

        return await diff_versions(session, name, *versions)

    found = in_tenant(tenant, run)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo(found.diff, nl=False)


@prompts.command("approve", epilog=EXIT_CODES)
def prompts_approve(
    name: Name,
    version: Version,
    by: Annotated[str, typer.Option(metavar="EMAIL", help="The admin who answers for it.")],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Let a version pass, in the name of an admin who has not written it. Safe to repeat.

    \b
    Examples:
      frontdesk prompts approve reply 1.0.1 --by olive@lumen-oak.example
    """

    async def run(_: "Resources", session: "Session") -> "PromptVersionPublic":
        from frontdesk.identity import find_admin
        from frontdesk.prompts import approve_version

        approved_by = await find_admin(session, by)
        return await approve_version(session, name, version, approved_by=approved_by)

    found = in_tenant(tenant, run)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo(f"{name} {found.version} is {found.state}.")


@prompts.command("publish", epilog=EXIT_CODES)
def prompts_publish(
    name: Name,
    version: Version,
    label: Label = PRODUCTION,
    override: Override = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Move a label to a version; it is in use everywhere within two seconds, for the next turn.

    Safe to repeat. Where the tenant asks for approval, production takes only approved versions; where
    it asks for an evaluation run, only those that passed one, or with --override and a reason.

    \b
    Examples:
      frontdesk prompts publish reply 1.0.1
      frontdesk prompts publish reply 1.1.0 --label candidate
    """

    async def run(resources: "Resources", session: "Session") -> "PromptPublic":
        from frontdesk.prompts import publish_version

        return await publish_version(
            session, resources, name, version, label=label, override=override
        )

    _tell_labels(in_tenant(tenant, run), as_json)


@prompts.command("rollback", epilog=EXIT_CODES)
def prompts_rollback(
    name: Name, label: Label = PRODUCTION, tenant: Tenant = None, as_json: AsJson = False
) -> None:
    """Let a label stand where it stood before its last publication; again, and one further back.

    \b
    Examples:
      frontdesk prompts rollback reply
      frontdesk prompts rollback reply --label staging --tenant green-leaf
    """

    async def run(resources: "Resources", session: "Session") -> "PromptPublic":
        from frontdesk.prompts import roll_back

        return await roll_back(session, resources, name, label=label)

    _tell_labels(in_tenant(tenant, run), as_json)


@prompts.command("pull", epilog=EXIT_CODES)
def prompts_pull(
    names: Names = None,
    folder: Folder = FOLDER,
    label: Label = PRODUCTION,
    tenant: Tenant = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Write what a label stands at into a folder, a file per prompt; what is there is overwritten.

    \b
    Examples:
      frontdesk prompts pull --folder prompts
      frontdesk prompts pull reply --label staging --dry-run
    """

    async def run(_: "Resources", session: "Session") -> "dict[str, PromptVersionPublic]":
        from frontdesk.prompts import DEFAULT_PROMPTS, get_standing

        return {each: await get_standing(session, each, label) for each in names or DEFAULT_PROMPTS}

    found = in_tenant(tenant, run)
    from frontdesk.prompts import file_text

    done = []
    for each, version in found.items():
        path, text = folder / f"{each}.md", file_text(version)
        same = path.exists() and path.read_text(encoding="utf-8") == text
        if not same and not dry_run:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        action = "unchanged" if same else "written"
        done.append({"name": each, "version": version.version, "file": str(path), "action": action})
    if as_json:
        print_json(done)
        return
    for item in done:
        would = "would be " if dry_run and item["action"] == "written" else ""
        typer.echo(f"{item['file']}  {item['version']}  {would}{item['action']}")


@prompts.command("push", epilog=EXIT_CODES)
def prompts_push(
    names: Names = None,
    folder: Folder = FOLDER,
    label: Label = PRODUCTION,
    publish: Annotated[
        bool, typer.Option("--publish", help="Also move the label to the versions.")
    ] = False,
    override: Override = None,
    tenant: Tenant = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Make versions of the files in a folder that are new, all of them or, when one is wrong, none.

    Safe to repeat: a text that there is already makes no version, and publishing it again changes
    nothing. Exits with 3 when a version has to be approved, or to pass an evaluation run, before it can
    be published.

    \b
    Examples:
      frontdesk prompts push --dry-run
      frontdesk prompts push reply --folder prompts --publish
      frontdesk prompts push --publish --label staging --json
    """
    files = _read_folder(folder, names)

    async def run(resources: "Resources", session: "Session") -> "list[Pushed]":
        from frontdesk.prompts import push_file

        return [
            await push_file(
                session, resources, each, body, label=label, publish=publish, override=override
            )
            for each, body in files.items()
        ]

    pushed = in_tenant(tenant, run, keep=not dry_run)
    waiting = [item.name for item in pushed if item.action == "awaits_approval"]
    unproven = [item.name for item in pushed if item.action == "awaits_run"]
    if as_json:
        print_json([vars(item) for item in pushed])
    else:
        for item in pushed:
            typer.echo(f"{item.name:<10}  {item.version}  {coloured(item.action)}")
            typer.echo(item.diff, nl=False)
        if dry_run:
            typer.echo("Nothing was kept: this was a dry run.")
    if waiting:
        fail(f"To be approved by another user first: {', '.join(waiting)}.", ACT_FIRST)
    if unproven:
        fail(
            f"To pass an evaluation run first: {', '.join(unproven)}. See frontdesk eval run --help.",
            ACT_FIRST,
        )


def _read_folder(folder: Path, names: list[str] | None) -> dict[str, Any]:
    """What the files ask for, by prompt; of a whole folder every .md file but a README counts."""
    from frontdesk.prompts import read_file

    paths = [folder / f"{name}.md" for name in names] if names else sorted(folder.glob("*.md"))
    if not paths:
        fail(f"There are no prompt files in {folder}. First: frontdesk prompts pull", FAILED)
    return {
        path.stem: read_file(path.stem, path.read_text(encoding="utf-8"))
        for path in paths
        if path.stem != "README"
    }


def _tell_labels(prompt: "PromptPublic", as_json: bool) -> None:
    if as_json:
        print_json(prompt.model_dump(mode="json"))
        return
    for release in prompt.labels:
        typer.echo(f"{prompt.name}: {release.label} stands at {release.version}.")


class _NotKept(Exception):
    """Ends a dry run's transaction without a commit."""


def in_tenant(
    tenant: str | None,
    run: "Callable[[Resources, Session], Awaitable[Any]]",
    *,
    keep: bool = True,
) -> Any:
    """What `run` gives inside one transaction of the tenant, which is undone unless it is kept."""

    async def opened(resources: "Resources") -> Any:
        tenant_id = await find_tenant(resources, tenant)
        try:
            async with resources.db.transaction(tenant_id) as session:
                found = await run(resources, session)
                if not keep:
                    raise _NotKept  # noqa: TRY301  # Nothing else ends a transaction uncommitted.
        except _NotKept:
            pass
        return found

    return _with_resources(opened)


async def find_tenant(resources: "Resources", tenant: str | None) -> UUID:
    """The tenant of this short name or id, or the only one there is."""
    if tenant is not None:
        found = (await _caller(resources, tenant)).tenant_id
        assert found is not None
        return found
    async with resources.db.system() as connection:
        rows = await connection.fetch("SELECT id FROM tenant LIMIT 2")
    if len(rows) != 1:
        raise typer.BadParameter(
            "There are several tenants: say --tenant." if rows else "There is no tenant."
        )
    only: UUID = rows[0]["id"]
    return only
