"""A text as it is meant, whatever letters it is written with: what rules about words look at."""

import re
import string
import unicodedata

# Zero-width and direction marks, soft hyphens, tags: seen by no reader, and apart in every rule.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\U000e0000-\U000e007f]"
)
_WORD = re.compile(r"\w+")
_HAS_LATIN = re.compile("[a-z]")
# Cyrillic and Greek letters that look like Latin ones, in a word that has Latin ones as well.
_LOOKS_LATIN = re.compile("[\u0370-\u03ff\u0400-\u04ff]")
_LATIN = str.maketrans("абвеіјкмнорстухѕԁԛѡαβεικνορτυχ", "abbeijkmhopctyxsdqwabeikvoptux")
_SPACED = re.compile(r"(?<!\w)(?:\w[ .\-_*|]){3,}\w(?!\w)")
_BETWEEN = re.compile(r"[ .\-_*|]")
_NO_LETTERS = str.maketrans(
    "", "", string.punctuation + string.whitespace + "¡¿«»„“”‘’–—…·•،؛؟।、。"
)
_ACCENT = re.compile("[\u0300-\u036f]")


def plain(text: str) -> str:
    """Small letters without accents, look-alikes made one, spaced-out words joined, single spaces."""
    return " ".join(_SPACED.sub(_joined, _folded(text)).split())


def compact(text: str) -> str:
    """The letters and digits of a text and nothing else, for comparing however it is laid out."""
    return _folded(text).translate(_NO_LETTERS)


def _folded(text: str) -> str:
    folded = text.casefold()
    if folded.isascii():
        return folded
    folded = _UNSEEN.sub("", unicodedata.normalize("NFKC", folded))
    if _LOOKS_LATIN.search(folded) and _HAS_LATIN.search(folded):
        folded = _WORD.sub(_in_one_script, folded)
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", folded)))


def _in_one_script(match: re.Match[str]) -> str:
    word = match[0]
    return word.translate(_LATIN) if _HAS_LATIN.search(word) else word


def _joined(match: re.Match[str]) -> str:
    return _BETWEEN.sub("", match[0])
