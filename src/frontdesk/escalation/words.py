"""What contacts' words hold for rules: words in any form, with slips of the pen, and sums of money."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import repeat
from typing import Any, NamedTuple

from frontdesk.agent_config import Topic
from frontdesk.escalation.wishes import plain

# Snowball's names of the languages it knows; words of others count as they are written.
_STEMMERS = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "fi": "finnish", "fr": "french", "hi": "hindi", "hu": "hungarian", "id": "indonesian",
    "it": "italian", "nl": "dutch", "no": "norwegian", "pt": "portuguese", "ro": "romanian",
    "ru": "russian", "sv": "swedish", "tr": "turkish",
}  # fmt: skip
# In a shorter word one letter makes another word of it.
_LEAST_FOR_TYPOS = 6
TOPICS: Mapping[Topic, Mapping[str, tuple[str, ...]]] = {
    Topic.MONEY: {
        "en": ("refund", "money back", "reimburse", "chargeback", "compensation", "overcharged",
               "charged twice", "double charge", "wrong amount"),
        "es": ("reembolso", "devolución del dinero", "devolver el dinero", "mi dinero",
               "contracargo", "compensación", "cobrado dos veces", "doble cobro"),
        "pt": ("reembolso", "meu dinheiro", "dinheiro de volta", "estorno", "indenização",
               "cobrado duas vezes", "cobrança dupla"),
        "it": ("rimborso", "soldi indietro", "miei soldi", "risarcimento", "addebitato due volte",
               "doppio addebito"),
        "de": ("Rückerstattung", "erstatten", "Geld zurück", "Entschädigung", "Rückbuchung",
               "doppelt abgebucht", "zu viel abgebucht"),
        "fr": ("remboursement", "rembourser", "mon argent", "indemnisation", "débité deux fois",
               "double prélèvement"),
        "ar": ("استرداد", "استرجاع المبلغ", "فلوسي", "أموالي", "تعويض"),
        "hi": ("रिफंड", "पैसे वापस", "मेरे पैसे", "मुआवजा", "paise wapas"),
    },
    Topic.LEGAL: {
        "en": ("lawyer", "attorney", "solicitor", "lawsuit", "sue you", "court", "legal action",
               "legal steps", "consumer protection", "ombudsman"),
        "es": ("abogado", "demanda", "demandar", "juzgado", "tribunal", "acciones legales",
               "defensa del consumidor"),
        "pt": ("advogado", "processo judicial", "processar vocês", "tribunal", "justiça", "procon"),
        "it": ("avvocato", "causa legale", "fare causa", "tribunale", "vie legali", "denuncia"),
        "de": ("Anwalt", "Rechtsanwalt", "Klage", "verklagen", "Gericht", "rechtliche Schritte",
               "Verbraucherzentrale"),
        "fr": ("avocat", "procès", "tribunal", "poursuites judiciaires", "porter plainte",
               "voie judiciaire"),
        "ar": ("محامي", "المحامي", "محكمة", "المحكمة", "مقاضاة", "دعوى"),
        "hi": ("वकील", "अदालत", "मुकदमा", "कानूनी कार्रवाई", "vakil"),
    },
}  # fmt: skip
_CURRENCIES = {
    "usd": "USD", "us$": "USD", "$": "USD", "dollar": "USD", "dollars": "USD", "dolares": "USD",
    "eur": "EUR", "€": "EUR", "euro": "EUR", "euros": "EUR", "gbp": "GBP", "£": "GBP",
    "pound": "GBP", "pounds": "GBP", "quid": "GBP", "inr": "INR", "₹": "INR", "rs": "INR",
    "rs.": "INR", "rupee": "INR", "rupees": "INR", "brl": "BRL", "r$": "BRL", "real": "BRL",
    "reais": "BRL", "mxn": "MXN", "pesos": "MXN", "chf": "CHF", "franken": "CHF",
}  # fmt: skip
_MARK = "|".join(re.escape(mark) for mark in sorted(_CURRENCIES, key=len, reverse=True))
_NUMBER = r"\d{1,3}(?:[.,' ]\d{3})+(?:[.,]\d{1,2})?|\d{1,12}(?:[.,]\d{1,2})?"
_AMOUNT = re.compile(
    rf"(?<![\w.,])(?:(?P<before>{_MARK})\s?(?P<first>{_NUMBER})(?![\d])"
    rf"|(?P<second>{_NUMBER})\s?(?P<after>{_MARK})(?!\w))"
)
_BETWEEN = re.compile(r"[.,' ]")
_CENTS = re.compile(r"[.,](\d{1,2})$")


class Amount(NamedTuple):
    """A sum with its currency, ISO 4217. A bare “$” counts as US dollars, “pesos” as Mexican."""

    value: float
    currency: str

    def __str__(self) -> str:
        return f"{self.value:g} {self.currency}"


class Said:
    """What a contact has said in one burst, looked at as often as rules want: each word is stemmed
    once a language, and found by its stem."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._stemmed: dict[str, _Stemmed] = {}

    @cached_property
    def _lines(self) -> list[list[str]]:
        return [plain(text).split() for text in self._texts]

    @cached_property
    def amounts(self) -> list[Amount]:
        """The sums of money that are named with a currency, the largest first."""
        found = [amount for text in self._texts for amount in _amounts(text.casefold())]
        return sorted(found, key=lambda amount: -amount.value)

    def mentioned(
        self, words: Mapping[str, Sequence[str]], *, typos: bool
    ) -> tuple[str, str] | None:
        """The first of these words or phrases, by language, and what the contact wrote for it."""
        for language, phrases in words.items():
            stemmed = self._stemmed.get(language)
            if stemmed is None:
                stemmed = self._stemmed[language] = _Stemmed(self._lines, language)
            for phrase in phrases:
                if written := stemmed.find(_stems_of(language, phrase), typos=typos):
                    return phrase, written
        return None


class _Stemmed:
    """The words of a burst as stems of one language, and where each of them stands."""

    def __init__(self, lines: list[list[str]], language: str) -> None:
        self._lines = lines
        self._stems = [[_stem(language, word) for word in line] for line in lines]
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._by_letter: dict[str, set[str]] = {}
        for row, stems in enumerate(self._stems):
            for column, stem in enumerate(stems):
                self._places.setdefault(stem, []).append((row, column))
                self._by_letter.setdefault(stem[:1], set()).add(stem)

    def find(self, wanted: tuple[str, ...], *, typos: bool) -> str | None:
        """What was written for a phrase, given as stems."""
        if not wanted:
            return None
        nearly = self._by_letter.get(wanted[0][:1], ()) if typos else (wanted[0],)
        for first in nearly:
            if not _same(wanted[0], first, typos):
                continue
            for row, column in self._places.get(first, ()):
                part = self._stems[row][column : column + len(wanted)]
                if len(part) == len(wanted) and all(map(_same, wanted, part, repeat(typos))):
                    return " ".join(self._lines[row][column : column + len(wanted)])
        return None


def _same(wanted: str, written: str, typos: bool) -> bool:
    return wanted == written or (
        typos and len(wanted) >= _LEAST_FOR_TYPOS and one_slip(wanted, written)
    )


def one_slip(one: str, other: str) -> bool:
    """Whether two words differ by one letter wrong, missing or too many, or by two swapped.

    The first letter is right in nearly all slips, and tells most other words apart.
    """
    if abs(len(one) - len(other)) > 1 or one[:1] != other[:1]:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    left, right = one[start:], other[start:]
    while left and right and left[-1] == right[-1]:
        left, right = left[:-1], right[:-1]
    return max(len(left), len(right)) <= 1 or (len(left) == 2 and left == right[::-1])


@lru_cache(maxsize=20_000)
def _stems_of(language: str, phrase: str) -> tuple[str, ...]:
    return tuple(_stem(language, word) for word in plain(phrase).split())


@lru_cache(maxsize=20_000)
def _stem(language: str, word: str) -> str:
    stemmer = _stemmer(language)
    stem: str = stemmer.stemWord(word) if stemmer else word
    return stem


@lru_cache
def _stemmer(language: str) -> Any:
    name = _STEMMERS.get(language)
    if name is None:
        return None
    import snowballstemmer  # All of its languages are loaded with it.

    return snowballstemmer.stemmer(name)


def _amounts(text: str) -> Iterator[Amount]:
    for match in _AMOUNT.finditer(text):
        number = match["first"] or match["second"]
        currency = _CURRENCIES[match["before"] or match["after"]]
        cents = _CENTS.search(number)
        whole = number[: cents.start()] if cents else number
        digits = _BETWEEN.sub("", whole)
        yield Amount(float(f"{digits}.{cents[1] if cents else 0}"), currency)
