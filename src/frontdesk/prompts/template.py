"""Templates of prompts: a small, safe part of Jinja2, checked when written and again by its use.

Allowed are variables, `if`, `for` over a variable, comparisons and a few filters. Templates come
from tenants, so nothing in them may call, compute, reach into objects or grow without bound:
`'a' * 50000000` renders 50 MB in a third of a second in Jinja2's own sandbox.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from frontdesk.prompts.errors import PromptInvalid

MAX_TEMPLATE_CHARACTERS = 20_000
MAX_OUTPUT_CHARACTERS = 60_000
_MAX_DEPTH = 40
_MAX_CONSTANT_CHARACTERS = 200

FILTERS = frozenset({"capitalize", "default", "length", "lower", "title", "trim", "upper"})
TESTS = frozenset({"defined", "none", "true", "false"})
_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Test,
    nodes.Filter,
)
# What the blocks of our prompts are fenced with; a value must not close its own fence.
_BLOCKS = (
    "facts messages message transcript draft memory tool_results colleague_note tools questions "
    "question pieces asked answer text explain reason"
)
_FENCE = re.compile(rf"<(?=\s*/?\s*({_BLOCKS.replace(' ', '|')})\b)", re.IGNORECASE)

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
)
_environment.globals.clear()


def as_data(text: str) -> str:
    """A text that can't close the block it is put into."""
    return _FENCE.sub("‹", text)


def find_variables(content: str) -> list[str]:
    """The variables a template uses, sorted.

    Raises:
        PromptInvalid: it is too long, no template, or does more than a prompt needs.
    """
    if len(content) > MAX_TEMPLATE_CHARACTERS:
        raise PromptInvalid(f"A prompt has at most {MAX_TEMPLATE_CHARACTERS} characters.")
    try:
        tree = _environment.parse(content)
        for complaint in _complaints(tree, depth=0, loops=0):
            raise PromptInvalid(complaint)
        _compiled(content)
        return sorted(find_undeclared_variables(tree))
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f" (line {line})" if line else ""
        raise PromptInvalid(f"The template can't be read{where}: {error.message}.") from error
    except (RecursionError, MemoryError, SyntaxError, ValueError) as error:
        # Thousands of brackets, or a number of thousands of digits.
        raise PromptInvalid("The template is nested too deeply.") from error


def render(content: str, variables: Mapping[str, Any]) -> str:
    """The template with its variables filled in.

    Raises:
        PromptInvalid: a variable is missing, or the text grows beyond 60,000 characters.
    """
    values = {
        name: as_data(value) if isinstance(value, str) else value
        for name, value in variables.items()
    }
    parts: list[str] = []
    size = 0
    try:
        for part in _compiled(content).generate(values):
            size += len(part)
            if size > MAX_OUTPUT_CHARACTERS:
                raise PromptInvalid(f"The text is longer than {MAX_OUTPUT_CHARACTERS} characters.")
            parts.append(part)
    except (TemplateError, TypeError, ValueError) as error:
        raise PromptInvalid(f"The prompt can't be filled in: {error}.") from error
    return "".join(parts)


@lru_cache(maxsize=256)
def _compiled(content: str) -> Template:
    # Compiling takes milliseconds, filling in takes microseconds.
    return _environment.from_string(content)


def _complaints(node: nodes.Node, *, depth: int, loops: int) -> Iterator[str]:
    """What a prompt may not do, the first thing first."""
    at = f" (line {node.lineno})" if node.lineno else ""
    if depth > _MAX_DEPTH:
        yield f"The template is nested too deeply{at}."
        return
    if isinstance(node, nodes.Getattr) and _is_loop_part(node):
        return
    if not isinstance(node, _ALLOWED):
        yield f"Only variables, if, for, comparisons and a few filters are allowed{at}."
        return
    if isinstance(node, nodes.For):
        loops += 1
        if loops > 1 or node.recursive or not isinstance(node.iter, nodes.Name):
            yield f"A loop goes over one variable and holds no other loop{at}."
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        yield f"There is no filter {node.name}{at}; there are {', '.join(sorted(FILTERS))}."
    if isinstance(node, nodes.Test) and node.name not in TESTS:
        yield f"There is no test {node.name}{at}; there are {', '.join(sorted(TESTS))}."
    if (
        isinstance(node, nodes.Const)
        and isinstance(node.value, str)
        and len(node.value) > _MAX_CONSTANT_CHARACTERS
    ):
        yield f"A text inside an expression is too long{at}."
    for child in node.iter_child_nodes():
        yield from _complaints(child, depth=depth + 1, loops=loops)


def _is_loop_part(node: nodes.Getattr) -> bool:
    return (
        isinstance(node.node, nodes.Name)
        and node.node.name == "loop"
        and node.attr in ("first", "last", "index")
    )
