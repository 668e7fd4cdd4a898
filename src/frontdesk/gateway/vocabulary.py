"""The vocabulary o200k in four MiB, and byte-pair merging by it: what a token is, and nothing else.

It is read from the file of ranks in LiteLLM's wheel, without LiteLLM. tiktoken, which counts the same
(the tests hold us to it), keeps every token three times and takes 49 MiB for it.
"""

import importlib.util
from array import array
from binascii import a2b_base64
from heapq import heapify, heappop, heappush
from pathlib import Path

import regex

# How a text is cut into words before any of them is merged: tiktoken's pattern of o200k_base, as
# it stands in `tiktoken_ext.openai_public`, which gives it only together with the vocabulary.
WORD = regex.compile(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"
    r"|\s+"
)
# tiktoken names a cached file by the SHA-1 of the address it stands for: this is o200k_base.
_RANKS = "litellm_core_utils/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790"
_SLOTS = 1 << 19  # Of which 200,000 are taken, so that a look-up sees two on the average.
_RANK_BITS = (1 << 18) - 1


class Vocabulary:
    """Tokens by their rank: of two that can be made of the same bytes, the lower rank is made first.

    A hash table in an array: each slot has the upper 46 bits of a token's hash and, in the lower
    18, its rank and one; 0 is free. The tokens' bytes are not kept, so one of 2^45 strings of bytes
    is taken for a token; which ones is another matter in each process.
    """

    def __init__(self, path: Path) -> None:
        """Read a file of lines that are a token in Base64 and its rank. It takes 0.2 seconds.

        Raises:
            OSError, ValueError: there is no such file.
        """
        self._slots = slots = array("q", bytes(8 * _SLOTS))
        with path.open("rb") as lines:
            for line in lines:
                token, rank = line.split()
                key = hash(a2b_base64(token))
                slot = key % _SLOTS
                while slots[slot]:
                    slot = (slot + 1) % _SLOTS
                slots[slot] = (key & ~_RANK_BITS) | (int(rank) + 1)

    def rank(self, token: bytes) -> int | None:
        """The token's rank; None when these bytes are no token."""
        slots, key = self._slots, hash(token)
        slot = key % _SLOTS
        key &= ~_RANK_BITS
        while taken := slots[slot]:
            if 0 < (rank := taken - key) <= _RANK_BITS:
                return rank - 1
            slot = (slot + 1) % _SLOTS
        return None

    def cut(self, word: bytes) -> list[int]:
        """Where the tokens of a word end, in bytes. It takes a microsecond a byte.

        Neighbours that make a token together are merged, the lowest rank first, of equal ones the
        leftmost. A heap has what can be merged, so that the longest word takes no more a byte.
        """
        if self.rank(word) is not None:
            return [len(word)]
        size = len(word)
        # By where a token starts: where it ends, and where the one before it starts.
        ends = [*range(1, size + 1), 0]
        before = list(range(-1, size))
        pairs = []
        for start in range(size - 1):
            rank = self.rank(word[start : start + 2])
            if rank is not None:
                pairs.append((rank, start, start + 2))
        heapify(pairs)
        while pairs:
            _, start, end = heappop(pairs)
            middle = ends[start]
            # One of the two has been merged with another meanwhile.
            if not middle or middle >= end or ends[middle] != end:
                continue
            ends[start], ends[middle] = end, 0
            before[end] = start
            if end < size:
                rank = self.rank(word[start : ends[end]])
                if rank is not None:
                    heappush(pairs, (rank, start, ends[end]))
            if start:
                rank = self.rank(word[before[start] : end])
                if rank is not None:
                    heappush(pairs, (rank, before[start], end))
        return [end for end in ends if end]


def find_vocabulary() -> Vocabulary | None:
    """The vocabulary, or None when no installed package has it. Finding it imports no LiteLLM."""
    found = importlib.util.find_spec("litellm")
    if found is None or found.origin is None:
        return None
    try:
        return Vocabulary(Path(found.origin).parent / _RANKS)
    except (OSError, ValueError):
        return None
