"""Workers say that they are alive, a row each, so that a health check can tell when none is."""

from frontdesk.core.db import Connection


async def beat(connection: Connection, worker: str, busy: int) -> None:
    """Note that a worker is alive and how many rows it has in hand; forget those long gone."""
    await connection.execute(
        "INSERT INTO worker_heartbeat (worker, busy) VALUES ($1, $2) ON CONFLICT (worker) "
        "DO UPDATE SET busy = excluded.busy, seen_at = now()",
        worker,
        busy,
    )
    await connection.execute(
        "DELETE FROM worker_heartbeat WHERE seen_at < now() - interval '1 day'"
    )
