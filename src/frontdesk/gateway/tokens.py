"""Counting tokens without LiteLLM and without the network."""

import importlib.util
import math
import os
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

# What the chat format adds around each message (OpenAI: how to count tokens with tiktoken).
TOKENS_PER_MESSAGE = 4
# Stands where a text was cut.
CUT = " […cut]"
CUT_TOKENS = 5
# A safe over-estimate in every script we measured, where characters / 4 is far too little.
_BYTES_PER_TOKEN = 3.5


def count_tokens(text: str) -> int:
    """How many tokens the text is in the o200k vocabulary, whatever model it is meant for.

    The older vocabularies count Arabic and Hindi two to three times over. The first call loads the
    vocabulary, half a second. When that can't be had from the installed packages, `estimate_tokens`.
    """
    encoding = _encoding()
    return estimate_tokens(text) if encoding is None else len(encoding.encode_ordinary(text))


def cut_to_tokens(text: str, limit: int) -> str:
    """The text, or its beginning of at most `limit` tokens and a mark of `CUT_TOKENS` more."""
    if estimate_tokens(text) <= limit:
        return text
    encoding = _encoding()
    if encoding is None:
        # Every UTF-8 byte counts for less than a token here.
        return (
            text.encode(errors="replace")[: int(limit * _BYTES_PER_TOKEN)].decode(errors="ignore")
            + CUT
        )
    tokens = encoding.encode_ordinary(text)
    if len(tokens) <= limit:
        return text
    # A character may be cut in two at a token's border.
    beginning: bytes = encoding.decode_bytes(tokens[:limit])
    return beginning.decode(errors="ignore") + CUT


def estimate_tokens(text: str) -> int:
    """An over-estimate of `count_tokens` that costs nothing: UTF-8 bytes / 3.5, rounded up.

    What fits a budget by this fits it for sure, and spares the process the vocabulary (45 MiB).
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


@lru_cache(maxsize=1)
def _encoding() -> Any:
    # LiteLLM's wheel carries the vocabularies; finding it does not import it, and tiktoken would
    # otherwise fetch them from a public host.
    found = importlib.util.find_spec("litellm")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "litellm_core_utils" / "tokenizers"
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    if not _has_vocabulary(folder):
        return None
    os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
    try:
        import tiktoken

        encoding = tiktoken.get_encoding("o200k_base")
    except (ImportError, OSError, ValueError):
        return None
    finally:
        if before is None:
            os.environ.pop("TIKTOKEN_CACHE_DIR", None)
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
    # Half of its memory, and only pickling ever reads it.
    encoding._mergeable_ranks.clear()
    return encoding


def _has_vocabulary(folder: Path) -> bool:
    # tiktoken names a cached file by the SHA-1 of the address it stands for: this is o200k_base.
    return (folder / "fb374d419588a4632f3f557e76b4b70aebbca790").is_file()
