import io
import zipfile

import pytest
from tests.knowledge.documents import pdf, pdf_bomb, word

from frontdesk.knowledge.errors import Unreadable
from frontdesk.knowledge.reading import document_file, read_document

RETURNS = "You can return anything within 30 days, and we pay for the way back to us, always."


def zip_bomb():
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("word/document.xml", b" " * (200 * 1024 * 1024))
    return into.getvalue()


def other_archive():
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as packed:
        packed.writestr("notes.txt", "hello")
    return into.getvalue()


async def read(content):
    async with document_file() as file:
        file.write_bytes(content)
        return await read_document(file)


async def test_every_format_becomes_markdown_with_its_headings():
    head = "Lumen & Oak handbook"
    pages = [
        [head, "# Returns", RETURNS, f"Send it with the label. {RETURNS}", f"Page {n}"]
        for n in range(4)
    ]
    document = await read(pdf(*pages))
    assert document.pages == 4
    assert document.markdown.count("# Returns\n") == 4
    # What stands on every page's edge is no part of the text.
    assert head not in document.markdown
    assert "Page" not in document.markdown
    document = await read(word("# Returns", RETURNS, [["Lamp", "Price"], ["Oak", "40 euro"]]))
    assert document.markdown == (
        f"# Returns\n\n{RETURNS}\n\n| Lamp | Price |\n| --- | --- |\n| Oak | 40 euro |"
    )
    page = """<!DOCTYPE html><title>Help</title><script>alert(1)</script>
        <nav><a href="/about">About us</a></nav><div class="cookie-bar">We use cookies</div>
        <main><h2>Returns</h2><p>You can return <b>anything</b>.</p><ul><li>Free</ul>
        <table><tr><th>Lamp<th>Price<tr><td>Oak<td>40</table></main>"""
    document = await read(page.encode())
    assert (document.title, document.links) == ("Help", ("/about",))
    assert document.markdown == (
        "## Returns\n\nYou can return anything.\n\n- Free\n\n"
        "| Lamp | Price |\n| --- | --- |\n| Oak | 40 |"
    )
    assert (await read("# Rückgabe\nFrei.".encode("utf-16"))).markdown == "# Rückgabe\nFrei."
    assert (await read("Rückgabe frei.".encode("cp1252"))).markdown == "Rückgabe frei."


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda: pdf(*[[]] * 3), "OCR", id="scanned"),
        pytest.param(lambda: pdf_bomb(400), "unpacks to far more", id="PDF bomb"),
        pytest.param(zip_bomb, "unpacks to far more", id="zip bomb"),
        pytest.param(other_archive, "no DOCX", id="another archive"),
        pytest.param(lambda: pdf(["Hello"])[:300], "broken PDF", id="broken PDF"),
        pytest.param(lambda: b"\x89PNG\r\n\x1a\n\x00\x00", "no text", id="picture"),
        pytest.param(lambda: b"a" * 2_000_001, "split it up", id="endless text"),
        pytest.param(lambda: b"<html><body></body></html>", "no text in it", id="empty page"),
    ],
)
async def test_what_can_not_be_read_is_refused_in_words(make, words):
    with pytest.raises(Unreadable, match=words):
        await read(make())


async def test_a_deeply_nested_page_is_read():
    document = await read(b"<html><body>" + b"<div>" * 3_000 + b"deep")
    assert "deep" in document.markdown
