"""Markdown of a model into the formatting that WhatsApp shows, and texts of bounded length.

WhatsApp knows *bold*, _italic_, ~strike~, `code`, ```blocks```, > quotes and lists. It shows the
rest of Markdown literally (WhatsApp help: how to format your messages).
"""

import re
from collections.abc import Callable
from itertools import zip_longest
from urllib.parse import unquote

from frontdesk.core.text import clean

MAX_MESSAGE_UNITS = 4096  # WhatsApp Cloud API: text messages.

# Finished parts (code, addresses) are put aside under a number between these two private
# characters, so that no later rule touches them. They are taken out of the text beforehand.
_OPEN, _SHUT = "\ue000", "\ue001"
_KEPT = re.compile(f"{_OPEN}([0-9]+){_SHUT}")

# No span of marks, code or link words is longer than this: it bounds the work on a hostile text.
_SPAN = 400

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})([^`]*)$")
_LANGUAGE = re.compile(r"[\w+#.-]{0,20}")
_INLINE_CODE = re.compile(rf"(?<![`\\])(`{{1,3}})(?!`)([^\n]{{0,{_SPAN}}}?[^`\n])\1(?!`)")
_HIDDEN_TAGS = ("script", "style", "head", "title", "template")
_TAG_NAMES = (
    "a abbr acronym address applet area article aside audio b base bdi bdo big blockquote body br "
    "button canvas caption center cite code col colgroup data datalist dd del details dfn dialog "
    "dir div dl dt em embed fieldset figcaption figure font footer form frame frameset h1 h2 h3 h4 "
    "h5 h6 head header hr html i iframe img input ins kbd label legend li link main map mark math "
    "menu meta meter nav noscript object ol optgroup option output p param picture pre progress q "
    "rp rt ruby s samp script section select slot small source span strike strong style sub "
    "summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul "
    "var video wbr"
)
# Only real tags: `a < b`, `<3` and `<your name>` are text.
_TAG = re.compile(rf"<(/?)({'|'.join(_TAG_NAMES.split())})(?=[\s/>])([^<>]*)>", re.IGNORECASE)
_HTML_LINK = re.compile(r"<a\b([^<>]*)>([^<]*)</a\s*>", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*[\"']?([^\"'\s]+)", re.IGNORECASE)
_TAG_MARKS = {
    "b": "**", "strong": "**", "i": "_", "em": "_", "s": "~", "del": "~", "strike": "~",
}  # fmt: skip
_BREAKING_TAGS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "br", "div", "dl", "dt", "figure", "footer"),
        *("form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "main", "ol", "p", "pre"),
        *("section", "table", "tr", "ul"),
    }
)
_ENTITIES = {
    "&nbsp;": " ", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&#39;": "'",
    "&amp;": "&",
}  # fmt: skip
_ENTITY = re.compile("|".join(_ENTITIES))

_TARGET = r"\(\s*<?((?:[^()\s<>]|\([^()\s<>]*\))*)>?(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
_IMAGE = re.compile(rf"!\[([^\[\]\n]{{0,{_SPAN}}})\]{_TARGET}")
_LINK = re.compile(rf"(?<!\\)\[([^\[\]\n]{{0,{_SPAN}}})\]{_TARGET}")
_AUTOLINK = re.compile(r"<((?:https?://|mailto:)[^\s<>]+)>", re.IGNORECASE)
_ADDRESS = re.compile(r"\b(?:https?://|www\.)[^\s<>*\"`\ue000\ue001]+", re.IGNORECASE)
_SAFE_SCHEME = re.compile(r"(?:https?://|mailto:|tel:)", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)

_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(.*)$")
_EMPTY_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]*$")
_UNDERLINE = re.compile(r"^ {0,3}={3,}\s*$")
_RULE = re.compile(r"^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$")
_BULLET = re.compile(r"^([ \t]*)[*+-][ \t]+(?=\S)")
_TASK = re.compile(r"^([ \t]*- )\[([ xX])\][ \t]+")
_QUOTE = re.compile(r"^ {0,3}>(?:[ \t]*>)*[ \t]?")
_TABLE_CELL_RULE = re.compile(r":?-+:?")
_UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")

_SHORT = rf"([^\n]{{1,{_SPAN}}}?)"
_BOLD_ITALIC = re.compile(rf"(?<![*\\])\*\*\*(?![*\s]){_SHORT}(?<![*\s\\])\*\*\*(?!\*)")
_BOLD = re.compile(rf"(?<![*\\])\*\*(?![*\s]){_SHORT}(?<![*\s\\])\*\*(?!\*)")
_UNDERSCORE_BOLD = re.compile(rf"(?<![\w\\])__(?![_\s]){_SHORT}(?<![_\s\\])__(?!\w)")
_ITALIC = re.compile(rf"(?<![\w*\\])\*(?![*\s])([^*\n]{{1,{_SPAN}}})(?<![*\s\\])\*(?![\w*])")
_STRIKE = re.compile(rf"(?<![~\\])~~(?![~\s]){_SHORT}(?<![~\s\\])~~(?!~)")
_HARD_BREAK = re.compile(r"(?<!\\)\\$", re.MULTILINE)
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])")
_BLANK_LINES = re.compile(r"\n{3,}")

_SENTENCE_END = re.compile(r"[.!?…](?=\s)|[。！？]|\n")
_JOINING = frozenset("\u200d\ufe0e\ufe0f\u20e3")


def to_whatsapp(markdown: str) -> str:
    """The text as WhatsApp should get it; never raises, and leaves WhatsApp's own marks alone.

    Headings become bold lines, links `text (address)`, tables lists, images their description.
    HTML loses its tags and comments. A lone `*word*` is taken for WhatsApp's bold, unless the text
    has Markdown's `**bold**` too: then it is italic. At most about three times as long
    as before.
    """
    text = clean(markdown).replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace(_OPEN, "").replace(_SHUT, "")
    aside: list[str] = []

    def keep(part: str) -> str:
        aside.append(part)
        return f"{_OPEN}{len(aside) - 1}{_SHUT}"

    text = _keep_code(text, keep)
    text = _without_html(text)
    text = _keep_links(text, keep)
    text = "\n".join(_block_lines(text.split("\n")))
    text = _marks(text)
    text = _ESCAPE.sub(r"\1", _HARD_BREAK.sub("", text))
    text = "\n".join(line.rstrip() for line in text.split("\n"))
    text = _BLANK_LINES.sub("\n\n", text).strip()
    # A link may hold code: what was put aside first may stand inside what came later.
    for _ in range(3):
        text = _KEPT.sub(lambda found: aside[int(found[1])], text)
    return text


def _keep_code(text: str, keep: Callable[[str], str]) -> str:
    lines: list[str] = []
    block: list[str] = []
    fence = first = ""
    for line in text.split("\n"):
        if fence:
            if not line.rstrip().endswith(fence):
                block.append(line)
                continue
            if last := line.rstrip().rstrip(fence[0]).rstrip():
                # WhatsApp's own form: code begins and ends on the lines of the fences.
                block = [*filter(None, [first]), *block, last]
            else:
                block = _without_language(first, block)
            lines.append(keep(_code_block(block)))
            fence = ""
        elif found := _FENCE.match(line):
            fence, first, block = found[1], found[2].strip(), []
        else:
            lines.append(line)
    if fence:  # The model was cut off inside the block.
        lines.append(keep(_code_block(_without_language(first, block))))
    return _INLINE_CODE.sub(lambda found: keep(_code(found)), "\n".join(lines))


def _without_language(first: str, lines: list[str]) -> list[str]:
    # WhatsApp would show the name of a language as a line of the code.
    return lines if _LANGUAGE.fullmatch(first) else [first, *lines]


def _code_block(lines: list[str]) -> str:
    return "\n".join(("```", *lines, "```"))


def _code(found: re.Match[str]) -> str:
    ticks, code = found[1], found[2]
    if len(ticks) == 2:  # Two only let the code hold one, which WhatsApp can't show.
        return f"`{code.strip().replace('`', chr(39))}`"
    return f"{ticks}{code}{ticks}"


def _without_html(text: str) -> str:
    text = _ENTITY.sub(lambda found: _ENTITIES[found[0]], text)
    # What is left after a tag is gone may make a new one, so until nothing changes.
    for _ in range(10):
        before = text
        text = _without_spans(text, "<!--", "-->").replace("<!--", "")
        for name in _HIDDEN_TAGS:
            text = _without_spans(text, rf"<{name}(?=[\s>])[^<>]*>", rf"</{name}\s*>")
        text = _HTML_LINK.sub(_html_link, text)
        text = _TAG.sub(_tag_words, text)
        if text == before:
            return text
    return _TAG.sub("", text).replace("<", "‹")


def _without_spans(text: str, opening: str, closing: str) -> str:
    """The text without what stands between the two, which stay if they are no pair."""
    start, end = re.compile(opening, re.IGNORECASE), re.compile(closing, re.IGNORECASE)
    parts: list[str] = []
    position = 0
    while (opened := start.search(text, position)) and (closed := end.search(text, opened.end())):
        parts.append(text[position : opened.start()])
        position = closed.end()
    return "".join((*parts, text[position:]))


def _html_link(found: re.Match[str]) -> str:
    href = _HREF.search(found[1])
    return _with_address(found[2].strip(), href[1] if href else "")


def _tag_words(found: re.Match[str]) -> str:
    closes, name = bool(found[1]), found[2].lower()
    if name in _TAG_MARKS:
        return _TAG_MARKS[name]
    if name in {"code", "kbd", "samp", "tt"}:
        return "`"
    if name == "li":
        return "" if closes else "\n- "
    if name in {"td", "th"}:
        return " " if closes else ""
    return "\n" if name in _BREAKING_TAGS else ""


def _keep_links(text: str, keep: Callable[[str], str]) -> str:
    def described(found: re.Match[str]) -> str:
        return found[1].strip() or keep(_with_address("", found[2]))

    def linked(found: re.Match[str]) -> str:
        words = found[1].strip()
        whole = _with_address(words, found[2])
        address = whole.removeprefix(words)
        return (words if whole != address or not words else "") + (keep(address) if address else "")

    text = _IMAGE.sub(described, text)
    text = _LINK.sub(linked, text)
    text = _AUTOLINK.sub(lambda found: keep(re.sub("^mailto:", "", found[1])), text)
    return _ADDRESS.sub(lambda found: _keep_address(found[0], keep), text)


def _keep_address(address: str, keep: Callable[[str], str]) -> str:
    # Marks and punctuation right behind an address belong to the sentence.
    bare = address.rstrip(".,;:!?)]}'_~|")
    return keep(bare) + address[len(bare) :]


def _with_address(words: str, target: str) -> str:
    """`words (address)`; one of them when the other is missing, the same, or no safe address."""
    address = re.sub("^(?:mailto|tel):", "", target, flags=re.IGNORECASE)
    unsafe = _ANY_SCHEME.match(target) and not _SAFE_SCHEME.match(target)
    if not address or unsafe or target.startswith(("#", "/", ".")):
        return words  # A script, or a page of a site that nobody knows.
    shown = words.strip("<>*_` ")
    if not words or shown in {address, target, unquote(address)}:
        return address
    return f"{words} ({address})"


def _block_lines(lines: list[str]) -> list[str]:
    out: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index]
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if "|" in line and _is_table_rule(following):
            end = index + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            out += _table_lines(lines[index], lines[index + 2 : end])
            index = end
        elif line.strip() and _UNDERLINE.match(following):
            out.append(_bold_line(line))
            index += 2
        else:
            out.append(_line(line))
            index += 1
    return out


def _line(line: str) -> str:
    if _RULE.match(line) or _EMPTY_HEADING.match(line):
        return ""
    if heading := _HEADING.match(line):
        return _bold_line(heading[1].strip().rstrip("#"))
    if quote := _QUOTE.match(line):
        return "> " + line[quote.end() :]
    line = _BULLET.sub(r"\1- ", line)
    return _TASK.sub(lambda task: f"{task[1]}{'☐' if task[2] == ' ' else '☑'} ", line)


def _bold_line(words: str) -> str:
    # Marks inside a bold line would end it.
    bare = words.replace("**", "").replace("__", "").strip().strip("*").strip()
    return f"*{bare.replace('*', '')}*" if bare.replace("*", "").strip() else ""


def _cells(line: str) -> list[str]:
    row = line.strip()
    row = row.removeprefix("|")
    if row.endswith("|") and not row.endswith("\\|"):
        row = row[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _UNESCAPED_PIPE.split(row)]


def _is_table_rule(line: str) -> bool:
    return "|" in line and all(_TABLE_CELL_RULE.fullmatch(cell) for cell in _cells(line))


def _table_lines(header: str, rows: list[str]) -> list[str]:
    """A row a line: the first cell, then the others under their headings."""
    names = _cells(header)
    if not rows:
        return [_bold_line(" – ".join(filter(None, names)))]
    labelled = [_labelled(names, _cells(row)) for row in rows]
    source = len(header) + sum(map(len, rows))
    if sum(map(len, labelled)) > 2 * source:  # Headings longer than all that stands below them.
        heading = _bold_line(" – ".join(filter(None, names)))
        return [heading, *("- " + " – ".join(filter(None, _cells(row))) for row in rows)]
    return labelled


def _labelled(names: list[str], cells: list[str]) -> str:
    pairs = list(zip_longest(names, cells, fillvalue=""))
    others = [f"{name}: {cell}" if name else cell for name, cell in pairs[1:] if cell]
    return "- " + " – ".join(filter(None, (pairs[0][1], ", ".join(others))))


def _marks(text: str) -> str:
    if _BOLD.search(text) or _BOLD_ITALIC.search(text):
        # So it is Markdown, where a single star is italic. Lines that are bold as a whole are
        # headings, which were made just now.
        text = "\n".join(
            line if _is_bold_line(line) else _ITALIC.sub(r"_\1_", line) for line in text.split("\n")
        )
    text = _BOLD_ITALIC.sub(lambda found: f"*_{found[1]}_*", text)
    text = _BOLD.sub(_bold, text)
    text = _UNDERSCORE_BOLD.sub(_bold, text)
    return _STRIKE.sub(r"~\1~", text)


def _is_bold_line(line: str) -> bool:
    inner = line.strip()
    return len(inner) > 2 and inner[0] == inner[-1] == "*" and "*" not in inner[1:-1]


def _bold(found: re.Match[str]) -> str:
    inner = _ITALIC.sub(r"_\1_", found[1])
    return f"*{inner}*"


def units(text: str) -> int:
    """The length in UTF-16 units, where most emoji count two.

    How WhatsApp counts is not documented; this is the longest it can be.
    """
    return len(text) + sum(character > "\uffff" for character in text)


def fits(text: str, limit: int = MAX_MESSAGE_UNITS) -> bool:
    """Whether the text is at most `limit` long, however WhatsApp counts."""
    return units(text) <= limit


def shorten(text: str, limit: int = MAX_MESSAGE_UNITS) -> str:
    """The text when it fits into `limit` UTF-16 units, else its beginning with `…` at the end.

    Cut behind a sentence if that keeps half of the room, else between words. Inside a word only
    when there is no border at all: in a script without spaces, or in one endless word.
    """
    if fits(text, limit):
        return text
    if limit < 1:
        return ""
    room = _prefix(text, limit - 1)
    sentences = [found.end() for found in _SENTENCE_END.finditer(text, 0, len(room) + 1)]
    sentence = max((end for end in sentences if end <= len(room) - 1), default=0)
    if sentence * 2 >= len(room) > 0:
        return f"{text[:sentence].rstrip()} …"
    if not text[len(room)].isspace():
        border = max(room.rfind(space) for space in " \n\t")
        has_words = border > 0 and not room[:border].isspace()
        room = room[:border] if has_words else _whole_characters(text, len(room))
    return f"{room.rstrip()}…"


def _prefix(text: str, limit: int) -> str:
    """The longest beginning of at most `limit` UTF-16 units."""
    taken = 0
    for index, character in enumerate(text):
        taken += 2 if character > "\uffff" else 1
        if taken > limit:
            return text[:index]
    return text


def _whole_characters(text: str, end: int) -> str:
    """The text up to `end`, without a half of what is shown as one emoji."""
    while end > 0 and (text[end] in _JOINING or text[end - 1] == "\u200d"):
        end -= 1
    return text[:end]
