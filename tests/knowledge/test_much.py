"""Searching very many chunks, which indexes choose from: what fits is found as among few."""

import pytest
from tests.knowledge.test_knowledge import add, fill, find, ingest_all

from frontdesk.knowledge import searching
from frontdesk.knowledge.embedding import Meaning, as_sql
from frontdesk.knowledge.retrieval import find_candidates
from frontdesk.simulator.embeddings import vector_of


@pytest.fixture
async def agent_id(shop):
    return await shop.agent()


def notes(count, text):
    return "\n\n".join(f"## Note {number}\n{text.format(number)}" for number in range(count))


async def among_thousands(shop, agent_id, body):
    """Very many chunks, hundreds about warranty, hundreds about engraving, and a text."""
    await add(shop, agent_id, "Catalogue", notes(2_500, "Lamp {} has a brass foot."))
    await add(shop, agent_id, "Warranties", notes(250, "It is about warranty {} in general."))
    await add(shop, agent_id, "Engravings", notes(250, "It is about engraving {} in general."))
    others = notes(5, "Row {} of the shop.")
    await add(shop, agent_id, "Terms", f"{others}\n\n## Both\n{body}\n\n{others}")
    await ingest_all(shop)


@pytest.mark.parametrize(
    "question",
    [
        "warranty for engraving?",
        "Bergmann: warranty for engraving?",  # Nowhere.
        "Hollowell: warranty for engraving?",  # Elsewhere.
    ],
)
async def test_common_words_together_are_found_whatever_else_is_asked(shop, agent_id, question):
    await among_thousands(shop, agent_id, "The warranty covers engraving too.")
    await add(shop, agent_id, "People", "Hollowell keeps the rows of the shop.")
    await ingest_all(shop)
    found = await find(shop, agent_id, question)
    assert "Terms › Both" in [chunk.title for chunk in found]
    if "Hollowell" not in question:
        assert found[0].title == "Terms › Both"


@pytest.mark.parametrize("question", ["how long is the guarantee?", "guarantey"])
async def test_what_is_disabled_crowds_nothing_out(shop, agent_id, monkeypatch, question):
    await fill(shop, agent_id)
    old = await add(shop, agent_id, "Old manual", notes(250, "The guarantee {} is long."))
    await add(shop, agent_id, "New manual", notes(3, "The guarantee {} is long now."))
    await ingest_all(shop)
    answer = await shop.admin.http.post(f"/api/v1/knowledge/sources/{old}/disable")
    assert answer.status_code == 200
    monkeypatch.setattr(searching, "MANY_CHUNKS", 20)
    monkeypatch.setattr(searching, "_BACKGROUND", 5)
    titles = [chunk.title for chunk in await find(shop, agent_id, question)]
    assert sum(title.startswith("New manual") for title in titles) == 3


@pytest.mark.parametrize("dimensions", [256, 384])
async def test_neighbours_that_are_disabled_crowd_nothing_out(
    shop, agent_id, monkeypatch, dimensions
):
    await fill(shop, agent_id)
    old = await add(shop, agent_id, "Old manual", notes(100, "The guarantee {} is long."))
    new = await add(shop, agent_id, "New manual", notes(3, "The guarantee {} is long now."))
    await ingest_all(shop)
    await shop.admin.http.post(f"/api/v1/knowledge/sources/{old}/disable")
    for row in await shop.sql("SELECT id, text FROM knowledge_chunk"):
        await shop.sql(
            "UPDATE knowledge_chunk SET embedding = $2::text::halfvec, embedder = 'm' WHERE id = $1",
            row["id"],
            as_sql(vector_of(row["text"], dimensions)),
        )
    for name in ("MANY_CHUNKS", "MANY_VECTORS"):
        monkeypatch.setattr(searching, name, 20)
    monkeypatch.setattr(searching, "_BACKGROUND", 5)
    meaning = Meaning("m", as_sql(vector_of("The guarantee is long", dimensions)), dimensions)
    async with shop.resources.db.hot(shop.id) as tx:
        # Of its words nothing is found; it is by the vector alone.
        found = await find_candidates(tx, agent_id, "xyz", meaning)
    places = [row["by_meaning"] for row in found.rows if str(row["source_id"]) == new]
    assert sorted(places) == [1, 2, 3]


async def test_what_is_disabled_makes_little_no_more(shop, agent_id, monkeypatch):
    await fill(shop, agent_id)
    old = await add(shop, agent_id, "Old manual", notes(100, "The guarantee {} is long."))
    await ingest_all(shop)
    await shop.admin.http.post(f"/api/v1/knowledge/sources/{old}/disable")
    monkeypatch.setattr(searching, "MANY_CHUNKS", 100)
    monkeypatch.setattr(searching, "_BY_WORDS", "Not asked.")
    assert (await find(shop, agent_id, "guarantee on defects"))[0].title == "Warranty"


@pytest.mark.parametrize("word", ["ж" * 1_017, "ж" * 1_018, "ก" * 680])
async def test_words_as_long_as_postgres_allows_harm_nothing(shop, agent_id, monkeypatch, word):
    monkeypatch.setattr(searching, "MANY_CHUNKS", 20)
    await fill(shop, agent_id)
    await add(shop, agent_id, "Long", f"The warranty of {word} is a joke.")
    await ingest_all(shop)
    assert {row["state"] for row in await shop.sql("SELECT state FROM knowledge_source")} == {
        "ready"
    }
    # One that is nowhere, and as long as one that is somewhere, too.
    for asked in (word, word[:-1] + "a"):
        found = await find(shop, agent_id, f"joke {asked}")
        assert [chunk.title for chunk in found] == ["Long"]
