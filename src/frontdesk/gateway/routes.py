"""HTTP of the gateway: which models a tenant wants asked for what, and its own keys for them."""

from typing import Annotated

from fastapi import Path, Query, Response

from frontdesk.core.api import (
    AdminOnly,
    IfMatch,
    ReadsConfig,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConfig,
    problems,
    set_etag,
)
from frontdesk.core.errors import Forbidden, NotFound, PreconditionFailed, PreconditionRequired
from frontdesk.core.pages import Page, check_version
from frontdesk.gateway import tenant_models
from frontdesk.gateway.chat_routes import router as chat
from frontdesk.gateway.errors import ModelsNeedRun
from frontdesk.gateway.route_schemas import (
    ProviderKeyPublic,
    ProviderKeySet,
    RoutingPublic,
    RoutingUpdate,
)

api = Router(prefix="/api/v1/models", tags=["models"])
Override = Annotated[
    str | None,
    Query(
        min_length=10,
        max_length=500,
        description="Where an agent asks for a passing evaluation run: why other reply models may do "
        "without one. It is kept in the audit log.",
    ),
]
ProviderName = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", examples=["openai"])]


@api.get("/routing", summary="Read which models are asked", responses=problems())
async def get_routing(
    who: ReadsConfig, session: TenantSession, resources: ResourcesDep, response: Response
) -> RoutingPublic:
    """The routing table by feature, and the deployment's; its version is the `ETag`."""
    routing = await tenant_models.get_routing(session, resources.settings)
    set_etag(response, routing.version)
    return routing


@api.put(
    "/routing",
    summary="Set which models are asked",
    responses=problems(Forbidden, PreconditionFailed, PreconditionRequired, ModelsNeedRun),
)
async def save_routing(
    body: RoutingUpdate,
    who: WritesConfig,
    session: TenantSession,
    resources: ResourcesDep,
    response: Response,
    if_match: IfMatch = None,
    override: Override = None,
) -> RoutingPublic:
    """Put a whole routing table in force, within two seconds everywhere.

    `If-Match` carries the `ETag` you read, `"0"` at first. What an agent sets as its own models comes
    before it. Where an agent asks for a passing evaluation run, other reply models need one too.
    """
    routing = await tenant_models.save_routing(
        session,
        resources,
        body,
        check=lambda version: check_version(if_match, version),
        by=who.user_id,
        override=override,
    )
    set_etag(response, routing.version)
    return routing


@api.get("/keys", summary="List your own provider keys", responses=problems(Forbidden))
async def list_provider_keys(who: AdminOnly, session: TenantSession) -> Page[ProviderKeyPublic]:
    """For which providers calls are made with a key of yours; never the keys. Always one page."""
    return Page(items=await tenant_models.list_keys(session))


@api.put(
    "/keys/{provider}",
    status_code=204,
    summary="Set your own provider key",
    responses=problems(Forbidden),
)
async def set_provider_key(
    provider: ProviderName,
    body: ProviderKeySet,
    who: AdminOnly,
    session: TenantSession,
    resources: ResourcesDep,
) -> None:
    """Have the provider's models asked with this key instead of the deployment's.

    It is sealed and can't be read again. When it is refused, the deployment's is not used instead.
    """
    key = body.api_key.get_secret_value()
    await tenant_models.set_key(session, resources, provider, key, by=who.user_id)


@api.delete(
    "/keys/{provider}",
    status_code=204,
    summary="Remove your own provider key",
    responses=problems(Forbidden, NotFound),
)
async def remove_provider_key(
    provider: ProviderName, who: AdminOnly, session: TenantSession, resources: ResourcesDep
) -> None:
    """Have the provider's models asked with the deployment's key again."""
    await tenant_models.remove_key(session, resources, provider, by=who.user_id)


router = Router(
    routes=[
        *api.routes,
        *chat.routes,
    ]
)
