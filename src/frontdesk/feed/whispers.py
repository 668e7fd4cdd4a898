"""Events that last no longer than what they tell of, as that a colleague is typing.

They go through Redis to whoever watches at this moment, and are kept nowhere. They have no number, so
that the last one a client has stays true; who was not there, or had no Redis, has missed them.
"""

from datetime import UTC, datetime
from uuid import UUID

import structlog
from sse_starlette import ServerSentEvent

from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources
from frontdesk.feed.announcer import CHANNEL
from frontdesk.feed.schemas import FeedPayload

log = structlog.get_logger(__name__)

# What an announcement of numbered events can't begin with.
MARK = "~"


async def whisper(resources: Resources, tenant_id: UUID, payload: FeedPayload) -> None:
    """Tell everybody of a tenant who is watching now. Lost, and no error, while Redis is down."""
    told = payload.model_dump_json()
    at = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    frame = ServerSentEvent(f'{told[:-1]},"at":"{at}"}}', event=payload.kind, sep="\n").encode()
    try:
        await resources.redis.publish(CHANNEL, f"{tenant_id}:{MARK}".encode() + frame)
    except REDIS_DOWN as error:
        log.warning("feed_whisper_lost", error=type(error).__name__)
