"""API keys: programs of a tenant, what each may do, and who a request with a key is from.

A key is `fd_live_`, 65 characters that hold the tenant and 256 random bits, and a checksum of
six: scanners of leaked secrets find keys by their form, and what is no key of ours never reaches the
database. Only the SHA-256 of a key is stored; that it is random makes a slow hash unnecessary.
"""

import secrets
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col, select
from starlette.requests import Request

from frontdesk import observability
from frontdesk.core import ids
from frontdesk.core.cache import SnapshotCache
from frontdesk.core.callers import Principal, Role, Scope, asked_at, request_id_of, resources_of
from frontdesk.core.db import Session, Transaction
from frontdesk.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.limits import Bucket
from frontdesk.core.pages import Page, newest_page
from frontdesk.core.resources import Resources
from frontdesk.identity.api_key_models import ApiKey
from frontdesk.identity.api_key_schemas import ApiKeyCreate, ApiKeyCreated, ApiKeyPublic
from frontdesk.identity.authentication import address_of
from frontdesk.identity.throttle import subscriber_of

PREFIX = "fd_live_"
MOST_KEYS = 100
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TENANT_BYTES, _RANDOM_BYTES = 16, 32
# 48 bytes and 4 bytes in base 62.
_BODY_LENGTH, _CHECK_LENGTH = 65, 6
# Lookups of keys that this process has not seen in the last minute, per network.
_LOOKUPS_PER_MINUTE = 120

# Copies of what this reads are kept for a minute, so it runs about as often while a key is used.
_FIND = """
WITH used AS (
    UPDATE api_key SET last_used_at = now()
     WHERE key_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
       AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
)
SELECT k.id, k.created_by, k.scopes, k.expires_at, t.plan
  FROM api_key k JOIN tenant t ON t.id = k.tenant_id
 WHERE k.key_hash = $1 AND k.revoked_at IS NULL AND t.status = 'ACTIVE'
   AND (k.expires_at IS NULL OR k.expires_at > now())
"""


class TooManyApiKeys(Conflict):
    """The tenant has as many good keys as it may have."""

    code, title = "too_many_api_keys", "Revoke a key first"


@dataclass(frozen=True)
class LiveKey:
    """A key that is good, until it ends or somebody revokes it."""

    id: UUID
    made_by: UUID
    scopes: frozenset[Scope]
    expires_at: datetime | None
    plan: str


class LiveKeys:
    """The keys this process has met lately: a minute old at most, two seconds after a revocation."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._cache = SnapshotCache(resources, kind="api_key:v2", encode=_encode, decode=_decode)

    async def find(self, key: str, *, network: str) -> tuple[UUID, LiveKey]:
        """Whose key this is and what it may.

        Raises:
            Unauthenticated: it is no key, or it was revoked, or it has ended.
            RateLimited: this network has tried too many keys that nobody knows.
        """
        tenant_id = tenant_of(key)
        if tenant_id is None:
            raise Unauthenticated
        key_hash = hash_of(key)
        live = await self._cache.get(
            tenant_id, key_hash, lambda: self._load(tenant_id, key_hash, network)
        )
        if live.expires_at is not None and live.expires_at <= datetime.now(UTC):
            raise Unauthenticated
        return tenant_id, live

    def forget_after_commit(self, tx: Transaction, key_hash: str) -> None:
        """Once this transaction has committed, let no process believe in its copy any longer."""
        self._cache.forget_after_commit(tx, key_hash)

    async def _load(self, tenant_id: UUID, key_hash: str, network: str) -> LiveKey:
        bucket = Bucket(
            f"{ids.NIL}:key-lookup:{network}", _LOOKUPS_PER_MINUTE / 60, _LOOKUPS_PER_MINUTE
        )
        if wait := await self._resources.limiter.wait_seconds(bucket):
            raise RateLimited(retry_after_seconds=wait)
        async with self._resources.db.hot(tenant_id) as tx:
            row = await tx.sql.fetchrow(_FIND, key_hash)
        if row is None:
            raise Unauthenticated
        scopes = _scopes(row["scopes"])
        return LiveKey(row["id"], row["created_by"], scopes, row["expires_at"], row["plan"])


async def authenticate_key(request: Request) -> Principal:
    """Who sent this request, by its header `Authorization: Bearer`.

    Raises:
        Unauthenticated: no good key; what is wrong with it is not told.
        RateLimited: too many unknown keys from this network.
    """
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise Unauthenticated
    network = subscriber_of(address_of(request))
    tenant_id, live = await resources_of(request).keep(LiveKeys).find(key.strip(), network=network)
    return Principal(
        user_id=live.made_by,
        tenant_id=tenant_id,
        # Only admins make keys. What a key may is decided by its scopes.
        role=Role.ADMIN,
        session_id=live.id,
        request_id=request_id_of(request),
        api_key_id=live.id,
        scopes=live.scopes,
        plan=live.plan,
        asked_at=asked_at(request),
    )


async def create_key(
    session: Session, body: ApiKeyCreate, *, by: Principal, now: datetime
) -> ApiKeyCreated:
    """Make a key. This is the only time anybody sees it.

    Raises:
        Forbidden: a super admin acts here, whose time in the tenant the key would outlive.
        Invalid: it would have ended already.
        TooManyApiKeys: there are as many as there may be.
    """
    if by.acting_id is not None:
        raise Forbidden("Keys are made by admins of the tenant itself.")
    if body.expires_at is not None and body.expires_at <= now:
        raise Invalid("expires_at must be in the future.")
    await session.sql.execute("SELECT pg_advisory_xact_lock(hashtext($1))", f"keys:{by.tenant_id}")
    good = await session.sql.fetchval(
        "SELECT count(*) FROM api_key WHERE revoked_at IS NULL "
        "AND (expires_at IS NULL OR expires_at > now())"
    )
    if good >= MOST_KEYS:
        raise TooManyApiKeys(f"A tenant has at most {MOST_KEYS} keys.")
    key = new_key(by.tenant_id)
    row = ApiKey(
        id=ids.new(),
        name=body.name,
        key_hash=hash_of(key),
        hint=key[-4:],
        scopes=sorted(body.scopes),
        created_by=by.user_id,
        created_at=now,
        expires_at=body.expires_at,
    )
    session.add(row)
    await session.flush()
    await observability.audit(
        session,
        "api_key.created",
        "api_key",
        row.id,
        user_id=by.user_id,
        details={"name": row.name, "scopes": row.scopes, "expires_at": row.expires_at},
        request_id=by.request_id,
    )
    return ApiKeyCreated(**ApiKeyPublic.model_validate(row).model_dump(), key=key)


async def list_keys(session: Session, *, limit: int, cursor: str | None) -> Page[ApiKeyPublic]:
    """A page of the tenant's keys, newest first, those that are good no more among them."""
    query = select(ApiKey)
    return await newest_page(
        session, query, col(ApiKey.id), ApiKeyPublic.model_validate, limit=limit, cursor=cursor
    )


async def revoke_keys_of(
    session: Session, resources: Resources, maker_id: UUID, *, by: Principal, now: datetime
) -> None:
    """Revoke what somebody made who is an admin no longer: they have seen these keys."""
    query = select(ApiKey.id).where(ApiKey.created_by == maker_id, col(ApiKey.revoked_at).is_(None))
    for key_id in (await session.exec(query)).all():
        await revoke_key(session, resources, key_id, by=by, now=now)


async def forget_keys(resources: Resources, tenant_id: UUID) -> None:
    """Let every process ask anew about the keys of a tenant that has changed."""
    async with resources.db.hot(tenant_id) as tx:
        rows = await tx.sql.fetch("SELECT key_hash FROM api_key WHERE revoked_at IS NULL")
        for row in rows:
            resources.keep(LiveKeys).forget_after_commit(tx, row["key_hash"])


async def revoke_key(
    session: Session, resources: Resources, key_id: UUID, *, by: Principal, now: datetime
) -> None:
    """End a key: at once here, within two seconds elsewhere. Again, it changes nothing.

    Raises:
        NotFound: the tenant has no such key.
    """
    row = (
        await session.exec(select(ApiKey).where(ApiKey.id == key_id).with_for_update())
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such API key.")
    if row.revoked_at is not None:
        return
    await session.execute(sa.update(ApiKey).where(col(ApiKey.id) == key_id).values(revoked_at=now))
    resources.keep(LiveKeys).forget_after_commit(session, row.key_hash)
    await observability.audit(
        session,
        "api_key.revoked",
        "api_key",
        key_id,
        user_id=by.user_id,
        details={"name": row.name},
        request_id=by.request_id,
    )


def new_key(tenant_id: UUID) -> str:
    """A key of this tenant that nobody has had before."""
    body = _base62(tenant_id.bytes + secrets.token_bytes(_RANDOM_BYTES), _BODY_LENGTH)
    return f"{PREFIX}{body}{_checksum(body)}"


def tenant_of(key: str) -> UUID | None:
    """The tenant whose key this says it is; None when it hasn't the form of a key."""
    text = key.removeprefix(PREFIX)
    body, check = text[:_BODY_LENGTH], text[_BODY_LENGTH:]
    well_formed = (
        key.startswith(PREFIX)
        and len(text) == _BODY_LENGTH + _CHECK_LENGTH
        and set(text) <= set(_ALPHABET)
    )
    if not well_formed or _checksum(body) != check:
        return None
    number = 0
    for character in body:
        number = number * 62 + _ALPHABET.index(character)
    if number.bit_length() > 8 * (_TENANT_BYTES + _RANDOM_BYTES):
        return None
    return UUID(int=number >> 8 * _RANDOM_BYTES)


def hash_of(key: str) -> str:
    """What is stored of a key."""
    return sha256(key.encode()).hexdigest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()).to_bytes(4), _CHECK_LENGTH)


def _base62(data: bytes, length: int) -> str:
    number, digits = int.from_bytes(data), ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _ALPHABET[digit] + digits
    return digits


def _scopes(stored: list[str]) -> frozenset[Scope]:
    """The scopes that this release knows; an older process ignores what a newer one gave."""
    return frozenset(Scope(scope) for scope in stored if scope in set(Scope))


def _encode(live: LiveKey) -> bytes:
    return dumps_bytes([live.id, live.made_by, sorted(live.scopes), live.expires_at, live.plan])


def _decode(data: bytes) -> LiveKey:
    key_id, made_by, scopes, expires_at, plan = loads(data)
    ends = datetime.fromisoformat(expires_at) if expires_at else None
    return LiveKey(UUID(key_id), UUID(made_by), _scopes(scopes), ends, plan)
