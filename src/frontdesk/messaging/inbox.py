"""The door for webhooks: a body is durable before it is acknowledged, and nothing reads it here."""

import asyncio

from frontdesk.core.crash import crash
from frontdesk.core.db import Connection
from frontdesk.core.ids import NIL
from frontdesk.core.resources import Resources
from frontdesk.core.tracing import traceparent

WEBHOOK_EVENT = "messaging.webhook_event"
_MOST_IN_ONE_INSERT = 200

_INSERT = (
    "INSERT INTO webhook_event (source, body, traceparent) SELECT 'whatsapp', body, traceparent "
    "FROM unnest($1::bytea[], $2::text[]) AS came (body, traceparent)"
)


class WebhookInbox:
    """Stores webhook bodies. What arrives while a commit runs shares the next INSERT: no timer, so
    at low load nothing waits, and at high load one commit carries many."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.secrets = tuple(
            secret.get_secret_value().encode() for secret in resources.settings.whatsapp.app_secrets
        )
        self._waiting: list[tuple[bytes, str | None, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def store(self, body: bytes) -> None:
        """Return once the body is committed; who is answered then rings for it.

        Raises:
            Unavailable: the database did not take it; Meta will deliver it again.
        """
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, traceparent(), stored))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        while self._waiting:
            batch = self._waiting[:_MOST_IN_ONE_INSERT]
            del self._waiting[:_MOST_IN_ONE_INSERT]
            try:
                bodies = [body for body, _, _ in batch]
                crash("before_accept", *bodies)
                async with self._resources.db.system() as connection:
                    await connection.execute(_INSERT, bodies, [trace for _, trace, _ in batch])
                crash("after_accept", *bodies)
            except BaseException as error:
                for *_, stored in batch:
                    if not stored.done():
                        stored.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for *_, stored in batch:
                    if not stored.done():
                        stored.set_result(None)

    async def ring(self) -> None:
        """Say that there is something to read, once it was acknowledged; else the sweep finds it."""
        self._resources.db.bell.ring(WEBHOOK_EVENT, NIL, NIL)


async def has_unread_webhooks(resources: Resources) -> bool:
    """Whether any webhook has come that nobody has read yet; it may hold any message's status."""
    async with resources.db.system() as connection:
        found = await connection.fetchval(
            # One that waits for a send it belongs to has been read.
            "SELECT 1 FROM webhook_event WHERE state = 'pending' AND waits = 0 LIMIT 1"
        )
    return found is not None


async def prune_webhooks(connection: Connection, days: int) -> int:
    """Delete raw webhooks that came more than so many days ago and are done with; how many."""
    answer = await connection.execute(
        "DELETE FROM webhook_event WHERE ctid IN (SELECT ctid FROM webhook_event WHERE state IN "
        "('done', 'discarded') AND received_at < now() - make_interval(days => $1) LIMIT 5000)",
        days,
    )
    return int(answer.rpartition(" ")[2])
