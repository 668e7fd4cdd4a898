"""HTTP of API keys: made, listed and revoked by admins; no key reaches these."""

from uuid import UUID

from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    Limit,
    Now,
    ResourcesDep,
    Router,
    TenantSession,
    problems,
)
from frontdesk.core.errors import Forbidden, NotFound
from frontdesk.core.pages import Page
from frontdesk.identity import api_keys
from frontdesk.identity.api_key_schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyPublic

router = Router(prefix="/api/v1/api-keys", tags=["api keys"])


@router.get("", summary="List API keys", responses=problems(Forbidden))
async def list_api_keys(
    who: AdminOnly, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[ApiKeyPublic]:
    """The tenant's keys, newest first, the revoked and ended ones among them."""
    return await api_keys.list_keys(session, limit=limit, cursor=cursor)


@router.post(
    "",
    status_code=201,
    summary="Make an API key",
    responses=problems(Forbidden, api_keys.TooManyApiKeys),
)
async def create_api_key(
    body: ApiKeyCreate, who: AdminOnly, session: TenantSession, now: Now
) -> ApiKeyCreated:
    """Let a program in: it sends `Authorization: Bearer` and the key, which is shown this once."""
    return await api_keys.create_key(session, body, by=who, now=now)


@router.delete(
    "/{key_id}",
    status_code=204,
    summary="Revoke an API key",
    responses=problems(Forbidden, NotFound),
)
async def revoke_api_key(
    key_id: UUID, who: AdminOnly, session: TenantSession, resources: ResourcesDep, now: Now
) -> None:
    """End a key for good: it opens nothing any more two seconds later at most."""
    await api_keys.revoke_key(session, resources, key_id, by=who, now=now)
