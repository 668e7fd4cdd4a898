"""Erasures: everything a contact said and is known by goes; counts, costs and outcomes stay.

The stages, each safe to repeat:

    detach   the ids go on the list of the erased and off the contact; its conversations are closed
    scrub    rows, append-only ones too, and the contact's part of raw webhooks
    verify   every text of the tenant is searched for the ids; what still holds one is struck out,
             and searched again

Turns, costs and model calls can't be rewritten by the application's own role, so this goes through
the system's; each statement names the tenant.
"""

import json
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlmodel import col, select

from frontdesk import conversation, feed
from frontdesk.conversation import Actor, Suppression
from frontdesk.core import ids
from frontdesk.core.db import Connection, Session, Transaction, take_time
from frontdesk.core.errors import NotFound
from frontdesk.core.json import dumps
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.messaging import Person, delete_files, scrub_webhooks
from frontdesk.observability import audit
from frontdesk.privacy import scrubbing
from frontdesk.privacy.errors import AlreadyRunning
from frontdesk.privacy.files import export_file, ledger_file, note_in_ledger
from frontdesk.privacy.happenings import ContactErased, ErasureChanged
from frontdesk.privacy.models import Erasure
from frontdesk.privacy.people import Identifiers, identifiers_of, must_exist
from frontdesk.privacy.schemas import ErasurePublic

ERASURE = "privacy.erasure"
MAX_ATTEMPTS = 5
_LEASE_SECONDS = 1_800
_SEALED_FIELD = "erasure.identifiers"
# A send or a model call that was begun before may still write what it knows; and what only waits to be
# begun may be at any moment.
_IN_HAND = """
SELECT EXISTS (SELECT 1 FROM conversation WHERE contact_id = $1 AND lease_until > now())
    OR EXISTS (SELECT 1 FROM outbound WHERE state = 'sending'
               AND conversation_id IN (SELECT id FROM conversation WHERE contact_id = $1))
    OR EXISTS (
        SELECT 1 FROM conversation k JOIN (
            SELECT conversation_id FROM media WHERE state = 'stored' AND wants_words
            UNION ALL SELECT conversation_id FROM suggestion WHERE state = 'queued'
            UNION ALL SELECT conversation_id FROM commitment WHERE state = 'noticed'
            UNION ALL SELECT conversation_id FROM conversation_memory WHERE due_at IS NOT NULL
        ) job ON job.conversation_id = k.id
        WHERE k.contact_id = $1)
"""
# As long as any of these is claimed for, but for a turn, whose time is a setting.
_LONGEST_LEASE_SECONDS, _MARGIN_SECONDS = 180, 15


async def start_erasure(
    tx: Transaction,
    contact_id: UUID | None,
    *,
    user_id: UUID | None = None,
    request_id: str | None = None,
) -> UUID:
    """Make the erasure of a contact, or of the whole tenant (None), due; its id.

    Raises:
        NoSuchContact: the tenant has no such contact.
        AlreadyRunning: it is being erased.
    """
    if contact_id is not None:
        await must_exist(tx, contact_id)
    erasure_id = ids.new()
    try:
        await tx.sql.execute(
            "INSERT INTO erasure (tenant_id, id, contact_id, requested_by, state, due_at) "
            "VALUES ($1, $2, $3, $4, 'queued', now())",
            tx.tenant_id,
            erasure_id,
            contact_id,
            user_id,
        )
    except asyncpg.UniqueViolationError:
        raise AlreadyRunning("It is being erased.") from None
    await audit(
        tx,
        "erasure.requested",
        "erasure",
        erasure_id,
        user_id=user_id,
        details={"contact_id": contact_id},
        request_id=request_id,
    )
    tx.ring(ERASURE, erasure_id)
    if contact_id is not None:
        await _erase_the_others(tx, contact_id, user_id=user_id, request_id=request_id)
    return erasure_id


async def _erase_the_others(
    tx: Transaction, contact_id: UUID, *, user_id: UUID | None, request_id: str | None
) -> None:
    """The other contacts that are the same person, unless they are being erased already."""
    for other_id in await conversation.person_of(tx, contact_id):
        running = await tx.sql.fetchval(
            "SELECT 1 FROM erasure WHERE tenant_id = $1 AND contact_id = $2 AND state = 'queued'",
            tx.tenant_id,
            other_id,
        )
        if not running:
            await start_erasure(tx, other_id, user_id=user_id, request_id=request_id)


async def list_erasures(session: Session, *, limit: int, cursor: str | None) -> Page[ErasurePublic]:
    """A page of erasures, newest first."""
    query = select(Erasure)
    return await newest_page(
        session, query, col(Erasure.id), ErasurePublic.model_validate, limit=limit, cursor=cursor
    )


async def get_erasure(session: Session, erasure_id: UUID) -> ErasurePublic:
    """One erasure; raises `NotFound`."""
    row = (await session.exec(select(Erasure).where(Erasure.id == erasure_id))).one_or_none()
    if row is None:
        raise NotFound("There is no such erasure.")
    return ErasurePublic.model_validate(row)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Erasures to be made, oldest first; tenants take turns."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM erasure WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def handle_erasure(resources: Resources, tenant_id: UUID, erasure_id: UUID) -> None:
    """Erase and prove it. Run twice, the second run finds nothing left to change."""
    async with resources.db.hot(tenant_id) as tx:
        row = await tx.sql.fetchrow(
            "UPDATE erasure SET attempts = attempts + 1, state = CASE WHEN attempts >= $3 THEN "
            "'failed' ELSE state END, due_at = CASE WHEN attempts < $3 THEN now() + "
            "make_interval(secs => $2) END WHERE id = $1 AND due_at <= now() "
            "RETURNING id, contact_id, state, erased_at, identifiers_sealed",
            erasure_id,
            float(_LEASE_SECONDS),
            MAX_ATTEMPTS,
        )
    if row is None or row["state"] != "queued":
        return
    job = Job(resources, tenant_id, erasure_id)
    try:
        if row["contact_id"] is None:
            await job.erase_tenant(row["identifiers_sealed"])
        else:
            await job.erase_contact(row["contact_id"], row["erased_at"], row["identifiers_sealed"])
    except Exception as error:
        await job.move("last_error = $2", f"{type(error).__name__}: {error}"[:500])
        raise


@dataclass
class Job:
    """One erasure in hand."""

    resources: Resources
    tenant_id: UUID
    id: UUID

    async def erase_contact(
        self, contact_id: UUID, erased_at: datetime | None, sealed: str | None
    ) -> None:
        """All stages, from the one that was reached last."""
        if erased_at is None:
            known, is_in_hand = await self._detach(contact_id)
            if is_in_hand:
                await self._wait()
                return
        else:
            assert sealed is not None
            known = Identifiers(
                **{name: tuple(each) for name, each in self._opened(sealed).items()}
            )
        await self.move("stage = 'scrub'")
        async with self._everything() as tx:
            changed = await scrubbing.scrub_contact(tx, contact_id, known.pattern)
        # After their rows: a worker that fetches one just now finds its row changed.
        await delete_files(self.resources, self.tenant_id, contact_id)
        await self._delete_exports(contact_id)
        webhooks = await self._scrub_webhooks(known, await self._channels())
        await self._forget_limits(known)
        await self.move("stage = 'verify'")
        async with self._everything() as tx:
            struck_out = await scrubbing.strike_out(tx, known.pattern)
            left = await scrubbing.search(tx, known.pattern)
        await self._finish(
            {"changed": changed, "webhooks": webhooks, "struck_out": struck_out, "left": left}
        )

    async def erase_tenant(self, sealed: str | None) -> None:
        """Stop its numbers, wait for what is in hand, then empty and blank its tables; costs and
        outcomes stay."""
        if sealed is None:
            await self._stop_tenant()
            return
        channels = self._opened(sealed)
        await self.move("stage = 'scrub'")
        webhooks = await self._scrub_webhooks(Identifiers((), (), ()), channels)
        await self._delete_exports(None)
        async with self._everything() as tx:
            changed = await scrubbing.empty_tenant(tx)
            left = await scrubbing.what_is_left(tx)
        await delete_files(self.resources, self.tenant_id, None)
        await self._finish({"changed": changed, "webhooks": webhooks, "left": left})

    async def _stop_tenant(self) -> None:
        """From now on nobody signs in, and no webhook finds its numbers."""
        channels = await self._channels()
        await self._note(contact_id=None, digests=[])
        async with self._everything() as tx:
            await scrubbing.stop_tenant(tx)
        await self.move("identifiers_sealed = $2", self._sealed(channels))
        await self._wait()

    async def _detach(self, contact_id: UUID) -> tuple[Identifiers, bool]:
        """Take the ids off the contact and end its conversations: what it writes from now on is a
        new contact's. Its identifiers, and whether work begun before may still write."""
        suppression = self.resources.keep(Suppression)
        async with self.resources.db.hot(self.tenant_id) as tx:
            known = await identifiers_of(tx, contact_id)
            digests = suppression.digests(self.tenant_id, known.ids)
            rows = await tx.sql.fetch(
                "SELECT id FROM conversation WHERE contact_id = $1 AND status <> 'CLOSED' "
                "ORDER BY id",
                contact_id,
            )
            threads = [await conversation.lock(tx, row["id"]) for row in rows]
            # Under their locks: a turn that is begun before is seen, and none is after, nor a send of
            # the AI's. What a person wrote may still leave, and learns no wamid.
            in_hand: bool = await tx.sql.fetchval(_IN_HAND, contact_id)
            erased_at: datetime = await tx.sql.fetchval("SELECT clock_timestamp()")
            for thread in threads:
                if thread.status is not conversation.Status.CLOSED:
                    await conversation.close(tx, thread, by=Actor.SYSTEM, reason="erased")
            await suppression.suppress(tx, digests, erased_at)
            await scrubbing.forget_identity(tx, contact_id)
            await tx.sql.execute(
                "UPDATE erasure SET stage = 'detached', erased_at = $2, identifiers_sealed = $3 "
                "WHERE id = $1",
                self.id,
                erased_at,
                self._sealed(asdict(known)),
            )
            feed.tell(tx, ContactErased(contact_id=contact_id))
            # Before the commit: a restore must find it even if we end here.
            await self._note(contact_id=contact_id, digests=digests, at=erased_at)
        return known, in_hand

    async def _note(
        self, *, contact_id: UUID | None, digests: Sequence[str], at: datetime | None = None
    ) -> None:
        note_in_ledger(
            self.resources,
            {
                "tenant_id": str(self.tenant_id),
                "erasure_id": str(self.id),
                "contact_id": contact_id and str(contact_id),
                "digests": list(digests),
                "at": at and at.isoformat(),
            },
        )

    async def _channels(self) -> dict[str, list[str]]:
        """How webhooks name the tenant's numbers and accounts."""
        async with self.resources.db.hot(self.tenant_id) as tx:
            rows = await tx.sql.fetch("SELECT phone_number_id, waba_id FROM channel")
        return {name: [row[name] for row in rows] for name in ("phone_number_id", "waba_id")}

    async def _scrub_webhooks(self, known: Identifiers, channels: dict[str, list[str]]) -> int:
        person = Person(
            pattern=re.compile(known.pattern),
            identifiers=known.ids,
            phone_number_ids=frozenset(channels["phone_number_id"]),
            waba_ids=frozenset(channels["waba_id"]),
        )
        if not channels["waba_id"]:
            return 0
        async with self.resources.db.system() as connection:
            return await scrub_webhooks(connection, person)

    def _sealed(self, value: Any) -> str:
        return self.resources.sealer.seal(
            json.dumps(value), tenant_id=self.tenant_id, field=_SEALED_FIELD
        )

    def _opened(self, sealed: str) -> Any:
        return json.loads(
            self.resources.sealer.open(sealed, tenant_id=self.tenant_id, field=_SEALED_FIELD)
        )

    async def _wait(self) -> None:
        """Go on when whatever was begun before must have ended."""
        lease_seconds = self.resources.settings.worker.lease_seconds
        seconds = max(lease_seconds, _LONGEST_LEASE_SECONDS) + _MARGIN_SECONDS
        await self.move(
            "stage = 'waiting', due_at = now() + make_interval(secs => $2)", float(seconds)
        )

    async def _delete_exports(self, contact_id: UUID | None) -> None:
        """Files that were made while the contact was still there: theirs, and the tenant's."""
        async with self.resources.db.hot(self.tenant_id) as tx:
            rows = await tx.sql.fetch(
                "UPDATE data_export SET state = 'expired', due_at = NULL WHERE state = 'done' "
                "AND ($1::uuid IS NULL OR contact_id IS NULL OR contact_id = $1) RETURNING id",
                contact_id,
            )
        for row in rows:
            export_file(self.resources, self.tenant_id, row["id"]).unlink(missing_ok=True)

    async def _forget_limits(self, known: Identifiers) -> None:
        """The rate limits of a contact have its id in their key; they end by themselves otherwise."""
        async with self.resources.db.hot(self.tenant_id) as tx:
            channels = await tx.sql.fetch("SELECT id FROM channel")
        keys = [
            f"limit:{self.tenant_id}:in:{channel['id']}:{text}"
            for channel in channels
            for text in known.ids
        ]
        if keys:
            await scrubbing.delete_keys(self.resources, keys)

    async def _finish(self, report: dict[str, Any]) -> None:
        done = not report["left"]
        await self.move(
            "report = $2, state = CASE WHEN $3 THEN 'done' ELSE state END, "
            "stage = CASE WHEN $3 THEN '' ELSE 'verify' END, "
            "finished_at = CASE WHEN $3 THEN now() END, "
            "identifiers_sealed = CASE WHEN $3 THEN NULL ELSE identifiers_sealed END, "
            "last_error = CASE WHEN $3 THEN NULL ELSE 'something is left: see the report' END, "
            "due_at = CASE WHEN $3 THEN NULL ELSE now() + interval '1 minute' END",
            dumps(report),
            done,
        )

    async def move(self, assignments: str, *values: Any) -> None:
        """Change the row, and tell the admins' dashboards how far it is."""
        async with self.resources.db.hot(self.tenant_id) as tx:
            row = await tx.sql.fetchrow(
                f"UPDATE erasure SET {assignments} WHERE id = $1 RETURNING state, stage",  # noqa: S608  # Our own words.
                self.id,
                *values,
            )
            assert row is not None
            told = ErasureChanged(erasure_id=self.id, state=row["state"], stage=row["stage"])
            feed.tell(tx, told, feed.Audience.ADMINS)

    @asynccontextmanager
    async def _everything(self) -> AsyncIterator[Transaction]:
        """A transaction that may rewrite what is append-only otherwise. Each statement in it has to
        say the tenant: row-level security does not."""
        async with self.resources.db.system_transaction() as tx:
            tx.tenant_id = self.tenant_id
            await take_time(tx.sql)
            yield tx


@dataclass(frozen=True)
class Relisted:
    """What reapplying the ledger has done."""

    erasures: int
    people: int


async def reapply_erasures(resources: Resources, lines: Sequence[str] | None = None) -> Relisted:
    """After a restore: list the erased again, and make the erasures due that the backup undid.

    Args:
        lines: of the ledger; None reads it from the folder. Run again, it finds nothing to do.
    """
    if lines is None:
        path = ledger_file(resources)
        lines = path.read_text().splitlines() if path.exists() else []
    people = erasures = 0
    for line in lines:
        entry = json.loads(line)
        tenant_id = UUID(entry["tenant_id"])
        async with resources.db.hot(tenant_id) as tx:
            if await tx.sql.fetchval("SELECT 1 FROM tenant WHERE id = $1", tenant_id) is None:
                continue
            if entry["at"]:
                at = datetime.fromisoformat(entry["at"])
                await resources.keep(Suppression).suppress(tx, entry["digests"], at)
                people += 1
            erasures += await _start_again(resources, tx, entry)
    return Relisted(erasures=erasures, people=people)


async def _start_again(resources: Resources, tx: Transaction, entry: dict[str, Any]) -> int:
    """Erase whoever is back under an id of the list, unless that is under way; how many."""
    if entry["contact_id"] is None:
        back = await tx.sql.fetch(
            "SELECT NULL::uuid AS id FROM tenant WHERE slug <> 'erased-' || id"
        )
    else:
        back = await tx.sql.fetch(
            "SELECT c.id FROM contact c WHERE c.id = $1 AND c.bsuid IS DISTINCT FROM "
            "'erased:' || c.id",
            UUID(entry["contact_id"]),
        )
    started = 0
    for row in back:
        running = await tx.sql.fetchval(
            "SELECT 1 FROM erasure WHERE contact_id IS NOT DISTINCT FROM $1 AND state = 'queued'",
            row["id"],
        )
        if running is None:
            await start_erasure(tx, row["id"])
            started += 1
    return started
