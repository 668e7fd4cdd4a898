"""Who looks at a conversation right now, and who is typing. Kept in Redis for seconds, nowhere else."""

import time
from uuid import UUID

import structlog

from frontdesk import feed
from frontdesk.conversation.errors import NoSuchConversation
from frontdesk.conversation.happenings import ConversationWatched
from frontdesk.conversation.schemas import Doing, Viewer
from frontdesk.core.errors import RateLimited
from frontdesk.core.limits import Bucket
from frontdesk.core.redis import REDIS_DOWN
from frontdesk.core.resources import Resources

log = structlog.get_logger(__name__)

# Said again while it lasts; a console that was closed without a word is forgotten so soon.
LASTS_SECONDS = 30
# A console says it every few seconds, and when somebody begins or ends to type.
PER_SECOND, BURST = 2.0, 10.0


async def watch(
    resources: Resources, tenant_id: UUID, conversation_id: UUID, user_id: UUID, doing: Doing
) -> list[Viewer]:
    """Say what a user does in a conversation; who is there now. Others hear of it at once.

    Raises:
        NoSuchConversation: there is none in this tenant.
        RateLimited: they say it too often.
    """
    bucket = Bucket(f"{tenant_id}:watch:{user_id}", PER_SECOND, BURST)
    if wait := await resources.limiter.wait_seconds(bucket):
        raise RateLimited("Say it every few seconds.", retry_after_seconds=wait)
    async with resources.db.hot(tenant_id) as tx:
        if not await tx.sql.fetchval("SELECT 1 FROM conversation WHERE id = $1", conversation_id):
            raise NoSuchConversation
    key = _key(tenant_id, conversation_id)
    try:
        async with resources.redis.pipeline(transaction=True) as pipeline:
            pipeline.zrem(key, *(f"{user_id}:{each}" for each in Doing))
            if doing is not Doing.LEFT:
                pipeline.zadd(key, {f"{user_id}:{doing}": time.time() + LASTS_SECONDS})
            pipeline.expire(key, LASTS_SECONDS)
            await pipeline.execute()
    except REDIS_DOWN as error:
        log.warning("watching_unkept", error=type(error).__name__)
    told = ConversationWatched(
        conversation_id=conversation_id,
        user_id=user_id,
        doing=doing,
        lasts_seconds=0 if doing is Doing.LEFT else LASTS_SECONDS,
    )
    await feed.whisper(resources, tenant_id, told)
    return await list_viewers(resources, tenant_id, conversation_id)


async def list_viewers(
    resources: Resources, tenant_id: UUID, conversation_id: UUID
) -> list[Viewer]:
    """Who looks at a conversation right now; nobody, as far as can be told, while Redis is down."""
    try:
        present = await resources.redis.zrangebyscore(
            _key(tenant_id, conversation_id), time.time(), "+inf"
        )
    except REDIS_DOWN as error:
        log.warning("watching_unknown", error=type(error).__name__)
        return []
    pairs = [member.decode().split(":") for member in present]
    return [Viewer(user_id=UUID(user_id), doing=Doing(doing)) for user_id, doing in pairs]


def _key(tenant_id: UUID, conversation_id: UUID) -> str:
    return f"watching:{tenant_id}:{conversation_id}"
