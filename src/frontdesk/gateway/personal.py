"""Finding what is personal in a text: pure rules, no model. The order of the rules settles overlaps.

Where a number has a check digit it is checked (python-stdnum); phone numbers are those that are valid
in the countries at hand (phonenumbers) or are written as numbers of any country are. What only looks
like one is masked as well: it is put back into the answer, so nothing is lost by it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Pii(StrEnum):
    """A kind of personal data."""

    EMAIL = "email"
    IBAN = "iban"
    NATIONAL_ID = "national_id"
    CARD = "card"
    IP = "ip"
    PHONE = "phone"
    NAME = "name"


@dataclass(frozen=True)
class Masking:
    """What is to be masked in a prompt, and what is known of the contact it is about.

    Args:
        kinds: what is masked; nothing when empty.
        names: what the contact is called; masked wherever it stands.
        numbers: their phone numbers, with country code; they tell in whose countries' ways numbers
            are written.
    """

    kinds: frozenset[Pii] = frozenset(Pii)
    names: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """Personal data in a text, from `start` to before `end`."""

    start: int
    end: int
    kind: Pii


ALL_KINDS = Masking()
# Six digits near each other: without them there is no number worth looking at closely.
_NUMBER = re.compile(r"\d(?:\D{0,3}\d){5}")
_FEWEST_DIGITS_OF_PHONE = 7
_FEWEST_DIGITS_OF_IP = 4
# Arabic-Indic, Persian, Devanagari, Bengali and full-width digits; one for one, so places stay.
_DIGITS = {
    first + value: ord("0") + value
    for first in (0x0660, 0x06F0, 0x0966, 0x09E6, 0xFF10)
    for value in range(10)
}
# Ids of ours stand in transcripts; the digits in them are nobody's.
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_IBAN = re.compile(r"\b[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}\b")
_CARD = re.compile(r"(?<![\d-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])")
_IP = re.compile(
    r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"
    r"|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?![\w:])"
)
# As numbers are written anywhere: after + or a trunk 0.
_PHONE = re.compile(r"(?<![\w.+-])(?:\+|0)\d(?:[ ()./-]{0,2}\d){7,13}(?![\w-])")
_NATIONAL_IDS = (
    ("br.cpf", re.compile(r"\b\d{3}\.?\d{3}\.?\d{3}-?\d{2}\b")),
    ("it.codicefiscale", re.compile(r"\b[A-Za-z]{6}\w{2}[A-Za-z]\w{2}[A-Za-z]\w{3}[A-Za-z]\b")),
    ("luhn", re.compile(r"\b784-?\d{4}-?\d{7}-?\d\b")),  # Emirates ID.
    ("es.dni", re.compile(r"\b\d{8}-?[A-Za-z]\b")),
    ("es.nie", re.compile(r"\b[XYZxyz]-?\d{7}-?[A-Za-z]\b")),
    ("in_.aadhaar", re.compile(r"\b[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}\b")),
    ("us.ssn", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    ("de.idnr", re.compile(r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b")),
    ("fr.nir", re.compile(r"\b[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}\b")),
    (None, re.compile(r"\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b")),
)


def find_personal(text: str, masking: Masking) -> list[Found]:
    """The personal data in a text by place, none within another; the earlier kind of `Pii` wins."""
    taken: list[tuple[int, int]] = []
    found: list[Found] = []
    for kind, start, end in _candidates(text, masking):
        if all(end <= first or last <= start for first, last in taken):
            taken.append((start, end))
            if kind is not None:
                found.append(Found(start, end, kind))
    return sorted(found, key=lambda item: item.start)


def load() -> None:
    """Load the rules of numbers before the first text needs them."""
    find_personal("+44 20 7946 0958 or 4111 1111 1111 1111", Masking(numbers=("442079460958",)))


def _candidates(text: str, masking: Masking) -> Iterator[tuple[Pii | None, int, int]]:
    kinds = masking.kinds
    plain = text if text.isascii() else text.translate(_DIGITS)
    digits = sum(map(plain.count, "0123456789"))
    has_number = digits > 5 and _NUMBER.search(plain) is not None
    if Pii.EMAIL in kinds and "@" in text:
        yield from _spans(Pii.EMAIL, _EMAIL, plain)
    if has_number:
        yield from _spans(None, _UUID, plain)
        if Pii.IBAN in kinds:
            yield from _ibans(plain)
        if Pii.NATIONAL_ID in kinds:
            for module, pattern in _NATIONAL_IDS:
                is_valid = _check(module) if module else None
                yield from _spans(Pii.NATIONAL_ID, pattern, plain, is_valid)
        if Pii.CARD in kinds:
            yield from _spans(Pii.CARD, _CARD, plain, _check("luhn"))
    if Pii.IP in kinds and digits >= _FEWEST_DIGITS_OF_IP and _may_hold_ip(plain):
        yield from _spans(Pii.IP, _IP, plain)
    if Pii.PHONE in kinds and has_number and digits >= _FEWEST_DIGITS_OF_PHONE:
        yield from _phones(plain, masking.numbers)
    if Pii.NAME in kinds:
        folded = text.casefold()
        for name in masking.names:
            for first, pattern in _name_patterns(name):
                if first in folded:
                    yield from _spans(Pii.NAME, pattern, text)


def _may_hold_ip(text: str) -> bool:
    return text.count(".") >= 3 or text.count(":") >= 4


def _spans(
    kind: Pii | None,
    pattern: re.Pattern[str],
    text: str,
    is_valid: Callable[[str], bool] | None = None,
) -> Iterator[tuple[Pii | None, int, int]]:
    for match in pattern.finditer(text):
        if is_valid is None or is_valid(match[0]):
            yield kind, match.start(), match.end()


def _ibans(text: str) -> Iterator[tuple[Pii, int, int]]:
    is_valid = _check("iban")
    for match in _IBAN.finditer(text):
        # Words that follow it look like more of it.
        written = match[0]
        while len(written) >= 15 and not is_valid(written):
            written = written[:-1].rstrip() if " " not in written else written.rpartition(" ")[0]
        if len(written) >= 15:
            yield Pii.IBAN, match.start(), match.start() + len(written)


def _phones(text: str, numbers: tuple[str, ...]) -> Iterator[tuple[Pii, int, int]]:
    import phonenumbers

    for number in numbers:
        for match in re.finditer(re.escape(number), text):
            yield Pii.PHONE, match.start(), match.end()
    regions: set[str | None] = {region for number in numbers for region in _regions(number)}
    for region in regions or {None}:
        for found in phonenumbers.PhoneNumberMatcher(text, region):
            yield Pii.PHONE, found.start, found.end
    for match in _PHONE.finditer(text):
        yield Pii.PHONE, match.start(), match.end()


@lru_cache(maxsize=1_000)
def _regions(number: str) -> tuple[str, ...]:
    """The country of a number with its country code."""
    import phonenumbers

    try:
        region = phonenumbers.region_code_for_number(phonenumbers.parse(f"+{number.lstrip('+')}"))
    except phonenumbers.NumberParseException:
        return ()
    return (region,) if region else ()


@lru_cache(maxsize=32)
def _check(module: str) -> Callable[[str], bool]:
    from importlib import import_module

    is_valid: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    if module != "luhn":
        return is_valid
    return lambda text: is_valid(re.sub(r"\D", "", text))


@lru_cache(maxsize=1_000)
def _name_patterns(name: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    """A name as it may stand in a text, whole and then each word of it alone, behind how each begins.

    A word alone is a word of some language too often (Will, Rosa, Sol), so it must be written as a
    name is; a particle (de, van, bin) is none.
    """
    if sum(c.isalpha() for c in name) < 2 or len(name) > 120:
        return ()
    words = name.split()
    if len(words) == 1:
        return (_pattern(words),)
    bare = (re.sub(r"^\W+|\W+$", "", word) for word in words)
    alone = dict.fromkeys(
        written
        for word in bare
        if len(word) >= 3 and any(c.isalpha() for c in word)
        for written in (word, word.capitalize())
        if not written.islower()
    )
    return (_pattern(words, re.IGNORECASE), *(_pattern([word]) for word in alone))


def _pattern(words: list[str], flags: int = 0) -> tuple[str, re.Pattern[str]]:
    spaced = r"\s+".join(map(re.escape, words))
    return words[0].casefold(), re.compile(rf"(?<!\w){spaced}(?!\w)", flags)
