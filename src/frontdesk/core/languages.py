"""What language a text is in: by its script where that alone decides, else by statistics."""

import unicodedata
from functools import lru_cache
from typing import Any

# One language a script, where the script alone decides among those we serve.
SCRIPTS = {"ARABIC": "ar", "DEVANAGARI": "hi", "HEBREW": "he", "GREEK": "el", "THAI": "th",
            "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "BENGALI": "bn", "TAMIL": "ta"}  # fmt: skip


def detect_language(text: str, allowed: tuple[str, ...]) -> tuple[str | None, float]:
    """The language of a text among `allowed` (ISO 639-1) and how sure that is, 0 to 1.

    None when there is nothing to tell by: no letters, or fewer than two languages to choose from
    whose letters these could be. Loads the statistics at first use (`warm`).
    """
    letters = [c for c in text if c.isalpha()]
    if not letters:
        return None, 0.0
    script = _script_language(letters)
    if script is not None:
        return script, 1.0
    codes = tuple(sorted(set(allowed) - set(SCRIPTS.values())))
    detector = _detector(codes)
    if detector is None:
        return None, 0.0
    best = detector.compute_language_confidence_values(text)[0]
    return best.language.iso_code_639_1.name.lower(), float(best.value)


def _script_language(letters: list[str]) -> str | None:
    counts: dict[str, int] = {}
    for letter in letters[:200]:
        if letter.isascii():
            continue
        name = unicodedata.name(letter, "").partition(" ")[0]
        if name in SCRIPTS:
            counts[SCRIPTS[name]] = counts.get(SCRIPTS[name], 0) + 1
    code, count = max(counts.items(), key=lambda item: item[1], default=(None, 0))
    return code if count * 2 > len(letters[:200]) else None


@lru_cache(maxsize=64)
def _detector(codes: tuple[str, ...]) -> Any:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    known = [getattr(IsoCode639_1, c.upper()) for c in codes if hasattr(IsoCode639_1, c.upper())]
    if len(known) < 2:
        return None
    return LanguageDetectorBuilder.from_iso_codes_639_1(*known).build()
