"""Cutting a text into pieces that stand by themselves: a pure function over Markdown."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter

# Characters: whole paragraphs of this size are found well and cost little in a prompt.
CHUNK_CHARACTERS = (500, 900)
PATH_SEPARATOR = " › "
_MAX_HEADING_CHARACTERS = 200
# The splitter's time grows with the square of what it is given, and nothing else runs meanwhile.
_PORTION_CHARACTERS = 20_000
# Two orders above what a text of the largest size has; each is a row with two indexes.
MAX_PIECES = 10_000

# The closing #s are taken off afterwards: as part of the pattern they can be matched in so many
# ways that one long line takes for ever.
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*)$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")


@dataclass(frozen=True)
class Piece:
    """A piece of a source: the title and the headings above it, and its text without them."""

    heading: str
    text: str


def split(title: str, body: str) -> list[Piece]:
    """The pieces of a Markdown text; none when it holds nothing but headings.

    Each section is cut by itself, at paragraphs and sentences, so no piece mixes two topics, and
    each piece knows the headings it stood under. Takes seconds at most, whatever the text.

    Raises:
        ValueError: it falls into more than `MAX_PIECES`.
    """
    pieces = []
    for path, text in _sections(body):
        names = [title, *path]
        if path and path[0].casefold() == title.casefold():
            names = list(path)
        heading = PATH_SEPARATOR.join(names)[:_MAX_HEADING_CHARACTERS]
        for portion in _portions(text):
            parts = (part.strip() for part in _splitter().chunks(portion))
            pieces += [Piece(heading, part) for part in parts if part]
        if len(pieces) > MAX_PIECES:
            raise ValueError(f"it has more than {MAX_PIECES:,} sections; make fewer, longer ones")
    return pieces


def _portions(text: str) -> Iterator[str]:
    """The text in portions, cut where a reader would pause if there is such a place."""
    start = 0
    while len(text) - start > _PORTION_CHARACTERS:
        end = start + _PORTION_CHARACTERS
        for pause in ("\n\n", "\n", ". ", " "):
            found = text.rfind(pause, start + _PORTION_CHARACTERS // 2, end)
            if found > 0:
                end = found + len(pause)
                break
        yield text[start:end]
        start = end
    yield text[start:]


def _sections(body: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each run of text with the headings above it; what looks like one inside code is none."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fence: str | None = None
    for line in body.splitlines():
        mark = _FENCE.match(line)
        if mark and fence is None:
            fence = mark[1]
        elif mark and fence is not None and mark[1].startswith(fence):
            fence = None
        heading = None if fence or mark else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield tuple(name for _, name in path), "\n".join(lines)
        lines = []
        level = len(heading[1])
        path = [(depth, name) for depth, name in path if depth < level]
        if name := heading[2].rstrip(" \t").rstrip("#").rstrip(" \t"):
            path.append((level, name[:_MAX_HEADING_CHARACTERS]))
    yield tuple(name for _, name in path), "\n".join(lines)


@cache
def _splitter() -> "MarkdownSplitter":
    # A compiled library that the web process never needs.
    from semantic_text_splitter import MarkdownSplitter

    return MarkdownSplitter(CHUNK_CHARACTERS)
