"""Counting tokens without LiteLLM and without the network."""

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from frontdesk.gateway.vocabulary import WORD, Vocabulary, find_vocabulary

# What the chat format adds around each message (OpenAI: how to count tokens with tiktoken).
TOKENS_PER_MESSAGE = 4
# Stands where a text was cut.
CUT = " […cut]"
CUT_TOKENS = 5
# A safe over-estimate in every script we measured, where characters / 4 is far too little.
_BYTES_PER_TOKEN = 3.5
# Characters of a text, bytes of one word. What is beyond is estimated, or cut off: this much takes a
# tenth of a second at worst, while nothing else happens.
_MOST_COUNTED = 32_768
# A word ends where a space follows anything but white space. To cut there first and to know what
# comes again takes a quarter of the time of cutting all of a text into words.
_STRETCH = re.compile(r"\s*+\S++(?:[^\S ]\s*+\S*+)*+|\s+")
# Of stretches and of words: both together are about 3 MiB, and never more than 12.
_KEPT = 8_192
_KEPT_CHARACTERS = 128


def count_tokens(text: str) -> int:
    """How many tokens the text is in the o200k vocabulary, whatever model it is meant for.

    The older vocabularies count Arabic and Hindi two to three times over. The first call loads the
    vocabulary, 0.2 seconds. When that can't be had from the installed packages, `estimate_tokens`; so
    it is for what is beyond the first 32,768 characters.
    """
    if _vocabulary() is None:
        return estimate_tokens(text)
    if len(text) > _MOST_COUNTED:
        rest = estimate_tokens(text[_MOST_COUNTED:])
        return count_tokens(text[:_MOST_COUNTED]) + rest
    return sum(
        _known_stretch(stretch) if len(stretch) <= _KEPT_CHARACTERS else _stretch_tokens(stretch)
        for stretch in _STRETCH.findall(_encodable(text))
    )


def cut_to_tokens(text: str, limit: int) -> str:
    """The text, or its beginning of at most `limit` tokens and a mark of `CUT_TOKENS` more.

    Of a word of more than 32,768 bytes no more than these stay.
    """
    vocabulary = _vocabulary()
    if vocabulary is None:
        if estimate_tokens(text) <= limit:
            return text
        # Every UTF-8 byte counts for less than a token here.
        return (
            text.encode(errors="replace")[: int(limit * _BYTES_PER_TOKEN)].decode(errors="ignore")
            + CUT
        )
    encodable = _encodable(text)
    if len(encodable.encode()) <= limit:  # No token is less than a byte.
        return text
    left = limit
    for word in WORD.finditer(encodable):
        ends: list[int] = []
        if len(word[0]) <= _KEPT_CHARACTERS:
            size = _known_word(word[0])
        else:
            data = word[0].encode()
            ends = vocabulary.cut(data[:_MOST_COUNTED])
            size = len(ends) if len(data) <= _MOST_COUNTED else limit + 1
        if size > left:
            data = word[0].encode()
            ends = ends or vocabulary.cut(data)
            # A character may be cut in two at a token's border.
            part = data[: [0, *ends[:left]][-1]].decode(errors="ignore")
            return encodable[: word.start()] + part + CUT
        left -= size
    return text


def estimate_tokens(text: str) -> int:
    """An over-estimate of `count_tokens` that costs nothing: UTF-8 bytes / 3.5, rounded up.

    What fits a budget by this fits it for sure, and spares the process the vocabulary.
    """
    return math.ceil(len(text.encode(errors="replace")) / _BYTES_PER_TOKEN)


def count_message_tokens(messages: Iterable[Mapping[str, Any]]) -> int:
    """How many tokens chat messages are, with what the format adds."""
    return sum(TOKENS_PER_MESSAGE + count_tokens(_text(item.get("content"))) for item in messages)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def _encodable(text: str) -> str:
    """The text as UTF-8 can have it: half a pair of surrogates is replaced, as tiktoken does it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _stretch_tokens(stretch: str) -> int:
    return sum(map(_word_tokens, WORD.findall(stretch)))


def _word_tokens(word: str) -> int:
    return _known_word(word) if len(word) <= _KEPT_CHARACTERS else _merged(word)


def _merged(word: str) -> int:
    vocabulary = _vocabulary()
    assert vocabulary is not None
    return len(vocabulary.cut(word.encode()))


_known_stretch = lru_cache(_KEPT)(_stretch_tokens)
_known_word = lru_cache(_KEPT)(_merged)


@lru_cache(maxsize=1)
def _vocabulary() -> Vocabulary | None:
    return find_vocabulary()
