"""What a file is, told by its first bytes: neither its name nor who sent it is believed."""

import re
import zipfile
from pathlib import Path

UNKNOWN = "application/octet-stream"
_HEAD_BYTES = 4_096
# (where, what stands there, type)
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"OggS", "audio/ogg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (0, b"\xff\xf1", "audio/aac"),
    (0, b"\xff\xf9", "audio/aac"),
    (0, b"%PDF-", "application/pdf"),
)
# Of files in the ISO format, by their brand.
_BRANDS = ((b"M4A", "audio/mp4"), (b"M4B", "audio/mp4"), (b"3gp", "video/3gpp"))
_OFFICE = "application/vnd.openxmlformats-officedocument"
# A zip is one of Microsoft's documents by the folder that is in it.
_FOLDERS = {
    "word/": f"{_OFFICE}.wordprocessingml.document",
    "xl/": f"{_OFFICE}.spreadsheetml.sheet",
    "ppt/": f"{_OFFICE}.presentationml.presentation",
}
# The older ones look all the same; their names tell which program opens them, and no more than that.
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_ENDINGS = {
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
    ".ppt": "application/vnd.ms-powerpoint",
}
# The end of a zip says how many bytes its list of entries has; in a longer form, where 32 bits do not
# suffice for it (APPNOTE 4.3.15, 4.3.16).
_END, _END_BYTES, _MOST_COMMENT_BYTES = b"PK\x05\x06", 22, 65_535
_LONGER_END, _LONGER_END_BYTES = b"PK\x06\x07", 20
_MOST_LIST_BYTES = _MB = 1024 * 1024
_ACTIVE = re.compile(rb"<(!doctype|html|svg|script|\?xml|body|iframe)", re.IGNORECASE)

# A browser shows these and runs nothing in them.
SHOWN = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

# What WhatsApp takes: the message's type by the file's, and its cap (WhatsApp Cloud API: media).
_KINDS: dict[str, tuple[str, int]] = {
    "image/jpeg": ("image", 5 * _MB),
    "image/png": ("image", 5 * _MB),
    "audio/aac": ("audio", 16 * _MB),
    "audio/amr": ("audio", 16 * _MB),
    "audio/mpeg": ("audio", 16 * _MB),
    "audio/mp4": ("audio", 16 * _MB),
    "audio/ogg": ("audio", 16 * _MB),
    "video/mp4": ("video", 16 * _MB),
    "video/3gpp": ("video", 16 * _MB),
    "text/plain": ("document", 100 * _MB),
    "application/pdf": ("document", 100 * _MB),
    **dict.fromkeys(_FOLDERS.values(), ("document", 100 * _MB)),
    **dict.fromkeys(_OLD_ENDINGS.values(), ("document", 100 * _MB)),
}


def is_shown(mime_type: str) -> bool:
    """Whether a browser may show it where it stands; anything else is only ever saved."""
    return mime_type in SHOWN or mime_type.startswith("audio/")


def sendable(mime_type: str) -> tuple[str, int] | None:
    """As what kind of message WhatsApp takes such a file, and how many bytes of it; None: it does not."""
    return _KINDS.get(mime_type)


def type_of(file: Path, filename: str | None = None) -> str:
    """The media type of a file by its content; `application/octet-stream` for what is not known.

    Reads from the disk: call it off the loop.
    """
    with file.open("rb") as source:
        head = source.read(_HEAD_BYTES)
    if head.startswith(b"PK\x03\x04"):
        return _type_of_zip(file)
    if head.startswith(_OLD_OFFICE):
        return _OLD_ENDINGS.get(Path(filename or "").suffix.lower(), UNKNOWN)
    return type_by_head(head)


def type_by_head(head: bytes) -> str:
    """The same by the first bytes alone, for what is no archive."""
    for at, mark, mime_type in _MARKS:
        if head[at : at + len(mark)] == mark and (at == 0 or head.startswith(b"RIFF")):
            return mime_type
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        return next((kind for mark, kind in _BRANDS if brand.startswith(mark)), "video/mp4")
    return "text/plain" if _is_plain_text(head) else UNKNOWN


def _is_plain_text(head: bytes) -> bool:
    if not head or b"\x00" in head or _ACTIVE.search(head):
        return False  # What a browser might run is no text to us.
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # Cut in the middle of a character.
    return True


def _lists_few(file: Path) -> bool:
    """Whether the list of a zip's entries is as short as a document's: to read it makes an object of
    each, and a file may be all list."""
    tail_bytes = _LONGER_END_BYTES + _END_BYTES + _MOST_COMMENT_BYTES
    with file.open("rb") as source:
        source.seek(max(0, file.stat().st_size - tail_bytes))
        tail = source.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        return False
    is_longer = tail[max(0, at - _LONGER_END_BYTES) : at].startswith(_LONGER_END)
    list_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    return not is_longer and list_bytes <= _MOST_LIST_BYTES


def _type_of_zip(file: Path) -> str:
    if not _lists_few(file):
        return UNKNOWN
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return UNKNOWN
    if "[Content_Types].xml" in names:
        for folder, mime_type in _FOLDERS.items():
            if any(name.startswith(folder) for name in names):
                return mime_type
    return UNKNOWN
