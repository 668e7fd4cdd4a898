"""How long a manual of 300 pages takes until it is answered from: `python -m benchmarks.ingestion`.

The manual is a PDF of our own making whose pages hold as much as pages of print. It goes the way
of any upload: the store of files, the child process that reads it, splitting, vectors. These need the
extra `local-embeddings`; without it the last stage is left out, and said to be.
"""

import argparse
import asyncio
import io
import random
import resource
import textwrap
from collections.abc import Iterator
from uuid import UUID

from starlette.datastructures import UploadFile
from tests.knowledge.documents import pdf

from benchmarks.ground import Ground
from benchmarks.retrieval import articles, make_agent
from frontdesk import knowledge
from frontdesk.core.resources import Resources, open_resources
from frontdesk.gateway import embedding_model
from frontdesk.knowledge.work import INGEST
from frontdesk.subscriptions import SUBSCRIPTIONS

# About 1,800 characters, as a page of print has.
_LINES, _COLUMNS = 26, 72
_TIMES = """
SELECT kind, payload ->> 'state' AS state, (payload ->> 'of')::int AS chunks, at
FROM feed_event WHERE kind LIKE 'knowledge.%' ORDER BY seq
"""


def manual(pages: int) -> bytes:
    """A manual of so many pages, each with a heading and about 1,800 characters."""
    return pdf(*([f"# Chapter {number}", *lines] for number, lines in _pages(pages)))


def _pages(count: int) -> Iterator[tuple[int, list[str]]]:
    draw = random.Random(5)
    sentences = [
        sentence
        for _, text in articles().values()
        for sentence in text.split(". ")
        if sentence.isascii()
    ]
    for number in range(1, count + 1):
        drawn = draw.sample(sentences, len(sentences))
        text = ". ".join([f"This is about case {number}", *drawn])
        yield number, textwrap.wrap(text, _COLUMNS)[:_LINES]


async def measure(resources: Resources, pages: int) -> None:
    """Take the manual in, and print what each stage took."""
    tenant_id, agent_id = await make_agent(resources, "manual")
    content = manual(pages)
    print(f"{pages} pages, {len(content) / 1024 / 1024:.1f} MB")
    upload = UploadFile(io.BytesIO(content), filename="manual.pdf")
    source = await knowledge.add_file(
        resources, tenant_id, agent_id, upload, title=None, author_id=None
    )
    cpu = _cpu_seconds()
    await INGEST.handle(resources, tenant_id, source.id)
    cpu = _cpu_seconds() - cpu
    model = await embedding_model(resources, tenant_id)
    await _tell(resources, tenant_id, model)
    print(f"{'CPU of the worker and its child':<45} {cpu:>6.1f} s")


def _cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


async def _tell(resources: Resources, tenant_id: UUID, model: str | None) -> None:
    async with resources.db.hot(tenant_id) as tx:
        events = await tx.sql.fetch(_TIMES)
    began = before = events[0]["at"]
    for stage, ends in (
        ("read", "splitting"),
        ("split", "embedding"),
        (f"embedded by {model}" if model else "embedded by nothing: not installed", None),
    ):
        reached = [e["at"] for e in events if e["state"] == ends]
        at = reached[0] if ends else events[-1]["at"]
        print(f"{stage:<45} {(at - before).total_seconds():>6.1f} s")
        before = at
    chunks = max(event["chunks"] or 0 for event in events)
    print(f"{f'all, {chunks} chunks':<45} {(before - began).total_seconds():>6.1f} s")


def main() -> None:
    """Measure on a Postgres of its own."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingestion")
    parser.add_argument("--pages", type=int, default=300)
    pages = parser.parse_args().pages

    async def run(ground: Ground) -> None:
        storage = str(ground.folder / "files")
        settings = ground.settings(STORAGE__FOLDER=storage)
        async with open_resources(settings, SUBSCRIPTIONS) as resources:
            await measure(resources, pages)

    with Ground() as ground:
        asyncio.run(run(ground))


if __name__ == "__main__":
    main()
