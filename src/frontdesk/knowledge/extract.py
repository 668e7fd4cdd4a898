"""Documents to Markdown, in a process of its own: `python -I extract.py FILE RESULT`.

Files come from tenants and addresses from anybody, so whatever a parser does with one happens where
it can only end itself: without our environment, with little memory and time, and nothing of
Frontdesk imported. What kind a document is, is told by its bytes, never by its name.
"""

import io
import json
import re
import sys
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

MOST_PAGES = 1_000
# A book of a thousand pages; more is no handbook.
MOST_CHARACTERS = 2_000_000
MOST_LINKS = 500
_MEMORY_BYTES = 1_500 * 1024 * 1024
_RESULT_BYTES = 32 * 1024 * 1024
# What a compressed file may grow to: honest documents stay far below, bombs far above.
_RATIO = 100
_ALWAYS_FINE_BYTES = 16 * 1024 * 1024
_MOST_UNPACKED_BYTES = 256 * 1024 * 1024
_LEAST_LETTERS_A_PAGE = 16
# A line this much larger than most of a document's text is a heading.
_HEADING_SIZE = 1.15
_MOST_HEADING_CHARACTERS = 120
_NOT_CONTENT = (
    "script, style, noscript, template, svg, iframe, form, button, nav, footer, aside, "
    "[role=navigation], [role=banner], [role=contentinfo], [role=dialog], [aria-hidden=true], "
    "[hidden], [class*=cookie], [id*=cookie], [class*=consent], [id*=consent], [class*=breadcrumb]"
)
_BLOCKS = frozenset({"p", "div", "section", "article", "main", "ul", "ol", "dl", "dd", "dt",
                     "blockquote", "figure", "figcaption", "header", "body", "details", "summary",
                     "address", "hr"})  # fmt: skip
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_BLANK_LINES = re.compile(r"\n\s*\n\s*")


class Unreadable(Exception):
    """The document is none for us; the message tells its owner why."""


def kind_of(content: bytes) -> str:
    """What a document is by its bytes: `pdf`, `docx`, `html` or `text`; raises `Unreadable`."""
    head = content[:1024]
    if b"%PDF-" in head:
        return "pdf"
    if head.startswith(b"PK\x03\x04"):
        return "docx"
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")) and b"\x00" in head:
        raise Unreadable("It is no text, HTML, PDF or DOCX.")
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith((b"<!doctype html", b"<html")) or (
        begin.startswith((b"<?xml", b"<!--")) and b"<html" in begin
    ):
        return "html"
    return "text"


def extract(content: bytes) -> dict[str, Any]:
    """A document as Markdown: `title`, `markdown`, `pages`, `links`, `kind`; raises `Unreadable`."""
    kind = kind_of(content)
    found: dict[str, Any] = {"title": None, "pages": None, "links": []}
    found |= {"pdf": _pdf, "docx": _docx, "html": _html, "text": _text}[kind](content)
    markdown = found["markdown"].replace("\x00", "").strip()
    if len(markdown) > MOST_CHARACTERS:
        raise Unreadable(f"It holds more than {MOST_CHARACTERS:,} characters; split it up.")
    if not markdown:
        raise Unreadable("There is no text in it.")
    return {**found, "kind": kind, "markdown": markdown}


def _text(content: bytes) -> dict[str, Any]:
    return {"markdown": _decoded(content)}


def _decoded(content: bytes) -> str:
    is_utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


# PDF


def _pdf(content: bytes) -> dict[str, Any]:
    import pypdf

    # One stream of a page may not grow to more than the whole file honestly could.
    most = max(_ALWAYS_FINE_BYTES, min(_MOST_UNPACKED_BYTES, len(content) * _RATIO))
    try:
        limits = pypdf.Configuration(
            zlib_maximum_output_length=most,
            lzw_maximum_output_length=most,
            run_length_maximum_output_length=most,
        )
        with pypdf.apply_configuration(limits):
            title, pages = _pdf_pages(pypdf.PdfReader(io.BytesIO(content)), most)
    except pypdf.errors.LimitReachedError:
        raise Unreadable("It unpacks to far more than its size: it is not read.") from None
    except pypdf.errors.PyPdfError as error:
        raise Unreadable(f"It is a broken PDF: {error}") from None
    count = len(pages)
    letters = sum(c.isalnum() for page in pages for text, _ in page for c in text)
    if letters < _LEAST_LETTERS_A_PAGE * count:
        raise Unreadable(
            f"There is hardly any text in its {count} pages: they look scanned. Run text "
            "recognition (OCR) over it and upload it again."
        )
    return {"title": _one_line(title), "markdown": _markdown_of(pages), "pages": count}


def _pdf_pages(reader: Any, left: int) -> tuple[Any, list[list[tuple[str, float]]]]:
    """The title and the lines of every page, of which there may be so many characters."""
    if reader.is_encrypted and not reader.decrypt(""):
        raise Unreadable("It is locked by a password.")
    count = len(reader.pages)
    if count > MOST_PAGES:
        raise Unreadable(f"It has {count} pages; at most {MOST_PAGES} are read.")
    pages = []
    for page in reader.pages:
        lines = _lines_of(page)
        left -= sum(len(text) for text, _ in lines)
        if left < 0:
            raise Unreadable("It unpacks to far more than its size: it is not read.")
        pages.append(lines)
    return (reader.metadata.title if reader.metadata else None), pages


def _lines_of(page: Any) -> list[tuple[str, float]]:
    """The lines of a page, each with the size of its letters."""
    lines: list[tuple[str, float]] = [("", 0.0)]

    def visit(text: str, _cm: Any, tm: Any, _font: Any, size: float) -> None:
        height = abs(float(size or 0) * float(tm[3] or 1)) if tm else float(size or 0)
        for number, part in enumerate(text.split("\n")):
            if number:
                lines.append(("", 0.0))
            before, largest = lines[-1]
            lines[-1] = (before + part, max(largest, height if part.strip() else 0.0))

    page.extract_text(visitor_text=visit)
    told = (
        (unicodedata.normalize("NFKC", text).replace("\u00ad", ""), size) for text, size in lines
    )
    return [(_SPACES.sub(" ", text).strip(), size) for text, size in told]


def _markdown_of(pages: list[list[tuple[str, float]]]) -> str:
    """Paragraphs and headings of a PDF's lines, without what stands on most pages' edges."""
    sizes = Counter(round(size, 1) for page in pages for text, size in page for _ in text)
    usual = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted({s for s in sizes if s > usual * _HEADING_SIZE}, reverse=True)[:3]
    edges = Counter(edge for page in pages for edge in _edges(page))
    repeated = {edge for edge, count in edges.items() if count >= 3 and count * 2 > len(pages)}
    out: list[str] = []
    for page in pages:
        for text, size in page:
            if not text:
                out.append("")
            elif _edge(text) in repeated:
                continue
            elif round(size, 1) in larger and len(text) <= _MOST_HEADING_CHARACTERS:
                out += ["", f"{'#' * (larger.index(round(size, 1)) + 1)} {text}", ""]
            else:
                _join(out, text)
    return "\n".join(out)


def _join(out: list[str], line: str) -> None:
    """Go on with the paragraph before, whose lines were broken for the page only."""
    before = out[-1] if out else ""
    if re.search(r"\w-$", before) and line[:1].islower():
        out[-1] = before[:-1] + line
    elif len(before) >= 40 and not re.search(r"[.!?:;।؟。]$", before) and not _is_item(line):
        out[-1] = f"{before} {line}"
    else:
        out.append(line)


def _is_item(line: str) -> bool:
    return bool(re.match(r"([-*•–▪]|\d{1,3}[.)])\s", line))


def _edge(text: str) -> str:
    return re.sub(r"\d+", "#", text)


def _edges(page: list[tuple[str, float]]) -> set[str]:
    lines = [text for text, _ in page if text]
    return {_edge(text) for text in (*lines[:1], *lines[-1:])}


# DOCX


def _docx(content: bytes) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(item.file_size for item in packed.infolist())
            names = set(packed.namelist())
    except zipfile.BadZipFile:
        raise Unreadable("It is a broken DOCX or another archive.") from None
    if "word/document.xml" not in names:
        raise Unreadable("It is an archive, but no DOCX.")
    if unpacked > _MOST_UNPACKED_BYTES or unpacked > max(_ALWAYS_FINE_BYTES, len(content) * _RATIO):
        raise Unreadable("It unpacks to far more than its size: it is not read.")
    import docx

    try:
        document = docx.Document(io.BytesIO(content))
        # The body in its order: `paragraphs` alone would drop the tables.
        blocks = [_docx_block(block) for block in document.iter_inner_content()]
        title = document.core_properties.title
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"It is a broken DOCX ({type(error).__name__}).") from None
    return {"title": _one_line(title), "markdown": "\n\n".join(filter(None, blocks))}


def _docx_block(block: Any) -> str:
    if hasattr(block, "rows"):
        return _table([cell.text for cell in row.cells] for row in block.rows)
    text = str(block.text).strip()
    style = str(block.style.name if block.style is not None else "")
    if text and style == "Title":
        return f"# {_one_line(text)}"
    if text and (heading := re.fullmatch(r"Heading (\d)", style)):
        return f"{'#' * min(int(heading[1]), 6)} {_one_line(text)}"
    return f"- {text}" if text and style.startswith("List") else text


def _table(rows: Iterable[list[str]]) -> str:
    cells = [[_cell(cell) for cell in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return ""
    width = max(map(len, cells))
    lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in cells]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _cell(text: str) -> str:
    return _SPACES.sub(" ", text.replace("\n", " ").replace("|", "/")).strip()


# HTML


def _html(content: bytes) -> dict[str, Any]:
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(_decoded(content))
    title = tree.css_first("title")
    links = [node.attributes.get("href") for node in tree.css("a[href]")]
    for node in tree.css(_NOT_CONTENT):
        node.decompose()
    root = tree.css_first("main, [role=main]") or tree.css_first("article") or tree.body
    markdown = _BLANK_LINES.sub("\n\n", "".join(_html_pieces(root))) if root is not None else ""
    return {
        "title": _one_line(title.text()) if title is not None else None,
        "markdown": "\n".join(line.strip() for line in markdown.splitlines()),
        "links": list(dict.fromkeys(link for link in links if link))[:MOST_LINKS],
    }


def _html_pieces(root: Any) -> Iterator[str]:
    """The Markdown of an element and what is in it; a stack of our own, as pages nest as they like."""
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
            continue
        tag = node.tag or ""
        if tag == "-text":
            yield _SPACES.sub(" ", (node.text_content or "").replace("\n", " "))
        elif re.fullmatch("h[1-6]", tag):
            yield f"\n\n{'#' * int(tag[1])} {_one_line(node.text()) or ''}\n\n"
        elif tag == "table":
            rows = ([c.text(separator=" ") for c in row.css("th, td")] for row in node.css("tr"))
            yield f"\n\n{_table(rows)}\n\n"
        elif tag == "pre":
            yield f"\n\n```\n{node.text()}\n```\n\n"
        elif tag == "br":
            yield "\n"
        elif not tag.startswith(("-", "!", "_")):
            before, after = ("\n- ", "\n") if tag == "li" else ("", "")
            if tag in _BLOCKS:
                before = after = "\n\n"
            children = []
            child = node.child
            while child is not None:
                children.append(child)
                child = child.next
            stack += [after, *reversed(children), before]


def _one_line(text: Any) -> str | None:
    line = " ".join(str(text or "").replace("\x00", "").split())[:200]
    return line or None


def main(file: str, result: str, seconds: int) -> None:
    """Read one file and write what came of it, as JSON, within hard limits."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_RESULT_BYTES, _RESULT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        told = extract(Path(file).read_bytes())
    except Unreadable as error:
        told = {"problem": str(error)}
    except MemoryError:
        told = {"problem": "It takes too much memory to read."}
    except RecursionError:
        told = {"problem": "It is nested too deeply to be read."}
    except Exception as error:
        told = {"problem": f"It can't be read ({type(error).__name__})."}
    Path(result).write_text(json.dumps(told, ensure_ascii=True), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
