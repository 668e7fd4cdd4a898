"""Work that will not go on by itself, and what people do about it: try it again or let it go.

Three kinds: raw webhooks that could not be received (`dead_webhooks`), bursts that a person got
because answering them failed too often, and messages that could not be sent or of which nobody
knows. Trying again only moves a row back to where its work begins, so it is as safe as the work
itself: a webhook is received from the start, a message is sent from its mark. Doing it twice, or
after it has succeeded, changes nothing and says so.

A tenant's admin sees and moves what is the tenant's; an operator everything.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from frontdesk import conversation, escalation
from frontdesk.core.db import Connection
from frontdesk.core.json import loads
from frontdesk.core.resources import Resources
from frontdesk.messaging import NotUncertain, resolve_uncertain, send_again
from frontdesk.pipeline import dead_webhooks
from frontdesk.pipeline.letters import (
    Caller,
    Change,
    Kind,
    Letter,
    NoSuchLetter,
    WithPerson,
    note,
)

_SEND_COLUMNS = """
o.id, o.tenant_id, CASE WHEN o.discarded_at IS NOT NULL AND o.state IN ('failed', 'needs_attention')
    THEN 'discarded' ELSE o.state END AS state, o.created_at, o.last_error, o.attempt,
o.conversation_id
"""
_LIST_SENDS = f"""
SELECT {_SEND_COLUMNS} FROM outbound o
WHERE o.state IN ('failed', 'needs_attention') AND o.discarded_at IS NULL AND o.to_user_id IS NULL
    AND ($1::uuid IS NULL OR o.tenant_id = $1) AND ($2::uuid IS NULL OR o.id < $2)
ORDER BY o.id DESC LIMIT $3
"""  # noqa: S608  # Ours.
_FIND_SEND = f"""
SELECT {_SEND_COLUMNS}, o.content FROM outbound o
WHERE ($1::uuid IS NULL OR o.tenant_id = $1) AND o.id = $2 AND o.to_user_id IS NULL
"""  # noqa: S608  # Ours.
# `stuck` is why a person gets a burst whose attempts are used up.
_BURSTS = """
SELECT id, tenant_id, CASE WHEN state = 'ended' THEN 'ended' ELSE 'with_person' END AS state,
    created_at, rule AS last_error, 0 AS attempt, conversation_id
FROM handoff WHERE reason = 'stuck' AND ($1::uuid IS NULL OR tenant_id = $1)
"""
_LIST_BURSTS = f"""
{_BURSTS} AND state <> 'ended' AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3
"""
_FIND_BURST = f"{_BURSTS} AND id = $2"
_DISCARD_SEND = """
UPDATE outbound SET discarded_at = now()
WHERE id = $1 AND state IN ('failed', 'needs_attention') AND discarded_at IS NULL RETURNING id
"""
_MAY_BE_SENT = ("failed", "needs_attention", "discarded")
_UNMOVED = {
    "pending": "It is on its way already.",
    "sending": "It is on its way already.",
    "unknown": "It was sent; whether it arrived is being found out.",
    "sent": "It was sent already.",
    "failed": "It was sent again, and failed again.",
    "needs_attention": "It was sent again, and nobody can tell whether it arrived.",
    "dead": "It was read again, and failed again.",
    "done": "It was received already.",
    "cancelled": "It was withdrawn before it was sent.",
    "discarded": "It was discarded already.",
    "ended": "People have dealt with it already.",
}


async def list_letters(
    resources: Resources,
    by: Caller,
    *,
    kind: Kind | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Letter]:
    """Dead letters, newest first: those of the caller's tenant, or everybody's.

    Args:
        before: the id of the last letter of the page before.
    """
    letters: list[Letter] = []
    if kind in (None, Kind.WEBHOOK):
        await dead_webhooks.look_into(resources)
        letters += await dead_webhooks.list_webhooks(resources, by.tenant_id, before, limit)
    async with _connection(resources, by) as connection:
        for listed, statement in ((Kind.BURST, _LIST_BURSTS), (Kind.SEND, _LIST_SENDS)):
            if kind in (None, listed):
                rows = await connection.fetch(statement, by.tenant_id, before, limit)
                letters += [_letter(listed, row) for row in rows]
    return sorted(letters, key=lambda letter: letter.id, reverse=True)[:limit]


async def get_letter(resources: Resources, by: Caller, letter_id: UUID) -> Letter:
    """A dead letter with what it holds, also after it has been replayed or discarded.

    Raises:
        NoSuchLetter: there is none, or it is another tenant's.
    """
    async with _connection(resources, by) as connection:
        if row := await connection.fetchrow(_FIND_SEND, by.tenant_id, letter_id):
            return _letter(Kind.SEND, row, (loads(row["content"]),))
        if row := await connection.fetchrow(_FIND_BURST, by.tenant_id, letter_id):
            return _letter(Kind.BURST, row)
    if letter := await dead_webhooks.find_webhook(resources, letter_id, by.tenant_id):
        return letter
    raise NoSuchLetter


async def replay_letter(resources: Resources, by: Caller, letter_id: UUID) -> Change:
    """Let a dead letter be tried again.

    Raises:
        NoSuchLetter: there is none, or it is another tenant's.
        WithPerson: it is a burst, which a person has.
        WindowClosed, ChannelGone: it can't be sent any more.
        RetryHopeless, OptedOut: it would be refused again, or the contact wants no template.
    """
    letter = await get_letter(resources, by, letter_id)
    if letter.kind is Kind.BURST:
        return _as_people_have_it(letter)
    if letter.kind is Kind.WEBHOOK:
        changed = await dead_webhooks.replay_webhook(resources, by, letter)
    else:
        async with resources.db.hot(letter.tenant_ids[0]) as tx:
            if letter.state in _MAY_BE_SENT:
                await escalation.refuse_hopeless(tx, letter.id, uncertain_too=True)
            if changed := await send_again(tx, letter.id):
                await conversation.notice_promises_again(tx, letter.id)
                await note(tx, "replayed", letter, by)
    return await _changed(resources, by, letter, changed, "It will be tried again at once.")


async def discard_letter(
    resources: Resources, by: Caller, letter_id: UUID, *, arrived: bool = False
) -> Change:
    """Let go of a dead letter: it is listed no more, and what it is about stays as it is.

    Args:
        arrived: a message of which nobody knew has arrived; it counts as sent from now on.

    Raises:
        NoSuchLetter: there is none, or it is another tenant's.
        WithPerson: it is a burst, which a person has.
        NotUncertain: it is said to have arrived and is no message of which nobody knows.
    """
    letter = await get_letter(resources, by, letter_id)
    if letter.kind is Kind.BURST:
        return _as_people_have_it(letter)
    if arrived and letter.kind is not Kind.SEND:
        raise NotUncertain("Only a message can have arrived.")
    if arrived:
        changed = letter.state != "sent"
        if changed:
            async with resources.db.hot(letter.tenant_ids[0]) as tx:
                await resolve_uncertain(tx, letter.id, arrived=True)
                await note(tx, "settled", letter, by)
        return await _changed(resources, by, letter, changed, "It counts as sent.")
    if letter.kind is Kind.WEBHOOK:
        changed = await dead_webhooks.discard_webhook(resources, by, letter)
    else:
        async with resources.db.hot(letter.tenant_ids[0]) as tx:
            changed = await tx.sql.fetchval(_DISCARD_SEND, letter.id) is not None
            if changed:
                await note(tx, "discarded", letter, by)
    return await _changed(resources, by, letter, changed, "It is listed no more.")


@asynccontextmanager
async def _connection(resources: Resources, by: Caller) -> AsyncIterator[Connection]:
    """A connection that sees what the caller may see: a tenant's own rows, or all."""
    if by.tenant_id is None:
        async with resources.db.system() as connection:
            yield connection
    else:
        async with resources.db.hot(by.tenant_id) as tx:
            yield tx.sql


def _as_people_have_it(letter: Letter) -> Change:
    if letter.state == "ended":
        return Change(letter, changed=False, message=_UNMOVED[letter.state])
    raise WithPerson(letter.next_step, conversation_id=str(letter.conversation_id))


async def _changed(
    resources: Resources, by: Caller, letter: Letter, changed: bool, message: str
) -> Change:
    now = await get_letter(resources, by, letter.id)
    return Change(now, changed, message if changed else _UNMOVED[now.state])


def _letter(kind: Kind, row: Any, contents: tuple[dict[str, Any], ...] = ()) -> Letter:
    return Letter(
        id=row["id"],
        kind=kind,
        state=row["state"],
        at=row["created_at"],
        reason=row["last_error"] or "",
        attempts=row["attempt"],
        tenant_ids=(row["tenant_id"],),
        conversation_id=row["conversation_id"],
        contents=contents,
    )
