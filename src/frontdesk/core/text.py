"""Text that can be stored: what Postgres and JSON refuse is taken out before it gets there."""

import difflib
import re
import unicodedata

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without NUL, with each lone surrogate replaced by U+FFFD.

    Both are legal in JSON that others send us and refused by Postgres and by UTF-8.
    """
    if not _UNSTORABLE.search(text):
        return text
    return _UNSTORABLE.sub(lambda match: "" if match[0] == "\x00" else "\ufffd", text)


def folded(text: str) -> str:
    """Small letters, Latin accents gone, single spaces: how words are compared in any language."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("’", "'"))
    bare = "".join(c for c in decomposed if not (unicodedata.combining(c) and ord(c) < 0x0370))
    return " ".join(unicodedata.normalize("NFC", bare).split())


def excerpt(text: str, limit: int) -> str:
    """The text on one line, at most `limit` characters, ending in … when something was cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def difference(before: str, after: str, *, names: tuple[str, str]) -> str:
    """What changed, as a unified diff; empty when nothing did."""
    return "".join(
        difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), *names, n=3
        )
    )
