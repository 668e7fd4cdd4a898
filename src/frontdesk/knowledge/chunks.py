"""Cutting a text into pieces that stand by themselves: a pure function over Markdown."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter

# Characters: whole paragraphs of this size are found well and cost little in a prompt.
CHUNK_CHARACTERS = (500, 900)
# A table says nothing without its head, so it stays whole, or is cut between rows under its head.
TABLE_CHARACTERS = 2_500
# Where a section is cut, a piece begins with the sentence before, if it is no longer than that.
OVERLAP_CHARACTERS = 160
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
_RULE = re.compile(r"\|[ :|-]*-[ :|-]*")
_SENTENCE_END = re.compile(r"(?<=[.!?।؟。])\s+|\n+")


@dataclass(frozen=True)
class Piece:
    """A piece of a source: the title and the headings above it, and its text without them."""

    heading: str
    text: str

    @property
    def fingerprint(self) -> str:
        """The same for the same piece: what has not changed is known by it."""
        return hashlib.sha256(f"{self.heading}\0{self.text}".encode()).hexdigest()


def split(title: str, body: str) -> list[Piece]:
    """The pieces of a Markdown text; none when it holds nothing but headings.

    Each section is cut by itself, at paragraphs and sentences, so no piece mixes two topics, and
    each piece knows the headings it stood under. What is said twice is kept once. Takes seconds at
    most, whatever the text.

    Raises:
        ValueError: it falls into more than `MAX_PIECES`.
    """
    pieces = []
    for path, text in _sections(body):
        names = [title, *path]
        if path and path[0].casefold() == title.casefold():
            names = list(path)
        heading = PATH_SEPARATOR.join(names)[:_MAX_HEADING_CHARACTERS]
        for block, is_table in _blocks(text):
            parts = _rows(block) if is_table else _sentences(block)
            pieces += [Piece(heading, part) for part in parts]
        if len(pieces) > MAX_PIECES:
            raise ValueError(f"it has more than {MAX_PIECES:,} sections; make fewer, longer ones")
    return list(dict.fromkeys(pieces))


def _blocks(text: str) -> Iterator[tuple[str, bool]]:
    """The text in turns of prose and tables; a table has a rule under its first row."""
    lines = text.splitlines(keepends=True)
    start = place = 0
    while place + 1 < len(lines):
        if lines[place].startswith("|") and _RULE.fullmatch(lines[place + 1][:500].strip()):
            yield "".join(lines[start:place]), False
            start = place
            while place < len(lines) and lines[place].startswith("|"):
                place += 1
            yield "".join(lines[start:place]), True
            start = place
        else:
            place += 1
    yield "".join(lines[start:]), False


def _rows(table: str) -> Iterator[str]:
    """A table whole, or its rows in parts that each repeat its head."""
    lines = table.strip().splitlines()
    head, rows = "\n".join(lines[:2]), lines[2:]
    if len(head) > TABLE_CHARACTERS // 2 or any(len(row) > TABLE_CHARACTERS for row in rows):
        yield from _sentences(table)
        return
    part = head
    for row in rows:
        if len(part) + len(row) > TABLE_CHARACTERS and part != head:
            yield part
            part = head
        part += f"\n{row}"
    yield part


def _sentences(text: str) -> Iterator[str]:
    """Prose in parts that end where a sentence does; each goes on from the last one's end."""
    before = ""
    for portion in _portions(text):
        for part in filter(None, (part.strip() for part in _splitter().chunks(portion))):
            last = _SENTENCE_END.split(before)[-1]
            overlap = f"{last} " if last != before and len(last) <= OVERLAP_CHARACTERS else ""
            yield f"{overlap}{part}"
            before = part


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
