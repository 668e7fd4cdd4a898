"""`python -m benchmarks.retrieval`: what is found of what is asked, and how long a search takes.

The set is our own: articles and questions in benchmarks/data, written by hand, and lamps that differ
in their codes and numbers only, made here. It is good for choosing between ways to search, not for
quoting. Vectors need the extra `local-embeddings`; without it only words are measured.
"""

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks import libraries
from benchmarks.ground import Ground
from frontdesk import identity, knowledge
from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.resources import Resources, open_resources
from frontdesk.knowledge import Fit, Found, Relevance, SourceCreate
from frontdesk.knowledge.embedding import Meaning, meaning_of
from frontdesk.knowledge.retrieval import Chunk, _found, choose, find_candidates
from frontdesk.knowledge.searching import find
from frontdesk.knowledge.work import INGEST
from frontdesk.subscriptions import SUBSCRIPTIONS

_DATA = Path(__file__).with_name("data")
_WAYS = ("lexical", "vector", "hybrid", "hybrid + joined", "hybrid + by hand")
# Lamps that are told apart by a code or a number: code, name, watts, metres of cable, price.
_LAMPS = tuple(
    (f"ZX-10{17 + n}", name, 5 + n, 1 + n % 4, 89 + 10 * n)
    for n, name in enumerate(
        f"{wood}{size}"
        for wood in ("Alba", "Birch", "Corvo", "Dune")
        for size in ("", " Mini", " Tall")
    )
)
_ASKED = {
    "en": ("what is {code}?", "How many watts does the {code} draw?"),
    "es": ("¿Cuánto cuesta la {code}?", "¿Cuántos vatios consume la {code}?"),
    "pt": ("Quanto custa o {code}?", "Quantos watts consome o {code}?"),
    "it": ("Quanto costa la {code}?", "Quanto è lungo il cavo della {code}?"),
    "de": ("Was kostet die {code}?", "Wie lang ist das Kabel der {code}?"),
    "fr": ("Combien coûte la {code} ?", "Combien de watts consomme la {code} ?"),
    "ar": ("كم سعر {code}؟", "كم واط يستهلك {code}؟"),
    "hi": ("{code} की कीमत क्या है?", "{code} कितने वाट का है?"),
}


@dataclass(frozen=True)
class Question:
    """What is asked, and the article that answers it; None: none does.

    Args:
        before: what the contact asked before, when this one leans on it.
        alone: the question as somebody would ask it who has not, written by hand.
    """

    article: str | None
    language: str
    text: str
    kind: str = "plain"
    before: str = ""
    alone: str = ""


def articles() -> dict[str, tuple[str, str]]:
    """Title and text of every article, by its short name."""
    lines = (_DATA / "articles.txt").read_text().splitlines()
    written = {name: (title, text) for name, title, text in (line.split("|") for line in lines)}
    made = {
        code: (
            f"{name} ({code})",
            f"The lamp {name}, article {code}, draws {watts} watts, has a cable of {metres} metres "
            f"and costs {price} euro. It is made of oak and brass.",
        )
        for code, name, watts, metres, price in _LAMPS
    }
    return written | made


def questions() -> list[Question]:
    """Every question of the set."""
    asked = []
    for line in (_DATA / "questions.tsv").read_text().splitlines():
        article, language, text, *more = line.split("\t")
        asked.append(Question(None if article == "-" else article, language, text, *more))
    for place, (code, *_) in enumerate(_LAMPS):
        for step in (0, 3):
            language = list(_ASKED)[(place + step) % len(_ASKED)]
            asked += [
                Question(code, language, text.format(code=code), "code")
                for text in _ASKED[language]
            ]
    return asked


@dataclass
class Tally:
    """What one way of searching found, and what was decided to give of it."""

    ranked: list[int | None]  # The place of the article that answers, among all that was found.
    given: list[bool]  # Whether it is among the five pieces that are given.
    fits: list[tuple[Fit, bool]]  # What was decided, and whether nothing answers.
    seconds: list[float]

    def row(self, name: str) -> str:
        """A line of the table."""
        recall = sum(p is not None and p <= 5 for p in self.ranked) / len(self.ranked)
        mrr = sum(1 / p for p in self.ranked if p is not None and p <= 5) / len(self.ranked)
        silent = [nothing for fit, nothing in self.fits if fit is Fit.NONE]
        unanswerable = sum(nothing for _, nothing in self.fits)
        precision = f"{sum(silent) / len(silent):.2f}" if silent else "-"
        p50 = statistics.median(self.seconds) * 1000
        p95 = statistics.quantiles(self.seconds, n=20)[-1] * 1000
        return (
            f"{name:<18} {recall:>8.3f} {mrr:>6.3f} {sum(self.given) / len(self.given):>6.3f} "
            f"{precision:>11} {sum(silent) / unanswerable:>7.2f} {p50:>7.1f} {p95:>7.1f}"
        )


async def _rank(
    tx: Transaction, agent_id: UUID, way: str, text: str, meaning: Meaning | None
) -> tuple[list[Chunk], Found]:
    """All pieces one way, best first, and what is given of them; by vectors alone, the best five."""
    if way == "vector":
        found = [_found(row) for row in await find(tx, agent_id, "", meaning)]
        ranked = sorted(found, key=lambda c: c.places.by_meaning or 99)
        return ranked, Found(tuple(ranked[:5]), Relevance(Fit.FITS))
    candidates = await find_candidates(tx, agent_id, text, meaning)
    ranked = sorted((_found(row) for row in candidates.rows), key=lambda c: -c.score)
    return ranked, choose(candidates, text, 5, meaning)


async def _measure(resources: Resources, tenant_id: UUID, agent_id: UUID, names: Any) -> None:
    asked = questions()
    print(f"{len(articles())} articles, {len(asked)} questions in {len(_ASKED)} languages\n")
    print(f"{'':<18} recall@5    MRR  given  unans.prec  recall  p50 ms  p95 ms")
    for way in _WAYS:
        tally = Tally([], [], [], [])
        missed = []
        for question in asked:
            text = question.text
            if question.before and way.startswith("hybrid + "):
                text = knowledge.stand_alone(text, [question.before])
            if question.alone and way == "hybrid + by hand":
                text = question.alone
            began = time.perf_counter()
            meaning = None
            if way != "lexical":
                meaning = await meaning_of(resources, tenant_id, agent_id, text)
                if meaning is None:
                    break
            async with resources.db.hot(tenant_id) as tx:
                ranked, found = await _rank(tx, agent_id, way, text, meaning)
            tally.seconds.append(time.perf_counter() - began)
            tally.fits.append((found.relevance.fit, question.article is None))
            if question.article is not None:
                titles = [names[chunk.source_id] for chunk in ranked]
                place = titles.index(question.article) + 1 if question.article in titles else None
                tally.ranked.append(place)
                tally.given.append(question.article in [names[c.source_id] for c in found.chunks])
                if place is None or place > 5:
                    missed.append(f"{question.language} {question.kind} {question.text}")
        if not tally.ranked or len(tally.seconds) < len(asked):
            print(f"{way:<18} needs the extra local-embeddings")
            continue
        print(tally.row(way), flush=True)
        print(*missed[:60], sep="\n", file=sys.stderr)


async def _make(resources: Resources) -> tuple[UUID, UUID, dict[UUID, str]]:
    tenant_id, agent_id = await make_agent(resources, "retrieval")
    names: dict[UUID, str] = {}
    for name, (title, text) in articles().items():
        body = SourceCreate(agent_id=agent_id, title=title, body=text)
        async with resources.db.hot(tenant_id) as tx:
            source = await knowledge.add_source(resources, tx, body)
        names[source.id] = name
        await INGEST.handle(resources, tenant_id, source.id)
    return tenant_id, agent_id, names


async def make_agent(resources: Resources, slug: str) -> tuple[UUID, UUID]:
    async with resources.db.system_transaction() as system:
        tenant = await identity.create_tenant(system, slug, slug)
    agent_id = ids.new()
    async with resources.db.hot(tenant.id) as tx:
        await tx.sql.execute(
            "INSERT INTO agent (id, name, version, enabled) VALUES ($1, 'Agent', 1, true)", agent_id
        )
    return tenant.id, agent_id


def main() -> None:
    """Measure both, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrieval")
    parser.add_argument("--only", choices=("quality", "sizes"), help="measure only this")
    only = parser.parse_args().only

    async def measure(ground: Ground) -> None:
        # Before anything is connected to the database that libraries are copied from.
        if only != "quality":
            await libraries.measure(ground)
        if only != "sizes":
            async with open_resources(ground.settings(), SUBSCRIPTIONS) as resources:
                await _measure(resources, *await _make(resources))

    with Ground() as ground:
        asyncio.run(measure(ground))


if __name__ == "__main__":
    main()
