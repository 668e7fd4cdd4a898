"""Which sign-ins are still good, asked of the database every ten seconds at most."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from frontdesk.core.callers import Role
from frontdesk.core.resources import Resources

# How long a sign-out, a changed role or a disabled user may go unnoticed in another process.
KEEP_SECONDS = 10
_MOST_KEPT = 10_000

# The role comes from the membership, never from the token. A session of no tenant is a super
# admin's, who may be acting in one, with the second factor that its own members need there. That it
# is in use is written down once a minute at most.
_FIND = """
WITH seen AS (
    UPDATE user_session SET seen_at = now()
     WHERE id = $1 AND seen_at < now() - interval '1 minute' AND revoked_at IS NULL
)
SELECT s.user_id, s.tenant_id, m.role, t.contacts_masked, coalesce(t.plan, a.plan) AS plan,
       a.id AS acting_id, a.tenant_id AS acting_tenant_id, a.expires_at AS acting_until
  FROM user_session s
  JOIN app_user u ON u.id = s.user_id
  LEFT JOIN membership m
    ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id AND m.disabled_at IS NULL
  LEFT JOIN tenant t ON t.id = m.tenant_id AND t.status = 'ACTIVE'
  LEFT JOIN LATERAL (
    SELECT w.id, w.tenant_id, w.expires_at, v.plan FROM acting w JOIN tenant v ON v.id = w.tenant_id
     WHERE w.session_id = s.id AND w.ended_at IS NULL AND w.expires_at > now()
       AND s.tenant_id IS NULL AND (NOT v.mfa_required OR EXISTS (SELECT 1 FROM totp_factor f
           WHERE f.user_id = s.user_id AND f.confirmed_at IS NOT NULL))
     ORDER BY w.id DESC LIMIT 1
  ) a ON true
 WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
   AND (t.id IS NOT NULL OR s.tenant_id IS NULL AND u.is_super_admin)
"""


@dataclass(frozen=True)
class LiveActing:
    """A super admin's present time in a tenant."""

    id: UUID
    tenant_id: UUID
    until: datetime


@dataclass(frozen=True)
class LiveSession:
    """A sign-in that is good: whose, where, and as what; a super admin's is in no tenant."""

    user_id: UUID
    tenant_id: UUID | None
    role: Role | None
    acting: LiveActing | None = None
    contacts_masked: bool = False
    plan: str | None = None

    @property
    def masked(self) -> bool:
        """Whether contact details are hidden from them: the tenant hides them from human agents."""
        return self.contacts_masked and self.role is Role.HUMAN_AGENT

    def acting_at(self, now: datetime) -> LiveActing | None:
        """The time in a tenant that is going on, if any: it ends by itself."""
        return self.acting if self.acting is not None and self.acting.until > now else None


class LiveSessions:
    """The sign-ins this process has asked about lately."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._kept: dict[UUID, tuple[float, LiveSession]] = {}
        self._forgotten = 0
        # By session and by how often somebody had called `forget` when it was begun.
        self._asking: dict[tuple[UUID, int], asyncio.Task[LiveSession | None]] = {}

    async def find(self, session_id: UUID) -> LiveSession | None:
        """The session if it is good, or was within the last ten seconds; else None."""
        kept = self._kept.get(session_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        # Thousands of streams of a replaced process come back at once: one question serves them all.
        key = (session_id, self._forgotten)
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(session_id))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask(self, session_id: UUID) -> LiveSession | None:
        forgotten = self._forgotten
        async with self._db.system() as connection:
            row = await connection.fetchrow(_FIND, session_id)
        if row is None:
            self._kept.pop(session_id, None)
            return None
        session = LiveSession(
            row["user_id"],
            row["tenant_id"],
            Role(row["role"]) if row["role"] else None,
            LiveActing(row["acting_id"], row["acting_tenant_id"], row["acting_until"])
            if row["acting_id"]
            else None,
            bool(row["contacts_masked"]),
            row["plan"],
        )
        # What was read before somebody called `forget` may be what they want forgotten.
        if forgotten == self._forgotten:
            self._keep(session_id, session)
        return session

    def forget(self, session_id: UUID) -> None:
        """Ask the database again about this session."""
        self._forgotten += 1
        self._kept.pop(session_id, None)

    def forget_user(self, user_id: UUID) -> None:
        """Ask the database again about all sessions of this user."""
        self._forget_where(lambda session: session.user_id == user_id)

    def forget_tenant(self, tenant_id: UUID) -> None:
        """Ask the database again about all sessions in this tenant, whoever acts there included."""
        self._forget_where(
            lambda session: (
                tenant_id in (session.tenant_id, session.acting and session.acting.tenant_id)
            )
        )

    def _forget_where(self, concerned: Callable[[LiveSession], bool]) -> None:
        self._forgotten += 1
        for session_id in [key for key, kept in self._kept.items() if concerned(kept[1])]:
            del self._kept[session_id]

    def _keep(self, session_id: UUID, session: LiveSession) -> None:
        now = time.monotonic()
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
        if len(self._kept) < _MOST_KEPT:
            self._kept[session_id] = (now + KEEP_SECONDS, session)


async def last_seen(resources: Resources, tenant_id: UUID, user_id: UUID) -> datetime | None:
    """When a user last asked for something in a tenant, or had the feed open there, to the minute or
    so; None when they are not signed in."""
    async with resources.db.system() as connection:
        seen_at: datetime | None = await connection.fetchval(
            "SELECT max(seen_at) FROM user_session WHERE tenant_id = $1 AND user_id = $2 "
            "AND revoked_at IS NULL",
            tenant_id,
            user_id,
        )
    return seen_at


def forget(resources: Resources, session_id: UUID) -> None:
    """Make an ended session end at once in this process; the others notice within ten seconds."""
    resources.keep(LiveSessions).forget(session_id)
