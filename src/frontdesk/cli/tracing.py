"""The command that tells how a message came about, as a tree."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from frontdesk.cli.prompting import Tenant
from frontdesk.cli.telling import AsJson, print_json
from frontdesk.cli.tending import _caller, _with_resources

if TYPE_CHECKING:
    from frontdesk.core.resources import Resources
    from frontdesk.pipeline import ExplanationPublic


@dataclass
class Node:
    """A line of the tree and what hangs under it."""

    text: str
    is_trouble: bool = False
    under: list["Node"] = field(default_factory=list)


def trace(
    any_id: Annotated[
        UUID,
        typer.Argument(
            metavar="ID",
            help="Of a message, a turn, a model call or its request; while traces are on, X-Request-ID.",
        ),
    ],
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> None:
    """Tell how a message came about: each stage of its turn, the knowledge, the models, the check.

    Of a message of the contact, what became of it. The same as `GET /api/v1/messages/{id}/explain`.
    Exits with 1 when there is nothing of this id.

    \b
    Examples:
      frontdesk trace 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e009
      frontdesk trace 0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e010 --tenant green-leaf --json
    """

    async def run(resources: "Resources") -> "list[ExplanationPublic]":
        from frontdesk import pipeline

        tenant_id = await _tenant_of(resources, any_id, tenant)
        async with resources.db.transaction(tenant_id) as session:
            return await pipeline.explain_any(session, any_id)

    found = _with_resources(run)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    for explanation in found:
        _print(tree_of(explanation))


async def _tenant_of(resources: "Resources", any_id: UUID, tenant: str | None) -> UUID:
    from frontdesk.core.errors import NotFound

    found: UUID | None
    if tenant is not None:
        found = (await _caller(resources, tenant)).tenant_id
    else:
        found = await _search(resources, any_id)
    if found is None:
        raise NotFound(f"There is no message, turn or request {any_id}.")
    return found


async def _search(resources: "Resources", any_id: UUID) -> UUID | None:
    found: UUID | None
    async with resources.db.system() as connection:
        # Tenant by tenant, as each row is found by tenant and id.
        found = await connection.fetchval(
            "SELECT t.id FROM tenant t "
            "WHERE EXISTS (SELECT 1 FROM message m WHERE m.tenant_id = t.id AND m.id = $1) "
            "OR EXISTS (SELECT 1 FROM turn u WHERE u.tenant_id = t.id AND u.id = $1) "
            "OR EXISTS (SELECT 1 FROM llm_call c WHERE c.tenant_id = t.id AND c.id = $1)",
            any_id,
        )
        if found is None:
            found = await connection.fetchval(
                # A request has no row of its own. With --tenant it is found by its time.
                "SELECT tenant_id FROM llm_call WHERE request_id = $1 UNION ALL "
                "SELECT tenant_id FROM outbound WHERE traceparent LIKE '00-' || $2 || '-%' LIMIT 1",
                any_id,
                any_id.hex,
            )
    return found


def tree_of(told: "ExplanationPublic") -> Node:
    """An explanation as a tree of lines."""
    top = Node(f"{told.direction} {told.message_id}: {told.summary}")
    for asked in told.asked:
        top.under.append(Node(f"asked: {asked.text or '(no text)'}"))
    for step in told.steps:
        took = f" ({step.seconds:.3f} s)" if step.seconds is not None else ""
        node = Node(f"{step.stage}{took}: {step.text}", step.is_trouble)
        if step.stage == "prompt":
            node.under += _knowledge(told)
        top.under.append(node)
    if told.calls:
        top.under.append(Node("models", under=list(_calls(told))))
    if told.direction == "out":
        top.under.append(Node(f"sent: {told.text}"))
    by = [*told.sent_by.prompts, *told.sent_by.experiments]
    if told.sent_by.agent_version is not None:
        by.insert(0, f"agent version {told.sent_by.agent_version}")
    if by or told.sent_by.draft:
        top.under.append(Node(f"by: {', '.join(by)} {told.sent_by.draft or ''}".rstrip()))
    cost = "unknown" if told.cost_usd is None else f"{told.cost_usd:.6f} USD"
    seconds = f", {told.seconds:.2f} s" if told.seconds is not None else ""
    top.under.append(
        Node(f"took: {told.input_tokens} + {told.output_tokens} tokens, {cost}{seconds}")
    )
    if told.delivery:
        top.under.append(Node(f"delivery: {told.delivery}", bool(told.error)))
    if told.trace_id:
        top.under.append(Node(f"trace: {told.trace_id}"))
    top.under += [Node(f"gone: {line}", is_trouble=True) for line in told.gone]
    return top


def _knowledge(told: "ExplanationPublic") -> Iterator[Node]:
    for piece in told.knowledge:
        named = ", named by the model" if piece.was_named else ""
        node = Node(
            f"{piece.rank}. {piece.title} [{piece.chunk_id}]: {piece.found_by}{named}",
            piece.is_gone,
        )
        if piece.text:
            node.under.append(Node(" ".join(piece.text.split())[:160]))
        yield node


def _calls(told: "ExplanationPublic") -> Iterator[Node]:
    for call in told.calls:
        cost = "cost unknown" if call.cost_usd is None else f"{call.cost_usd:.6f} USD"
        why = f", {call.why}" if call.why else ""
        yield Node(
            f"{call.feature}: {call.model} {call.outcome}{why} ({call.seconds:.2f} s, {cost}) "
            f"[{call.call_id}]",
            call.outcome != "ok",
        )


def _print(tree: Node) -> None:
    """Draw the tree where somebody looks on; else plain lines, each as deep as it stands."""
    import sys

    if not sys.stdout.isatty():
        typer.echo("\n".join(_plain([tree])))
        return
    from rich.console import Console
    from rich.text import Text
    from rich.tree import Tree

    def grow(branch: Tree, nodes: Sequence[Node]) -> None:
        for node in nodes:
            grow(branch.add(Text(node.text, "yellow" if node.is_trouble else "")), node.under)

    drawn = Tree(Text(tree.text, "bold"))
    grow(drawn, tree.under)
    Console().print(drawn)


def _plain(nodes: Sequence[Node], depth: int = 0) -> Iterator[str]:
    for node in nodes:
        yield "  " * depth + node.text
        yield from _plain(node.under, depth + 1)
