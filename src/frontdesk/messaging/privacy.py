"""What messaging holds of contacts, and how their part is cut out of raw webhooks.

A raw webhook belongs to nobody before it is read, and one body may hold the news of several tenants
and many contacts. So a body is rewritten: what concerns the contact, in a change of the tenant's own
number or account, goes; everything else stays as it came.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from frontdesk.core.db import Connection
from frontdesk.core.holdings import DELETE, OF_THREADS, Holding
from frontdesk.messaging.media import FORGET

HOLDINGS = (
    Holding(
        "outbound",
        of_contact=OF_THREADS,
        erase="content = '{}', wamid = NULL, client_key = NULL, last_error = NULL, "
        "state = CASE WHEN state IN ('pending', 'unknown') THEN 'cancelled' "
        "WHEN state = 'needs_attention' THEN 'failed' ELSE state END, "
        "finished_at = coalesce(finished_at, now()), discarded_at = coalesce(discarded_at, now())",
    ),
    # Of the file itself `media_keeping.delete_files` takes care.
    Holding("media", of_contact=OF_THREADS, erase=FORGET, erase_with_tenant=DELETE),
    Holding(
        "account_event",
        of_contact="payload::text ~ $2 OR words ~ $2",
        erase="payload = '{}', words = 'Erased.'",
    ),
    Holding(
        "channel",
        erase_with_tenant="name = 'erased', phone_number_id = 'erased:' || id, waba_id = 'erased', "
        "display_phone_number = '', access_token_sealed = '', code_sealed = NULL, "
        "pin_sealed = NULL, status = 'DISCONNECTED', status_reason = NULL, alive_at = NULL, "
        "reading = NULL, check_error = NULL, due_at = NULL",
    ),
)

_BATCH = 500
ERASED = "[erased]"


@dataclass(frozen=True)
class Person:
    """Whose updates go out of raw webhooks: the person's identifiers, in one tenant's channels.

    Attributes:
        pattern: finds any of the identifiers in a text.
        identifiers: those WhatsApp writes into bodies; any body that holds none is passed over.
            Without any, everything of the tenant's channels goes.
    """

    pattern: re.Pattern[str]
    identifiers: tuple[str, ...]
    phone_number_ids: frozenset[str]
    waba_ids: frozenset[str]


async def scrub_webhooks(connection: Connection, person: Person) -> int:
    """Cut a person out of all raw webhooks; how many bodies changed. Run again, none does.

    Args:
        connection: one that sees all tenants: bodies have none.
    """
    sought = [text.encode() for text in person.identifiers or sorted(person.phone_number_ids)]
    last, changed = 0, 0
    while True:
        rows = await connection.fetch(
            "SELECT id, CASE WHEN EXISTS (SELECT 1 FROM unnest($2::bytea[]) AS sought (part) "
            "WHERE position(part IN body) > 0) THEN body END AS body FROM webhook_event "
            "WHERE id > $1 ORDER BY id LIMIT $3",
            last,
            sought,
            _BATCH,
        )
        for row in rows:
            body = None if row["body"] is None else without(row["body"], person)
            if body is not None:
                await connection.execute(
                    "UPDATE webhook_event SET body = $2 WHERE id = $1", row["id"], body
                )
                changed += 1
        if len(rows) < _BATCH:
            return changed
        last = rows[-1]["id"]


def without(body: bytes, person: Person) -> bytes | None:
    """A webhook's body without what concerns a person; None when it holds nothing of theirs."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None  # It was never anybody's: nothing of it could be read.
    if not isinstance(payload, dict) or not isinstance(payload.get("entry"), list):
        return None
    changed = False
    for entry in payload["entry"]:
        changes = entry.get("changes") if isinstance(entry, dict) else None
        for change in changes if isinstance(changes, list) else ():
            value = change.get("value") if isinstance(change, dict) else None
            if isinstance(value, dict) and _is_theirs(entry, value, person):
                rest = _cut(value, person) if person.identifiers else {}
                changed |= rest != value
                change["value"] = rest
    return json.dumps(payload, ensure_ascii=False).encode() if changed else None


def redacted(value: Any, pattern: re.Pattern[str]) -> Any:
    """JSON with every text and number that names the person replaced by `[erased]`."""
    if isinstance(value, str):
        return pattern.sub(ERASED, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ERASED if pattern.search(str(value)) else value
    if isinstance(value, list):
        return [redacted(item, pattern) for item in value]
    if isinstance(value, dict):
        return {pattern.sub(ERASED, key): redacted(item, pattern) for key, item in value.items()}
    return value


def _is_theirs(entry: dict[str, Any], value: dict[str, Any], person: Person) -> bool:
    """As receiving routes it: by the number, where one is named, else by the account."""
    metadata = value.get("metadata")
    number = metadata.get("phone_number_id") if isinstance(metadata, dict) else None
    if number is not None:
        return str(number) in person.phone_number_ids
    return str(entry.get("id")) in person.waba_ids


def _cut(value: Any, person: Person) -> Any:
    """Without the list entries that are the person's, and without their identifiers elsewhere."""
    if isinstance(value, list):
        return [_cut(part, person) for part in value if not _is_of(part, person)]
    if isinstance(value, dict):
        return {key: _cut(part, person) for key, part in value.items()}
    return redacted(value, person.pattern)


def _is_of(part: Any, person: Person) -> bool:
    """Messages, statuses, contacts, threads: each names its person directly, if under other keys."""
    named = part.values() if isinstance(part, dict) else ()
    return any(isinstance(name, str) and name.lstrip("+") in person.identifiers for name in named)


def pattern_of(phone_numbers: Sequence[str], names: Sequence[str]) -> str:
    """A regular expression, for Postgres and for Python, that finds any of these in a text.

    A phone number is found however its digits are spaced; nothing is found inside a longer word.
    """
    parts = [r"[\s().-]?".join(number) for number in phone_numbers]
    parts += [re.escape(name) for name in names]
    return rf"(?<![0-9A-Za-z])(?:{'|'.join(parts)})(?![0-9A-Za-z])"
