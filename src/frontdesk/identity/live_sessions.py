"""Which sign-ins are still good, asked of the database every ten seconds at most."""

import time
from dataclasses import dataclass
from uuid import UUID

from frontdesk.core.api import Role
from frontdesk.core.resources import Resources

# How long a sign-out, a changed role or a disabled user may go unnoticed in another process.
KEEP_SECONDS = 10
_MOST_KEPT = 10_000

# The role comes from the membership, never from the token.
_FIND = """
SELECT s.user_id, s.tenant_id, m.role
  FROM user_session s
  JOIN membership m ON m.tenant_id = s.tenant_id AND m.user_id = s.user_id
  JOIN app_user u ON u.id = s.user_id
  JOIN tenant t ON t.id = s.tenant_id
 WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > now()
   AND m.disabled_at IS NULL AND u.disabled_at IS NULL AND t.status = 'ACTIVE'
"""


@dataclass(frozen=True)
class LiveSession:
    """A sign-in that is good: whose, where, and as what."""

    user_id: UUID
    tenant_id: UUID
    role: Role


class LiveSessions:
    """The sign-ins this process has asked about lately."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._kept: dict[UUID, tuple[float, LiveSession]] = {}
        self._forgotten = 0

    async def find(self, session_id: UUID) -> LiveSession | None:
        """The session if it is good, or was within the last ten seconds; else None."""
        kept = self._kept.get(session_id)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        forgotten = self._forgotten
        async with self._db.system() as connection:
            row = await connection.fetchrow(_FIND, session_id)
        if row is None:
            self._kept.pop(session_id, None)
            return None
        session = LiveSession(row["user_id"], row["tenant_id"], Role(row["role"]))
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
        self._forgotten += 1
        for session_id in [key for key, kept in self._kept.items() if kept[1].user_id == user_id]:
            del self._kept[session_id]

    def _keep(self, session_id: UUID, session: LiveSession) -> None:
        now = time.monotonic()
        if len(self._kept) >= _MOST_KEPT:
            self._kept = {key: kept for key, kept in self._kept.items() if kept[0] > now}
        if len(self._kept) < _MOST_KEPT:
            self._kept[session_id] = (now + KEEP_SECONDS, session)


def forget(resources: Resources, session_id: UUID) -> None:
    """Make an ended session end at once in this process; the others notice within ten seconds."""
    resources.keep(LiveSessions).forget(session_id)
