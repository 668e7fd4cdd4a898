"""Vectors of texts without a model: their words and letters, hashed. Texts that share some are near."""

import base64
import math
import re
import struct
import zlib

DIMENSIONS = 256
_WORD = re.compile(r"\w+")


def vector_of(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """The text's vector, of length 1; the same for the same text, everywhere."""
    numbers = [0.0] * dimensions
    for word in _WORD.findall(text.casefold()):
        parts = [(word, 1.0), *((f" {word} "[at : at + 3], 0.3) for at in range(len(word)))]
        for part, weight in parts:
            place = zlib.crc32(part.encode())
            numbers[place % dimensions] += weight if place & 0x10000 else -weight
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers] if length else [1.0, *numbers[1:]]


def as_base64(vector: list[float]) -> str:
    """A vector as OpenAI sends it to its own client: 32-bit numbers."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
