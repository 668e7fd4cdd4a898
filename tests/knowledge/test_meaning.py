"""Vectors: made by a model of the tenant's choice, through the one door to models."""

import json

import pytest
from alembic.script import ScriptDirectory
from asyncpg import PostgresSyntaxError
from tests.knowledge.test_knowledge import TOPICS, add, fill, find, ingest_all, read

from frontdesk.core import migrate
from frontdesk.gateway.tenant_models import TenantModelsBook
from frontdesk.knowledge import look_up, searching
from frontdesk.knowledge.embedding import meaning_of
from frontdesk.knowledge.retrieval import STANDS_ALONE, STANDS_WITH_WORDS, Places

MODEL = "openai/text-embedding-3-small"
LARGE = "openai/text-embedding-3-large"


@pytest.fixture
async def agent_id(shop, world):
    await world[0].reset()
    await route(shop, MODEL)
    return await shop.agent()


async def route(shop, model):
    """Choose the model of the tenant's vectors."""
    async with shop.resources.db.hot(shop.id) as tx:
        await tx.sql.execute(
            "INSERT INTO model_routing (version, routes) VALUES (1, $1) "
            "ON CONFLICT (tenant_id) DO UPDATE SET routes = excluded.routes",
            json.dumps({"embedding": {"models": [model], "cheaper_models": []}}),
        )
        shop.resources.keep(TenantModelsBook).forget_after_commit(tx)


async def ask(shop, agent_id, question, limit=6):
    found = await look_up(shop.resources, shop.id, agent_id, question, limit)
    return list(found.chunks)


async def embedders(shop):
    rows = await shop.sql("SELECT DISTINCT embedder, vector_dims(embedding) FROM knowledge_chunk")
    return [tuple(row) for row in rows]


async def test_chunks_and_questions_meet_by_meaning_and_every_call_is_accounted_for(shop, agent_id):
    await fill(shop, agent_id)
    assert await embedders(shop) == [(MODEL, 256)]
    found = await ask(shop, agent_id, "guarantees against defect")
    assert found[0].title == "Warranty"
    assert found[0].places.by_meaning == 1
    # Words bring what meaning has no idea of.
    found = await ask(shop, agent_id, "ZX-1017")
    assert (found[0].title, found[0].places.by_words) == ("Order codes", 1)
    calls = await shop.sql("SELECT feature, model_asked, outcome FROM llm_call")
    assert {tuple(row) for row in calls} == {("embedding", MODEL, "ok")}
    usage = await shop.sql(
        "SELECT sum(amount_usd) AS usd, min(amount_usd) AS least FROM usage_entry"
    )
    assert usage[0]["least"] > 0


async def test_each_text_has_its_own_vector_where_something_in_it_is_masked(shop, agent_id):
    written = "# Warranty\nDefects: warranty@shop.example.\n# Lamps\nOf green glass."
    await add(shop, agent_id, "Help", written)
    await add(shop, agent_id, "Help", "# Warranty\nDefects: [EMAIL_1].\n# Lamps\nOf green glass.")
    await ingest_all(shop)
    alike = await shop.sql(
        "SELECT max(a.embedding <=> b.embedding) AS apart, count(*) FROM knowledge_chunk a "
        "JOIN knowledge_chunk b ON b.position = a.position AND b.source_id <> a.source_id"
    )
    assert tuple(alike[0]) == (0, 4)
    meaning = await meaning_of(shop.resources, shop.id, agent_id, "Defects, to max@example.com")
    assert meaning is not None
    sent = await shop.sql("SELECT messages FROM llm_call ORDER BY id DESC LIMIT 1")
    assert json.loads(sent[0]["messages"]) == [{"role": "user", "content": "Defects, to [EMAIL_1]"}]


async def test_pieces_that_may_have_a_neighbour_s_vector_are_embedded_again(
    shop, agent_id, admin_sql
):
    clean_id, large_id = await shop.agent("Clean"), await shop.agent("Large")
    for agent in (agent_id, clean_id, large_id):
        await add(shop, agent, "Help", "# Warranty\nTo max@example.com.\n# Lamps\nOf green glass.")
    await ingest_all(shop)
    before = {row["id"]: row["v"] for row in await shop.sql(_VECTORS)}
    # So it was with two of them; and one has a new model since.
    await admin_sql.execute(
        "UPDATE knowledge_chunk SET embedding = (SELECT embedding FROM knowledge_chunk "
        "WHERE agent_id = $1 AND position = 0) WHERE agent_id = $1",
        agent_id,
    )
    await admin_sql.execute(
        "UPDATE llm_call SET messages = jsonb_build_array(jsonb_build_object('role', 'system')) "
        "|| messages WHERE agent_id = ANY($1)",
        [agent_id, large_id],
    )
    await admin_sql.execute(
        "UPDATE knowledge_chunk SET embedder = $2 WHERE agent_id = $1", large_id, LARGE
    )
    await add(shop, agent_id, "Later", "# Sofas\nOf oak.")
    await ingest_all(shop)
    revisions = ScriptDirectory.from_config(
        migrate.alembic_config(shop.resources.settings.database)
    )
    await admin_sql.execute(revisions.get_revision("0057").module.EMBED_AGAIN)
    due = await shop.sql("SELECT agent_id, title FROM knowledge_source WHERE state = 'embedding'")
    assert [tuple(row) for row in due] == [(agent_id, "Help")]
    await ingest_all(shop)
    assert before.items() - {row["id"]: row["v"] for row in await shop.sql(_VECTORS)}.items()
    # An hour later, when no worker of the release before is left.
    await shop.sql("UPDATE knowledge_source SET due_at = now() WHERE state = 'embedding'")
    await ingest_all(shop)
    after = {row["id"]: row["v"] for row in await shop.sql(_VECTORS)}
    assert before.items() <= after.items()


_VECTORS = "SELECT id, embedding::text AS v FROM knowledge_chunk"


async def test_another_model_has_everything_embedded_anew_while_words_are_searched(shop, agent_id):
    await fill(shop, agent_id)
    before = {row["id"] for row in await shop.sql("SELECT id FROM knowledge_chunk")}
    await route(shop, LARGE)
    found = await ask(shop, agent_id, "guarantee on defects")
    assert (found[0].title, found[0].places.by_meaning) == ("Warranty", None)
    await ingest_all(shop)
    assert await embedders(shop) == [(LARGE, 256)]
    assert {row["id"] for row in await shop.sql("SELECT id FROM knowledge_chunk")} == before
    found = await ask(shop, agent_id, "guarantee on defects")
    assert found[0].places.by_meaning == 1


async def test_a_source_whose_model_is_down_is_found_by_its_words_and_embedded_later(
    shop, agent_id
):
    await route(shop, "groq/no-such-embedder")
    source_id = await add(shop, agent_id, "Help", "We ship within two days.")
    await ingest_all(shop)
    source = await read(shop, source_id)
    assert (source["state"], source["chunks"], source["embedded"]) == ("embedding", 1, 0)
    assert "by its words only" in source["last_error"]
    assert (await find(shop, agent_id, "shipping"))[0].text == "We ship within two days."
    await route(shop, MODEL)
    await shop.sql("UPDATE knowledge_source SET due_at = now()")
    await ingest_all(shop)
    source = await read(shop, source_id)
    assert (source["state"], source["embedded"], source["last_error"]) == ("ready", 1, None)


async def test_a_source_that_is_gone_on_with_tells_all_that_is_done(shop, agent_id):
    source_id = await add(shop, agent_id, "Help", "# A\nOne.\n# B\nTwo.\n# C\nThree.")
    await ingest_all(shop)
    # As a worker leaves it that ends between two batches.
    await shop.sql("UPDATE knowledge_chunk SET embedder = NULL WHERE text = 'Two.'")
    await shop.sql("UPDATE knowledge_source SET state = 'embedding', due_at = now()")
    await ingest_all(shop)
    assert (await read(shop, source_id))["embedded"] == 3
    told = await shop.sql(
        "SELECT payload ->> 'done' AS done, payload ->> 'of' AS of FROM feed_event "
        "WHERE payload ->> 'of' = '3' ORDER BY seq"
    )
    assert [(row["done"], row["of"]) for row in told] == [("3", "3"), ("3", "3")]


@pytest.mark.parametrize(
    ("places", "fits"),
    [
        (Places(by_words=1, is_telling=True), True),
        (Places(by_words=1), False),
        (Places(by_letters=3), True),
        (Places(by_meaning=1, stands=STANDS_ALONE), True),
        (Places(by_meaning=1, stands=STANDS_ALONE - 0.1), False),
        (Places(by_meaning=9, stands=STANDS_WITH_WORDS, by_words=2, is_telling=True), True),
        (Places(by_meaning=9, stands=STANDS_WITH_WORDS - 0.1, by_words=2, is_telling=True), False),
    ],
)
def test_what_fits_stands_out_by_meaning_or_is_backed_by_words(places, fits):
    assert places.fits is fits


# Among so few Postgres would rather sort, or do as it has before.
BY_INDEX = "; SET LOCAL enable_sort = off; DISCARD PLANS"
# Others' vectors crowd an agent's own out of the index of neighbours: next to none of its own comes.
CROWDED = "SET LOCAL hnsw.iterative_scan = off; SET LOCAL hnsw.ef_search = 1"


@pytest.mark.parametrize("is_crowded", [False, True])
async def test_among_very_many_chunks_indexes_find_the_same(
    shop, agent_id, monkeypatch, is_crowded
):
    # As long as vectors are that an index is of.
    monkeypatch.setattr("frontdesk.simulator.model_routes.DIMENSIONS", 384)
    await fill(shop, agent_id)
    assert await embedders(shop) == [(MODEL, 384)]
    questions = [*TOPICS.values(), "what is ZX-1017?", "lamp number 42 of the catalogue"]
    all_compared = [await ask(shop, agent_id, q, 1) for q in questions]
    monkeypatch.setattr("frontdesk.knowledge.searching.MANY_CHUNKS", 20)
    monkeypatch.setattr("frontdesk.knowledge.searching.MANY_VECTORS", 20)
    monkeypatch.setattr("frontdesk.knowledge.searching._BACKGROUND", 30)
    settings = CROWDED if is_crowded else searching._AMONG_EVERYBODYS
    monkeypatch.setattr("frontdesk.knowledge.searching._AMONG_EVERYBODYS", settings + BY_INDEX)
    if not is_crowded:
        monkeypatch.setattr("frontdesk.knowledge.searching._NEAREST_OF_ALL", "Not needed.")
    by_index = [await ask(shop, agent_id, q, 1) for q in questions]
    assert [[c.title for c in found] for found in by_index] == [
        [c.title for c in found] for found in all_compared
    ]
    assert [q for q, found in zip(questions, all_compared, strict=True) if not found] == []
    if is_crowded:
        monkeypatch.setattr("frontdesk.knowledge.searching._NEAREST_OF_ALL", "Needed.")
        with pytest.raises(PostgresSyntaxError):
            await ask(shop, agent_id, questions[0], 1)


async def test_a_slip_of_the_pen_is_found_among_very_many_chunks_too(shop, agent_id, monkeypatch):
    await shop.sql("DELETE FROM model_routing")
    await fill(shop, agent_id)
    monkeypatch.setattr("frontdesk.knowledge.searching.MANY_CHUNKS", 20)
    monkeypatch.setattr("frontdesk.knowledge.searching._BACKGROUND", 5)
    (best, *_) = await find(shop, agent_id, "warrantey")
    assert (best.title, best.places.by_words, best.places.by_letters) == ("Warranty", None, 1)
