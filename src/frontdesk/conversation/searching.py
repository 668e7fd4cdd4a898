"""Search over contacts, messages and notes: words from their beginning, accents folded, names with
slips of the pen.

It asks twice. No index of words or trigrams works under row-level security: Postgres trusts only
comparisons that can't tell anything of a row it must not show. So the first question goes past it,
names the tenant (whose id is a word of every index entry) and brings ids alone; the second reads
these in the tenant's own transaction, where an id of somebody else's would find nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.conversation.desk_schemas import HitKind, SearchHit
from frontdesk.conversation.models import SEARCHED_WORDS
from frontdesk.conversation.schemas import ContactPublic
from frontdesk.core.callers import Principal
from frontdesk.core.db import Transaction
from frontdesk.core.masking import mask_text
from frontdesk.core.pages import Page, cursor_time, cursor_uuid, decode_cursor, encode_cursor

MOST_TERMS = 8
MOST_CONTACTS = 10
EXCERPT_CHARACTERS = 160
# Shorter than that, digits are an order's or a year's.
_PART_OF_NUMBER = 4
_SAYS_SOMETHING = re.compile(r"[^\W_]")

_FIND = f"""
WITH asked AS (
    SELECT quote_literal($1::uuid::text)::tsquery && words AS query
    FROM to_tsquery('simple', frontdesk_unaccent($2)) AS words WHERE numnode(words) > 0
)
SELECT kind, id, created_at FROM (
    SELECT 'message' AS kind, id, created_at FROM message, asked
    WHERE {SEARCHED_WORDS} @@ asked.query AND tenant_id = $1 AND text <> ''
    UNION ALL
    SELECT 'note', id, created_at FROM note, asked
    WHERE {SEARCHED_WORDS} @@ asked.query AND tenant_id = $1
) AS found
WHERE $3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid)
ORDER BY created_at DESC, id DESC LIMIT $5
"""  # noqa: S608  # Our own expression.
# Whoever may not see numbers and user names (not `$3`) finds nobody by them.
_FIND_CONTACTS = """
SELECT id FROM (
    SELECT id, word_similarity(asked, frontdesk_unaccent(lower(coalesce(name, '')))) AS likeness
    FROM contact, frontdesk_unaccent(lower($2)) AS asked
    WHERE tenant_id = $1 AND (frontdesk_unaccent(lower(name)) %> asked
        OR $3 AND frontdesk_unaccent(lower(username)) %> asked)
    UNION
    SELECT contact_id, 2 FROM contact_alias
    WHERE tenant_id = $1 AND $3 AND kind = 'wa_id' AND value LIKE '%' || $4 || '%'
    UNION
    SELECT contact_id, 2 FROM contact_alias
    WHERE tenant_id = $1 AND $3 AND kind = 'bsuid' AND value = $2
) AS known
GROUP BY id ORDER BY max(likeness) DESC, id LIMIT $5
"""
_CONTACT = "c.id AS contact_id, c.name, c.username, c.wa_id, c.bsuid, c.language, c.opted_out_at"
_CONTACTS = f"""
SELECT {_CONTACT}, k.id AS conversation_id, coalesce(k.last_activity_at, c.created_at) AS at,
    coalesce(k.last_text, '') AS text
FROM (
    -- A person once, as the contact they are shown as.
    SELECT coalesce(f.merged_into, f.id) AS id, min(sought.place) AS place
    FROM unnest($1::uuid[]) WITH ORDINALITY AS sought (id, place)
    JOIN contact f ON f.id = sought.id GROUP BY 1
) AS person
JOIN contact c ON c.id = person.id
LEFT JOIN LATERAL (
    SELECT id, last_activity_at, last_text FROM conversation
    WHERE contact_id = ANY (ARRAY(
        SELECT c.id UNION ALL SELECT m.id FROM contact m WHERE m.merged_into = c.id))
    ORDER BY id DESC LIMIT 1
) AS k ON true
ORDER BY person.place
"""  # noqa: S608  # Our own columns.
_IN_THREADS = f"""
SELECT found.id, found.conversation_id, found.text, found.created_at AS at, {_CONTACT}
FROM (
    SELECT id, conversation_id, text, created_at FROM message WHERE id = ANY ($1)
    UNION ALL
    SELECT id, conversation_id, text, created_at FROM note WHERE id = ANY ($1)
) AS found
JOIN conversation k ON k.id = found.conversation_id
JOIN contact c ON c.id = k.contact_id
"""  # noqa: S608  # Our own columns.


async def search(
    tx: Transaction, who: Principal, text: str, *, limit: int, cursor: str | None
) -> Page[SearchHit]:
    """What holds all words of a text: on the first page contacts, then messages and notes, newest
    first.

    Raises:
        Invalid: the cursor is not one of this list.
    """
    after = decode_cursor(cursor, 2)
    terms = terms_of(text, masked=who.masked)
    if not terms:
        return Page(items=[])
    contacts = [] if after else await _find_contacts(tx, who, terms)
    async with tx.db.system() as connection:
        found = await connection.fetch(
            _FIND,
            tx.tenant_id,
            " & ".join(f"'{term}'{_reach(term, masked=who.masked)}" for term in terms),
            cursor_time(after[0]) if after else None,
            cursor_uuid(after[1]) if after else None,
            limit + 1,
        )
    shown = found[:limit]
    rows = {
        row["id"]: row for row in await tx.sql.fetch(_IN_THREADS, [each["id"] for each in shown])
    }
    hits = [
        _hit(HitKind(each["kind"]), rows[each["id"]], terms, who)
        for each in shown
        if each["id"] in rows
    ]
    last = shown[-1] if len(found) > limit else None
    return Page(
        items=contacts + hits,
        next_cursor=encode_cursor(last["created_at"], last["id"]) if last else None,
    )


async def _find_contacts(tx: Transaction, who: Principal, terms: Sequence[str]) -> list[SearchHit]:
    text = " ".join(terms)
    digits = re.sub(r"[\s()+./-]", "", text)
    is_number = digits.isascii() and digits.isdigit() and len(digits) >= _PART_OF_NUMBER
    async with tx.db.system() as connection:
        found = await connection.fetch(
            _FIND_CONTACTS,
            tx.tenant_id,
            text,
            not who.masked,
            digits if is_number else None,
            MOST_CONTACTS,
        )
    rows = await tx.sql.fetch(_CONTACTS, [row["id"] for row in found])
    return [_hit(HitKind.CONTACT, row, terms, who) for row in rows]


def terms_of(text: str, *, masked: bool) -> list[str]:
    """What is searched for: words as they were typed, without what would end a quotation.

    For whoever may not see contact details (`masked`) these are no words: finding them would tell
    them, guess by guess.
    """
    if masked:
        text = mask_text(text)
    words = re.sub(r"['\"\\\x00]", " ", text).split()
    return [word for word in words if _SAYS_SOMETHING.search(word) and "•" not in word][:MOST_TERMS]


def _reach(term: str, *, masked: bool) -> str:
    """Whether a term stands for all that begins with it; part of a hidden number must not."""
    return "" if masked and any(character.isdigit() for character in term) else ":*"


def cut_out(text: str, terms: Sequence[str], limit: int = EXCERPT_CHARACTERS) -> str:
    """The part of a text around the first term in it, on one line, cut between words."""
    flat = " ".join(text.split())
    if len(flat) <= limit:
        return flat
    folded = "".join(map(_folded, flat))
    places = [folded.find("".join(map(_folded, term))) for term in terms]
    first = min((place for place in places if place >= 0), default=0)
    begin = max(0, first - limit // 3)
    if begin:
        begin = flat.find(" ", begin) + 1 or begin
    end = begin + limit
    if end < len(flat):
        end = max(flat.rfind(" ", begin, end), first + 1)
    return f"{'…' if begin else ''}{flat[begin:end].strip()}{'…' if end < len(flat) else ''}"


def _folded(character: str) -> str:
    """One character for one, so that places in both texts are the same."""
    return unicodedata.normalize("NFKD", character)[0].lower()[:1] or character


def _hit(kind: HitKind, row: Any, terms: Sequence[str], who: Principal) -> SearchHit:
    # Masked before it is cut: half a number no longer looks like one.
    text = mask_text(row["text"]) if who.masked else row["text"]
    at: datetime = row["at"]
    found: UUID | None = None if kind is HitKind.CONTACT else row["id"]
    return SearchHit(
        kind=kind,
        conversation_id=row["conversation_id"],
        message_id=found if kind is HitKind.MESSAGE else None,
        note_id=found if kind is HitKind.NOTE else None,
        contact=ContactPublic(**{**row, "id": row["contact_id"]}),
        excerpt=cut_out(text, terms),
        at=at,
    )
