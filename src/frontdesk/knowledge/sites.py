"""Pages as sources: fetched when they have changed, and the links that lead on within their site."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from asyncpg import Record

from frontdesk.core import ids
from frontdesk.core.db import Transaction
from frontdesk.core.http import FetchRefused, NoAnswer, NotConnected
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean
from frontdesk.knowledge.errors import Unreadable
from frontdesk.knowledge.robots import Robots, Rules

MOST_BYTES = 10 * 1024 * 1024
_SECONDS = 20
_TYPES = (
    "text/html",
    "application/xhtml+xml",
    "text/plain",
    "text/markdown",
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
)
# Far enough for any help centre; a calendar that links to its next month for ever ends here.
MOST_DEPTH = 6
_NO_PAGE = re.compile(
    r"\.(jpe?g|png|gif|webp|avif|svg|ico|css|js|json|xml|zip|gz|mp[34]|webm|woff2?)$", re.I
)
_LOCK_SITE = "SELECT most_pages FROM knowledge_source WHERE id = $1 FOR UPDATE"
_ADD_PAGES = """
INSERT INTO knowledge_source (id, agent_id, title, body, kind, enabled, state, attempts, due_at,
    url, site_id, depth, most_pages, refetch_hours)
SELECT link.id, site.agent_id, link.url, '', 'url', site.enabled, 'queued', 0, now(),
    link.url, site.id, $4, site.most_pages, site.refetch_hours
FROM knowledge_source site, unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS link (id, url, place)
WHERE site.id = $1 AND link.url <> site.url AND NOT EXISTS (
    SELECT FROM knowledge_source known WHERE known.site_id = $1 AND known.url = link.url
)
ORDER BY link.place
LIMIT (SELECT greatest(0, $5 - 1 - count(*)) FROM knowledge_source WHERE site_id = $1)
RETURNING id
"""


class Gone(Exception):
    """The page is not there any more."""


class NotNow(Exception):
    """The page can't be fetched at the moment; the message says why."""


class TooSoon(Exception):
    """The site wants a pause between two fetches, and this one would come too early."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The site asks for pauses; on in {seconds:.1f} seconds.")
        self.seconds = seconds


@dataclass(frozen=True)
class Page:
    """A page as it was fetched."""

    url: str
    content: bytes
    etag: str | None

    @property
    def sha256(self) -> str:
        """What its bytes are known by."""
        return sha256(self.content).hexdigest()


async def fetch_page(
    resources: Resources, source_id: UUID, url: str, etag: str | None
) -> Page | None:
    """A page of the public internet; None when it is what it was at `etag`.

    Args:
        source_id: whose page it is, and whose turn where the site wants pauses.

    Raises:
        Gone, NotNow: the site says so, or does not answer.
        TooSoon: the site wants a pause first.
        Unreadable: we do not ask there, the site's robots.txt forbids it, or it is no document.
    """
    try:
        await _ask_leave(resources, source_id, url)
        answer = await resources.http.fetch_public(
            url,
            content_types=_TYPES,
            max_bytes=MOST_BYTES,
            timeout_seconds=_SECONDS,
            headers={"If-None-Match": etag} if etag else None,
        )
        if answer.url != url:
            await _rules_for(resources, answer.url)  # A redirect does not get round them.
    except FetchRefused as error:
        raise Unreadable(str(error)) from None
    except NotConnected as error:
        raise NotNow(str(error)) from None
    except NoAnswer:
        raise NotNow("The site did not answer in time.") from None
    if answer.status == 304 and etag:
        return None
    if answer.status in (404, 410):
        raise Gone
    if answer.status == 429 or answer.status >= 500:
        raise NotNow(f"The site answers with status {answer.status}.")
    if not answer.is_success:
        raise Unreadable(f"The site answers with status {answer.status}.")
    told = clean(answer.headers.get("etag", ""))[:200]
    return Page(clean(answer.url), answer.content, told or None)


async def _ask_leave(resources: Resources, source_id: UUID, url: str) -> None:
    rules = await _rules_for(resources, url)
    pause = await resources.keep(Robots).pause_seconds(_origin(url), rules, source_id)
    if pause:
        raise TooSoon(pause)


async def _rules_for(resources: Resources, url: str) -> Rules:
    """What the site of a page asks of us; raises `Unreadable` when that is not to fetch the page."""
    rules = await resources.keep(Robots).of(_origin(url))
    if not rules.allows(_path(url)):
        raise Unreadable("The site's robots.txt does not let us read this page.")
    return rules


def _origin(url: str) -> str:
    from yarl import URL

    try:
        return str(URL(url).origin())
    except ValueError:
        raise Unreadable("That is no address.") from None


def _path(url: str) -> str:
    from yarl import URL

    return URL(url).raw_path_qs


async def rules_of(resources: Resources, url: str) -> Rules:
    """What the site of a page that was just read asks of us."""
    return await resources.keep(Robots).of(_origin(url))


async def follow(
    tx: Transaction, page: Record, base: str, links: Sequence[str], rules: Rules
) -> list[UUID]:
    """Add the pages that a page links to and that may be fetched, as far as its site may grow; the
    new ones.

    They are rows of their own: each is the job of reading it, so a crawl goes on after any end.
    """
    site_id = page["site_id"] or page["id"]
    if page["most_pages"] == 1 or page["depth"] >= MOST_DEPTH:
        return []
    most = await tx.sql.fetchval(_LOCK_SITE, site_id)
    if most is None:
        return []
    urls = [url for url in pages_within(base, links) if rules.allows(_path(url))]
    rows = await tx.sql.fetch(
        _ADD_PAGES, site_id, [ids.new() for _ in urls], urls, page["depth"] + 1, most
    )
    return [row["id"] for row in rows]


def pages_within(base: str, links: Sequence[str]) -> list[str]:
    """The links of a page that lead to other pages of its own site, absolute and each once."""
    from yarl import URL

    here = URL(base)
    found: dict[str, None] = {}
    for link in links:
        try:
            target = here.join(URL(link.strip())).with_fragment(None)
            is_ours = target.origin() == here.origin() and target.user is None
        except ValueError:
            continue
        if is_ours and target != here and not _NO_PAGE.search(target.path):
            found[str(target)] = None
    return list(found)
