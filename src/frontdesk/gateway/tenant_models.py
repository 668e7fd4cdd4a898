"""A tenant's own models and keys: how it sets them, and how calls find them, kept close by."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlmodel import col, select

from frontdesk.core import ids
from frontdesk.core.cache import SnapshotCache
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import Invalid, NotFound
from frontdesk.core.events import publish
from frontdesk.core.json import dumps, dumps_bytes, loads
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.gateway.events import ReplyModelsChanging
from frontdesk.gateway.models import ModelRouting, ProviderKey
from frontdesk.gateway.providers import list_providers, provider_of
from frontdesk.gateway.route_schemas import (
    DEFAULT,
    ProviderKeyPublic,
    Route,
    RoutingPublic,
    RoutingUpdate,
)
from frontdesk.observability import audit, changes

SEALED_FIELD = "provider_key.api_key"
TRANSCRIPTION = "transcription"
DESCRIPTION = "description"
# What is heard or seen in such calls is not in their records.
FILE_FEATURES = frozenset({TRANSCRIPTION, DESCRIPTION})

_LOAD = """
SELECT (SELECT routes::text FROM model_routing) AS routes,
       (SELECT jsonb_object_agg(provider, api_key_sealed)::text FROM provider_key) AS keys
"""
_SAVE = """
INSERT INTO model_routing (version, routes) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET version = excluded.version, routes = excluded.routes
"""
_SET_KEY = """
INSERT INTO provider_key (id, provider, api_key_sealed, set_by) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, provider)
DO UPDATE SET api_key_sealed = excluded.api_key_sealed, set_by = excluded.set_by, set_at = now()
"""
# One at a time changes a tenant's routing, also while there is none to lock.
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('model_routing ' || $1, 0))"


@dataclass(frozen=True)
class TenantModels:
    """What a tenant has set. The keys are sealed, here and in Redis."""

    routes: Mapping[str, Route]
    sealed_keys: Mapping[str, str]


class TenantModelsBook:
    """What the tenants this process works for have set."""

    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._cache = SnapshotCache(resources, kind="models:v1", encode=_encode, decode=_decode)

    async def get(self, tenant_id: UUID) -> TenantModels:
        """What the tenant has set, at most two seconds late."""
        return await self._cache.get(tenant_id, "all", lambda: self._load(tenant_id))

    def forget_after_commit(self, tx: Transaction) -> None:
        """Let nobody use what was set before this transaction."""
        self._cache.forget_after_commit(tx, "all")

    async def _load(self, tenant_id: UUID) -> TenantModels:
        async with self._db.hot(tenant_id) as tx:
            row = await tx.sql.fetchrow(_LOAD)
        assert row is not None
        return _tenant_models(loads(row["routes"] or "{}"), loads(row["keys"] or "{}"))


def route_for(
    settings: Settings, tenant: TenantModels, feature: str, models: tuple[str, ...] | None
) -> Route:
    """The models for a call: the agent's own, else the tenant's for the feature, else the tenant's
    default, else the deployment's for the feature, else its chain."""
    llm = settings.llm
    of_tenant = tenant.routes.get(feature) or tenant.routes.get(DEFAULT)
    cheaper = (of_tenant and of_tenant.cheaper_models) or llm.cheaper_chain
    chain = models or (of_tenant and of_tenant.models) or llm.routes.get(feature) or llm.chain
    return Route.model_construct(models=tuple(dict.fromkeys(chain)), cheaper_models=tuple(cheaper))


async def file_models(resources: Resources, tenant_id: UUID, feature: str) -> tuple[str, ...]:
    """The models that put a file into words, in turn; none where nobody has named any.

    Not those of chat: only a route of its own names models that can hear, or see.
    """
    tenant = await resources.keep(TenantModelsBook).get(tenant_id)
    of_tenant = tenant.routes.get(feature)
    if of_tenant is not None:
        return tuple(of_tenant.models)
    return resources.settings.llm.routes.get(feature, ())


def own_key(resources: Resources, tenant_id: UUID, tenant: TenantModels, name: str) -> str | None:
    """The tenant's own key for a provider, or None when it has set none.

    Raises:
        SealBroken: it has, and the key that sealed it is not configured any more.
    """
    sealed = tenant.sealed_keys.get(name)
    if sealed is None:
        return None
    return resources.sealer.open(sealed, tenant_id=tenant_id, field=SEALED_FIELD)


async def get_routing(session: Session, settings: Settings) -> RoutingPublic:
    """The tenant's routing table, empty until it has set one."""
    row = (await session.exec(select(ModelRouting))).one_or_none()
    llm = settings.llm
    deployment = {DEFAULT: llm.chain, **llm.routes}
    return RoutingPublic(
        version=row.version if row else 0,
        routes={} if row is None else _routes(row.routes),
        deployment={
            feature: Route(models=models, cheaper_models=llm.cheaper_chain)
            for feature, models in deployment.items()
        },
    )


async def save_routing(
    session: Session,
    resources: Resources,
    body: RoutingUpdate,
    *,
    check: Callable[[int], None],
    by: UUID,
    override: str | None = None,
) -> RoutingPublic:
    """Put a whole routing table in force, everywhere within two seconds.

    Args:
        check: raises when the caller does not know the present version.
        override: why other reply models may come into force without a passing evaluation run.

    Raises:
        Invalid: a model is of a provider that this deployment does not know.
        ModelsNeedRun: an agent asks for a passing run with these reply models, and there is none.
    """
    for route in body.routes.values():
        for model in (*route.models, *route.cheaper_models):
            _require_provider(resources.settings, provider_of(model))
    await session.sql.execute(_ALONE, str(session.tenant_id))
    before = await get_routing(session, resources.settings)
    check(before.version)
    now, then = (
        route_for(resources.settings, TenantModels(routes, {}), "reply", None).models
        for routes in (body.routes, before.routes)
    )
    if now != then:
        changing = ReplyModelsChanging(
            tenant_id=session.tenant_id, by=by, models=now, override=override
        )
        await publish(session, changing)
    version = before.version + 1
    await session.sql.execute(_SAVE, version, dumps(body.routes))
    resources.keep(TenantModelsBook).forget_after_commit(session)
    details = changes(
        before.model_dump(mode="json")["routes"], body.model_dump(mode="json")["routes"]
    )
    await audit(session, "model_routing.changed", "model_routing", user_id=by, details=details)
    return before.model_copy(update={"version": version, "routes": body.routes})


async def list_keys(session: Session) -> list[ProviderKeyPublic]:
    """For which providers the tenant has a key of its own."""
    query = select(ProviderKey).order_by(col(ProviderKey.provider))
    return [ProviderKeyPublic.model_validate(row) for row in await session.exec(query)]


async def set_key(
    session: Session, resources: Resources, name: str, api_key: str, *, by: UUID
) -> None:
    """Use this key for the provider from now on, instead of the deployment's or an older one.

    Raises:
        Invalid: this deployment does not know the provider.
    """
    _require_provider(resources.settings, name)
    tenant_id = session.tenant_id
    sealed = resources.sealer.seal(api_key, tenant_id=tenant_id, field=SEALED_FIELD)
    await session.sql.execute(_SET_KEY, ids.new(), name, sealed, by)
    resources.keep(TenantModelsBook).forget_after_commit(session)
    await audit(session, "provider_key.set", "provider_key", name, user_id=by)


async def remove_key(session: Session, resources: Resources, name: str, *, by: UUID) -> None:
    """Go back to the deployment's key.

    Raises:
        NotFound: the tenant has set none for this provider.
    """
    gone = await session.sql.execute("DELETE FROM provider_key WHERE provider = $1", name)
    if gone == "DELETE 0":
        raise NotFound("There is no key for this provider.")
    resources.keep(TenantModelsBook).forget_after_commit(session)
    await audit(session, "provider_key.removed", "provider_key", name, user_id=by)


def _require_provider(settings: Settings, name: str) -> None:
    if name not in list_providers(settings):
        raise Invalid(f"This deployment knows no provider “{name}”.")


def _routes(stored: Mapping[str, object]) -> dict[str, Route]:
    return {feature: Route.model_validate(route) for feature, route in stored.items()}


def _tenant_models(routes: Mapping[str, object], keys: Mapping[str, str]) -> TenantModels:
    return TenantModels(_routes(routes), dict(keys))


def _encode(tenant: TenantModels) -> bytes:
    return dumps_bytes({"routes": tenant.routes, "keys": tenant.sealed_keys})


def _decode(data: bytes) -> TenantModels:
    stored = loads(data)
    return _tenant_models(stored["routes"], stored["keys"])
