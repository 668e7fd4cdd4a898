"""Files and sites, from the upload or the address to what is found."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web
from tests.knowledge.documents import pdf, pdf_bomb
from tests.knowledge.test_knowledge import add, find, ingest_all, read

RETURNS = "You can return anything within 30 days, and we pay for the way back to us, always."


class Site:
    """A small site on loopback; `pages` says what is where, `asked` how often that was fetched."""

    def __init__(self):
        self.pages = {}
        self.asked = Counter()
        self.status = 200
        self.types = {}

    async def answer(self, request):
        path = request.path_qs
        self.asked[path] += 1
        if self.status != 200:
            return web.Response(status=self.status)
        if path not in self.pages:
            return web.Response(status=404)
        etag = f'"{hash(self.pages[path])}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        content_type = self.types.get(path, "text/html")
        return web.Response(
            text=self.pages[path], content_type=content_type, headers={"ETag": etag}
        )


@pytest.fixture
async def site():
    made = Site()
    app = web.Application()
    app.router.add_route("GET", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    made.url = f"http://127.0.0.1:{listening._server.sockets[0].getsockname()[1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def agent_id(shop):
    return await shop.agent()


async def upload(shop, agent_id, content, name="handbook.pdf", **query):
    return await shop.admin.http.post(
        "/api/v1/knowledge/files",
        params={"agent_id": str(agent_id), **query},
        files={"file": (name, content)},
    )


def page(title, text, *links):
    linked = " ".join(f'<a href="{link}">more</a>' for link in links)
    return f"<!doctype html><title>{title}</title><nav>{linked}</nav><main><p>{text}</p></main>"


async def make_due(shop):
    await shop.sql("UPDATE knowledge_source SET due_at = now() WHERE due_at IS NOT NULL")


async def test_an_uploaded_handbook_is_read_and_answered_from(shop, agent_id):
    answer = await upload(shop, agent_id, pdf(["# Returns", RETURNS], ["# Shipping", "Two days."]))
    assert answer.status_code == 201, answer.text
    source = answer.json()
    assert (source["title"], source["kind"], source["state"]) == ("handbook", "file", "queued")
    await ingest_all(shop)
    source = await read(shop, source["id"])
    assert (source["state"], source["pages"], source["last_error"]) == ("ready", 2, None)
    found = await find(shop, agent_id, "can I return it?")
    assert (found[0].title, found[0].text) == ("handbook › Returns", RETURNS)
    # What was read is in the row; the file itself is kept no longer.
    assert kept_files(shop) == []
    told = await shop.sql(
        "SELECT payload->>'state' AS state FROM feed_event "
        "WHERE kind = 'knowledge.source_progress' ORDER BY seq"
    )
    assert [row["state"] for row in told] == ["splitting", "embedding"]
    changed = await shop.admin.http.put(
        f"/api/v1/knowledge/sources/{source['id']}", json={"title": "x", "body": "y"}
    )
    assert (changed.status_code, changed.json()["code"]) == (409, "not_written_here")
    gone = await shop.admin.http.delete(f"/api/v1/knowledge/sources/{source['id']}")
    assert gone.status_code == 204
    assert await find(shop, agent_id, "return") == []
    await ingest_all(shop)
    assert await shop.sql("SELECT 1 FROM knowledge_source") == []


async def test_bombs_and_scans_end_in_words_and_what_is_no_document_is_not_taken(shop, agent_id):
    picture = await upload(shop, agent_id, b"\x89PNG\r\n\x1a\n\x00\x00\x00", name="handbook.pdf")
    assert (picture.status_code, picture.json()["code"]) == (415, "not_readable")
    ids = {}
    for name, content in {"bomb": pdf_bomb(300), "scan": pdf([], [])}.items():
        ids[name] = (await upload(shop, agent_id, content, title=name)).json()["id"]
    await ingest_all(shop)
    sources = {name: await read(shop, source_id) for name, source_id in ids.items()}
    assert {source["state"] for source in sources.values()} == {"failed"}
    assert "far more than its size" in sources["bomb"]["last_error"]
    assert "OCR" in sources["scan"]["last_error"]
    assert kept_files(shop) == []
    stranger = await upload(shop, "01930000-0000-7000-8000-000000000000", b"Hello.", name="a.txt")
    assert (stranger.status_code, stranger.json()["code"]) == (404, "no_such_agent")
    human = await shop.human.http.post(
        f"/api/v1/knowledge/files?agent_id={agent_id}", files={"file": ("a.txt", b"Hello.")}
    )
    assert human.status_code == 403


def kept_files(shop):
    folder = Path(shop.resources.settings.storage.folder) / str(shop.id) / "knowledge"
    return list(folder.iterdir()) if folder.exists() else []


async def test_a_site_is_read_within_its_bounds_and_again_only_where_it_changed(
    shop, agent_id, site
):
    site.pages = {
        "/help": page("Help", "We are glad to help.", "/a", "/b#top", "/d", "mailto:a@b.example",
                      "https://elsewhere.example/", "/logo.png", "/missing"),
        "/a": page("Returns", RETURNS, "/help", "/c"),
        "/b": page("Shipping", "We ship within two days.", "/a", "/twin"),
        "/c": page("Deep", "Gift cards are good for three years."),
        "/d": page("Open", "We open at nine."),
        "/twin": page("Shipping", "We ship within two days.", "/a", "/twin"),
    }  # fmt: skip
    answer = await shop.admin.http.post(
        "/api/v1/knowledge/pages",
        json={
            "agent_id": str(agent_id),
            "url": f"{site.url}/help",
            "most_pages": 20,
            "refetch_hours": 24,
        },
    )
    assert answer.status_code == 201, answer.text
    site_id = answer.json()["id"]
    for _ in range(3):
        await ingest_all(shop)
    root = await read(shop, site_id)
    assert (root["title"], root["state"]) == ("Help", "ready")
    # The twin says what /b says, and /missing is not there.
    assert (root["site_pages"], root["site_pages_ready"]) == (4, 4)
    assert (await find(shop, agent_id, "shipping"))[0].title == "Shipping"
    listed = (await shop.human.http.get("/api/v1/knowledge/sources")).json()["items"]
    assert [item["id"] for item in listed] == [site_id]
    pages = await shop.human.http.get(f"/api/v1/knowledge/sources?site_id={site_id}")
    assert {item["title"] for item in pages.json()["items"]} == {
        "Returns", "Shipping", "Deep", "Open"
    }  # fmt: skip
    before = {row["id"] for row in await shop.sql("SELECT id FROM knowledge_chunk")}

    site.pages["/b"] = page("Shipping", "We ship within three days.", "/a")
    del site.pages["/d"]
    await make_due(shop)
    await ingest_all(shop)
    after = {row["id"] for row in await shop.sql("SELECT id FROM knowledge_chunk")}
    assert len(after) == 4
    assert len(after - before) == 1
    texts = [chunk.text for chunk in await find(shop, agent_id, "shipping")]
    assert texts[0] == "We ship within three days."
    assert (await read(shop, site_id))["site_pages"] == 3

    # A site that is down takes nothing away.
    site.status = 503
    answer = await shop.admin.http.post(f"/api/v1/knowledge/sources/{site_id}/refresh")
    assert answer.status_code == 200
    for _ in range(5):
        await make_due(shop)
        await ingest_all(shop)
    root = await read(shop, site_id)
    assert (root["state"], root["last_error"]) == ("ready", "The site answers with status 503.")
    assert len(await find(shop, agent_id, "shipping")) == 4
    await shop.admin.http.post(f"/api/v1/knowledge/sources/{site_id}/disable")
    assert await find(shop, agent_id, "shipping") == []
    await shop.admin.http.delete(f"/api/v1/knowledge/sources/{site_id}")
    assert await shop.sql("SELECT 1 FROM knowledge_source") == []


async def test_a_site_grows_no_further_than_it_may_and_private_addresses_are_not_asked(
    shop, agent_id, site
):
    for number in range(9):
        site.pages[f"/{number}"] = page(f"Page {number}", f"Number {number}.", f"/{number + 1}")
    bodies = [
        {"url": f"{site.url}/0", "most_pages": 3},
        {"url": "http://169.254.169.254/latest/meta-data"},
        {"url": "http://10.0.0.1/"},
    ]
    made = []
    for body in bodies:
        answer = await shop.admin.http.post(
            "/api/v1/knowledge/pages", json={"agent_id": str(agent_id), **body}
        )
        made.append(answer.json()["id"])
    for _ in range(4):
        await ingest_all(shop)
    sources = [await read(shop, source_id) for source_id in made]
    assert [source["state"] for source in sources] == ["ready", "failed", "failed"]
    assert sources[0]["site_pages"] == 2
    assert site.asked["/robots.txt"] == 1
    assert sum(site.asked.values()) == 1 + 3
    assert "public internet" in sources[1]["last_error"]
    file = await shop.admin.http.post(
        "/api/v1/knowledge/pages", json={"agent_id": str(agent_id), "url": "file:///etc/passwd"}
    )
    assert file.status_code == 422


async def test_what_robots_txt_forbids_is_not_fetched_and_the_source_says_so(shop, agent_id, site):
    site.pages = {
        "/robots.txt": "User-agent: *\nDisallow: /private\nAllow: /private/help$\n",
        "/help": page("Help", "We are glad to help.", "/private/a", "/private/help", "/b"),
        "/private/a": page("Secret", "Nobody should read this."),
        "/private/help": page("More help", "Here is more help."),
        "/b": page("Shipping", "We ship within two days."),
    }
    site.types["/robots.txt"] = "text/plain"
    made = []
    for path in ("/help", "/private/a"):
        body = {"agent_id": str(agent_id), "url": f"{site.url}{path}", "most_pages": 9}
        answer = await shop.admin.http.post("/api/v1/knowledge/pages", json=body)
        made.append(answer.json()["id"])
    for _ in range(3):
        await ingest_all(shop)
    root, refused = [await read(shop, source_id) for source_id in made]
    assert (root["state"], root["site_pages_ready"]) == ("ready", 2)
    assert refused["state"] == "failed"
    assert refused["last_error"] == "The site's robots.txt does not let us read this page."
    assert (site.asked["/private/a"], site.asked["/robots.txt"]) == (0, 1)


async def test_a_site_that_asks_for_pauses_is_read_page_by_page(shop, agent_id, site):
    paths = ("/b", "/c", "/d")
    site.pages = {
        "/robots.txt": "User-agent: Frontdesk\nCrawl-delay: 3600\n",
        "/help": page("Help", "We are glad to help.", *paths),
        **{path: page(path, f"This is page {path}.") for path in paths},
    }
    site.types["/robots.txt"] = "text/plain"
    body = {"agent_id": str(agent_id), "url": f"{site.url}/help", "most_pages": 9}
    await shop.admin.http.post("/api/v1/knowledge/pages", json=body)
    for _ in range(3):
        await ingest_all(shop)
    assert (site.asked["/help"], sum(site.asked[path] for path in paths)) == (1, 0)

    async def waits():
        rows = await shop.sql(
            "SELECT attempts, extract(epoch FROM due_at - clock_timestamp()) AS seconds "
            "FROM knowledge_source WHERE site_id IS NOT NULL ORDER BY due_at"
        )
        assert {row["attempts"] for row in rows} == {0}
        return [float(row["seconds"]) for row in rows]

    # One after the other, not all at once when the first pause is over.
    first, second, third = await waits()
    assert first < 10 < second < 20 < third < 30
    # A page that comes too early keeps its place.
    await make_due(shop)
    await ingest_all(shop)
    again = await waits()
    assert len(again) == 3
    assert again[-1] < third


async def test_of_an_endless_robots_txt_the_beginning_is_obeyed(shop, agent_id, site):
    site.pages = {
        "/robots.txt": "User-agent: *\nDisallow: /private\n" + "# And so on.\n" * 100_000,
        "/private": page("Secret", "Nobody should read this."),
    }
    site.types["/robots.txt"] = "text/plain"
    body = {"agent_id": str(agent_id), "url": f"{site.url}/private"}
    answer = await shop.admin.http.post("/api/v1/knowledge/pages", json=body)
    await ingest_all(shop)
    source = await read(shop, answer.json()["id"])
    assert source["last_error"] == "The site's robots.txt does not let us read this page."


async def test_what_says_the_same_stays_the_same_chunk(shop, agent_id):
    source_id = await add(shop, agent_id, "Help", "# A\nOne.\n# B\nTwo.\n# C\nThree.")
    await ingest_all(shop)
    before = {row["text"]: row["id"] for row in await shop.sql("SELECT * FROM knowledge_chunk")}
    await shop.admin.http.put(
        f"/api/v1/knowledge/sources/{source_id}",
        json={"title": "Help", "body": "# C\nThree.\n# B\nTwo and more.\n# A\nOne."},
    )
    await ingest_all(shop)
    rows = await shop.sql("SELECT * FROM knowledge_chunk ORDER BY position")
    assert [row["text"] for row in rows] == ["Three.", "Two and more.", "One."]
    assert [row["id"] for row in rows if row["text"] in before] == [
        before["Three."],
        before["One."],
    ]


async def test_each_chunk_knows_its_language_and_its_words_are_stemmed_by_it(shop, agent_id):
    texts = {
        "en": "Our lamps are delivered within two working days to every address.",
        "de": "Unsere Lampen werden innerhalb von zwei Werktagen zu jeder Adresse geliefert.",
        "ar": "نشحن الطلبات خلال يومي عمل إلى جميع المدن.",
    }
    for language, text in texts.items():
        await add(shop, agent_id, language, text)
    await ingest_all(shop)
    rows = await shop.sql(
        "SELECT heading, language, stemmer::text, words::text FROM knowledge_chunk"
    )
    assert {row["heading"]: row["language"] for row in rows} == {code: code for code in texts}
    words = {row["heading"]: row["words"] for row in rows}
    assert "'deliv'" in words["en"]
    assert "'werktag'" in words["de"]


async def test_the_commands_add_a_file_show_how_far_it_is_and_search(
    shop, agent_id, commands, tmp_path
):
    (tmp_path / "returns.md").write_text(f"# Returns\n{RETURNS}\n# Repairs\nWe mend lamps.")
    added, refused = await commands(
        f"kb add returns.md --tenant {shop.id}", f"kb add missing.md --tenant {shop.id}"
    )
    assert (added["code"], refused["code"]) == (0, 1), (added, refused)
    await ingest_all(shop)
    status, found = await commands(
        f"kb status --tenant {shop.id}", f"kb search return --tenant {shop.id} --limit 1"
    )
    assert "ready       returns" in status["stdout"]
    assert RETURNS in found["stdout"]
    assert "mend" not in found["stdout"]
    assert "2 given, the best 1 of them shown; fit: all." in found["stdout"]


async def test_the_command_waits_until_a_file_is_read(shop, agent_id, commands, tmp_path):
    (tmp_path / "returns.md").write_text(f"# Returns\n{RETURNS}")
    adding = asyncio.create_task(commands(f"kb add returns.md --tenant {shop.id} --wait"))
    while not adding.done():
        await ingest_all(shop)
        await asyncio.sleep(0.05)
    (added,) = await adding
    assert (added["code"], added["stderr"]) == (0, "")
    assert "is ready: 1 chunks" in added["stdout"]
