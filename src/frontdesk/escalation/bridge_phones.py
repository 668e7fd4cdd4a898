"""Human agents' own phones: one is theirs once their code was sent from it to a number of the tenant.

Nobody types a number, so nobody can register another's; and whoever sends the code has the window
open in which they can be written to.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from frontdesk import feed
from frontdesk.conversation import find_contact
from frontdesk.core.callers import Principal
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import Conflict
from frontdesk.escalation.bridge_rules import CODE
from frontdesk.escalation.bridge_schemas import BridgeCode, BridgePhonePublic, BridgeSwitch
from frontdesk.escalation.happenings import BridgePhoneChanged
from frontdesk.identity import MemberDisabled
from frontdesk.messaging import ContactKey, InboundMessage
from frontdesk.observability import audit

CODE_MINUTES = 15
IS_CONTACT = "This number is in a conversation with you as a contact: close that first."
IN_USE = "This number is a colleague's."
_COLUMNS = "confirmed_at, wa_id, enabled, language, problem, code_expires_at"
_FIND = """
SELECT DISTINCT ON (told.place) told.place, p.user_id, p.code_hash IS NOT DISTINCT FROM told.code_hash
    AND p.code_hash IS NOT NULL AS is_code
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
    AS told (tenant_id, wa_id, bsuid, code_hash, place)
JOIN bridge_phone p ON p.tenant_id = told.tenant_id
    AND (p.confirmed_at IS NOT NULL AND (p.wa_id = told.wa_id OR p.bsuid = told.bsuid)
        OR p.code_hash = told.code_hash AND p.code_expires_at > now())
ORDER BY told.place, is_code DESC, p.bsuid = told.bsuid DESC NULLS LAST
"""


class NoPhone(Conflict):
    """You have confirmed no phone: ask for a code and send it from there."""

    code, title = "no_phone", "You have confirmed no phone"


@dataclass(frozen=True)
class Sender:
    """A human agent whose phone somebody wrote from, or whose code they sent."""

    user_id: UUID
    sends_code: bool


async def ask_code(tx: Transaction, who: Principal) -> BridgeCode:
    """A new code to be sent from the phone; the one before, and nothing else, is void."""
    code = "LINK-" + base64.b32encode(secrets.token_bytes(10)).decode()[:10]
    row = await tx.sql.fetchrow(
        "INSERT INTO bridge_phone (user_id, code_hash, code_expires_at) "
        "VALUES ($1, $2, now() + make_interval(mins => $3)) ON CONFLICT (tenant_id, user_id) "
        "DO UPDATE SET code_hash = excluded.code_hash, problem = NULL, "
        "code_expires_at = excluded.code_expires_at RETURNING code_expires_at",
        who.user_id,
        _hash(code),
        CODE_MINUTES,
    )
    assert row is not None
    numbers = await tx.sql.fetch(
        "SELECT display_phone_number FROM channel WHERE status = 'CONNECTED' ORDER BY name LIMIT 50"
    )
    return BridgeCode(
        code=code,
        expires_at=row["code_expires_at"],
        send_to=[number["display_phone_number"] for number in numbers],
    )


async def get_phone(tx: Transaction, user_id: UUID) -> BridgePhonePublic:
    """How it stands with a human agent's phone."""
    row = await tx.sql.fetchrow(
        f"SELECT {_COLUMNS} FROM bridge_phone WHERE user_id = $1",  # noqa: S608  # Ours.
        user_id,
    )
    return BridgePhonePublic.model_validate(dict(row)) if row else BridgePhonePublic()


async def switch(tx: Transaction, who: Principal, wish: BridgeSwitch) -> BridgePhonePublic:
    """Take conversations on the phone, or at the desk only; raises `NoPhone`.

    A language that is not named stays as it is.
    """
    changed = await tx.sql.fetchrow(
        "UPDATE bridge_phone SET enabled = $2, language = CASE WHEN $4 THEN $3 ELSE language END "
        "WHERE user_id = $1 AND confirmed_at IS NOT NULL RETURNING enabled, language",
        who.user_id,
        wish.enabled,
        wish.language,
        "language" in wish.model_fields_set,
    )
    if changed is None:
        raise NoPhone
    await _audit(tx, "bridge_phone.switched", who.user_id, **changed)
    return await get_phone(tx, who.user_id)


async def forget(tx: Transaction, user_id: UUID) -> None:
    """The phone is no longer theirs: whoever writes from it is a contact again."""
    if await tx.sql.fetchval(
        "DELETE FROM bridge_phone WHERE user_id = $1 RETURNING user_id", user_id
    ):
        await _audit(tx, "bridge_phone.removed", user_id)


async def forget_member(tx: Transaction, event: MemberDisabled) -> None:
    """Subscriber: whoever may not sign in may not answer from their phone either."""
    await forget(tx, event.user_id)


async def find_senders(
    connection: Connection, told: Sequence[tuple[UUID, ContactKey, str]]
) -> dict[int, Sender]:
    """Which of these (tenant id, who, text) are human agents, by place; the others are contacts."""
    codes = [CODE.fullmatch(text.strip().upper()) for _, _, text in told]
    rows = await connection.fetch(
        _FIND,
        [tenant_id for tenant_id, _, _ in told],
        [key.wa_id for _, key, _ in told],
        [key.bsuid for _, key, _ in told],
        [code and _hash(code.group()) for code in codes],
    )
    return {row["place"] - 1: Sender(row["user_id"], row["is_code"]) for row in rows}


async def confirm(tx: Transaction, user_id: UUID, message: InboundMessage) -> None:
    """The phone that a code came from is its human agent's, unless it is somebody else's."""
    problem = await _problem(tx, user_id, message.sender)
    known = {"wa_id": message.sender.wa_id, "bsuid": message.sender.bsuid}
    await tx.sql.execute(
        "UPDATE bridge_phone SET code_hash = NULL, code_expires_at = NULL, problem = $2, "
        "wa_id = CASE WHEN $2::text IS NULL THEN $3 ELSE wa_id END, "
        "bsuid = CASE WHEN $2::text IS NULL THEN $4 ELSE bsuid END, "
        "confirmed_at = CASE WHEN $2::text IS NULL THEN now() ELSE confirmed_at END "
        "WHERE user_id = $1",
        user_id,
        problem,
        *known.values(),
    )
    if problem is None:
        await _audit(tx, "bridge_phone.confirmed", user_id)
    feed.tell(tx, BridgePhoneChanged(confirmed=problem is None, problem=problem), user_id)


async def _problem(tx: Transaction, user_id: UUID, key: ContactKey) -> str | None:
    taken = await tx.sql.fetchval(
        "SELECT 1 FROM bridge_phone WHERE user_id <> $1 AND (wa_id = $2 OR bsuid = $3) LIMIT 1",
        user_id,
        key.wa_id,
        key.bsuid,
    )
    if taken:
        return IN_USE
    contact = await find_contact(tx, key)
    talks = contact and await tx.sql.fetchval(
        "SELECT 1 FROM conversation WHERE contact_id = $1 AND status <> 'CLOSED' LIMIT 1",
        contact.id,
    )
    return IS_CONTACT if talks else None


def _hash(code: str) -> str:
    # Of fifty random bits that count for minutes.
    return hashlib.sha256(code.encode()).hexdigest()


async def _audit(tx: Transaction, action: str, user_id: UUID, **details: Any) -> None:
    await audit(tx, action, "bridge_phone", user_id, user_id=user_id, details=details or None)
