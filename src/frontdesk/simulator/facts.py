"""Finding the fact that answers a question: word overlap, weighted by how rare a word is."""

import math
import re
from collections import Counter
from dataclasses import dataclass

from frontdesk.simulator.lexicon import STOP_WORDS, words

ENOUGH = 0.34  # Share of a question's weight that must be found: a third, or nothing fits.
_SENTENCES_QUOTED = 3

_BLOCK = re.compile(r"<facts>(.*?)</facts>", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?।؟])\s+|\n+")
_BULLET = re.compile(r"^[-*•]\s+")
_SUFFIXES = (
    "ements", "ciones", "zioni", "ingly", "ement", "cion", "cao", "coes", "ments", "ment", "zione",
    "ungen", "ings", "ung", "ing", "ies", "ied", "ers", "ery", "ed", "es", "er", "en", "os", "as",
    "s", "e", "o", "a", "i", "y",
)  # fmt: skip

# Different words for the same thing: (the words, their one name). Groups that share a word, as
# Spanish and Portuguese ones do, become one.
_GROUPS: tuple[tuple[str, str], ...] = (
    ("ship shipment deliver delivery arrive parcel package dispatch", "ship"),
    ("price cost costs fee charge expensive pricing", "price"),
    ("return refund exchange back", "return"),
    ("hour hours open opening close closing schedule opened", "hour"),
    ("address located location store shop", "place"),
    ("pay payment card paypal invoice", "pay"),
    ("envio envios envian entrega entregan llega llegar paquete", "envio"),
    ("precio precios cuesta cuestan vale", "precio"),
    ("devolucion devolver reembolso cambio", "devolver"),
    ("horario horarios abren abierto cierran abre hora", "horario"),
    ("entrega entregas entregam frete chega chegar", "entrega"),
    ("preco precos custa custam valor", "preco"),
    ("devolucao devolver reembolso troca trocar", "devolver"),
    ("horario abrem aberto fecham funcionamento", "horario"),
    ("spedizione spedite consegna arriva spedire", "spedizione"),
    ("prezzo prezzi costa costano", "prezzo"),
    ("reso restituire rimborso cambio", "reso"),
    ("orario orari aperto aperti chiudete aprite", "orario"),
    ("versand lieferung liefern liefert verschickt versenden paket lieferzeit", "versand"),
    ("preis preise kostet kosten", "preis"),
    ("ruckgabe rueckgabe zuruck zurueck retoure erstattung umtausch", "ruckgabe"),
    ("offnungszeiten oeffnungszeiten geoffnet offen geschlossen auf", "offnung"),
    ("livraison livrez livrer expedition colis arrive", "livraison"),
    ("prix coute tarif", "prix"),
    ("retour retourner remboursement echange rendre", "retour"),
    ("horaires ouvert ouverts ouvrez fermez heures", "horaires"),
)


def stem(word: str) -> str:
    """A word without its ending; rough, and the same for questions and facts."""
    for shortest in (3, 4):  # Twice: deliveries, delivered and deliver must meet.
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= shortest:
                word = word[: -len(suffix)]
                break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]  # shipp(ing) and ship
    return word


def _grouped() -> dict[str, str]:
    group_of: dict[str, str] = {}
    for listed, name in _GROUPS:
        stems = {stem(word) for word in listed.split()}
        shared = next((group_of[each] for each in sorted(stems) if each in group_of), f"={name}")
        group_of |= {each: group_of.get(each, shared) for each in stems}
    return group_of


_GROUP_OF = _grouped()

# "cuesta" or "back" says little in one language and everything in another: groups win.
_IGNORED = frozenset().union(*STOP_WORDS.values()) - {
    word for listed, _ in _GROUPS for word in listed.split()
}


def terms(text: str) -> set[str]:
    """What a text is about: the stems of its words that are no stop words, and their groups."""
    found: set[str] = set()
    for word in words(text):
        if word in _IGNORED:
            continue
        stemmed = stem(word)
        found.add(_GROUP_OF.get(stemmed, stemmed))
    return found


@dataclass(frozen=True)
class Fact:
    """A section of the facts block."""

    title: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return " ".join(self.sentences)


@dataclass(frozen=True)
class Match:
    """The fact that fits a question best."""

    fact: Fact
    text: str
    coverage: float
    """Share of the question's weight that was found in the fact, 0 to 1."""


def read_facts(system: str) -> tuple[Fact, ...]:
    """The sections of all `<facts>` blocks of a system message."""
    facts: list[Fact] = []
    for block in _BLOCK.findall(system):
        for piece in re.split(r"(?m)^(?=#{1,6}\s)", block.strip()):
            heading, _, body = piece.partition("\n") if piece.startswith("#") else ("", "", piece)
            title = heading.lstrip("# ").strip()
            sentences = tuple(split_sentences(body))
            if title or sentences:
                facts.append(Fact(title or "Facts", sentences))
    return tuple(facts)


def split_sentences(text: str) -> list[str]:
    """The sentences and list items of a text."""
    pieces = (_BULLET.sub("", piece.strip()) for piece in _SENTENCE_END.split(text))
    return [piece for piece in pieces if piece]


class FactIndex:
    """The facts of one prompt, ready for questions."""

    def __init__(self, facts: tuple[Fact, ...]) -> None:
        self._facts = [(fact, terms(fact.title), terms(fact.text)) for fact in facts]
        self._seen = Counter(term for _, title, text in self._facts for term in title | text)

    def _weight(self, term: str) -> float:
        # A word no fact knows weighs as much as a rare one: the question is then about more.
        return 1.0 + math.log((1 + len(self._facts)) / (self._seen[term] or 1))

    def find(self, question: str) -> Match | None:
        """The best fact for a question, or for one clause of it; None when none fits."""
        clauses = question.split(",")
        found = (self._find(part) for part in ([question, *clauses] if clauses[1:] else clauses))
        return next((match for match in found if match), None)

    def _find(self, question: str) -> Match | None:
        asked = terms(question)
        if not asked or not self._facts:
            return None
        total = sum(map(self._weight, asked))
        best: tuple[float, float, Fact, set[str]] | None = None
        for fact, title, text in self._facts:
            covered = sum(map(self._weight, asked & (title | text))) / total
            score = covered + 0.5 * sum(map(self._weight, asked & title)) / total
            if covered and (best is None or score > best[0]):
                best = score, covered, fact, title
        if best is None or best[1] < ENOUGH:
            return None
        _, covered, fact, title = best
        return Match(fact, self._quote(fact, asked), min(covered, 1.0))

    def _quote(self, fact: Fact, asked: set[str]) -> str:
        """The sentences that carry the words asked for; the first ones if only the title does."""
        scores = [sum(map(self._weight, asked & terms(s))) for s in fact.sentences]
        best = max(scores, default=0.0)
        if best == 0:
            return " ".join(fact.sentences[:2]) or fact.title
        ranked = sorted(range(len(scores)), key=lambda index: -scores[index])
        taken = [index for index in ranked[:_SENTENCES_QUOTED] if scores[index] >= best / 2]
        return " ".join(fact.sentences[index] for index in sorted(taken))
