"""Documents as tenants have them, made here: PDF, DOCX."""

import io
import zlib

import docx


def pdf(*pages, size=11, title_size=18):
    """A PDF whose pages are lists of lines; a line that begins with # is set larger."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 "
               b"/BaseFont /Helvetica >>"]  # fmt: skip
    kids = []
    for lines in pages:
        drawn, y = [], 760
        for line in lines:
            height = title_size if line.startswith("#") else size
            text = line.lstrip("# ").replace("(", "\\(").replace(")", "\\)")
            drawn.append(f"BT /F1 {height} Tf 1 0 0 1 60 {y} Tm ({text}) Tj ET")
            y -= height + 6
        kids.append(len(objects) + 1)
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F1 3 0 "
            b"R >> >> /Contents %d 0 R >>" % (len(objects) + 2)
        )
        objects.append(_stream("\n".join(drawn).encode("latin-1")))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (
        len(kids),
        b" ".join(b"%d 0 R" % kid for kid in kids),
    )
    return _written(objects)


def pdf_bomb(megabytes):
    """A PDF of a few KB, one stream of which unpacks to so much."""
    page = (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] "
        b"/Resources << /Font << /F1 5 0 R >> >> /Contents 4 0 R >>"
    )
    return _written(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            page,
            _stream(b"BT /F1 9 Tf " + b"(a) Tj " * (megabytes * 1024 * 1024 // 7)),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        ]
    )


def word(*blocks):
    """A DOCX of headings (# text), paragraphs and tables (lists of rows)."""
    document = docx.Document()
    for block in blocks:
        if isinstance(block, list):
            table = document.add_table(0, len(block[0]))
            for row in block:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
        elif block.startswith("# "):
            document.add_heading(block[2:], 1)
        else:
            document.add_paragraph(block)
    into = io.BytesIO()
    document.save(into)
    return into.getvalue()


def _stream(content):
    packed = zlib.compress(content, 9)
    return b"<< /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(packed), packed)


def _written(objects):
    out, places = io.BytesIO(), []
    out.write(b"%PDF-1.4\n")
    for number, body in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for place in places:
        out.write(b"%010d 00000 n \n" % place)
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\n" % (len(objects) + 1))
    out.write(b"startxref\n%d\n%%%%EOF" % start)
    return out.getvalue()
