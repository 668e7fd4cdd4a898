"""Who asks: people and programs in a tenant, and who looks after the platform; and what a request
says of itself. Nothing of FastAPI's, which a worker never loads."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from starlette.requests import Request

from frontdesk.core.db import Transaction
from frontdesk.core.errors import Forbidden, FrontdeskError
from frontdesk.core.resources import Resources

# Keys of ours in the ASGI scope. Headers put into the last go out with the answer, whatever it
# becomes: sign-in renews its cookie this way.
REQUEST_ID = "frontdesk.request_id"
ASKED_AT = "frontdesk.asked_at"
ANSWER_HEADERS = "frontdesk.answer_headers"


class Role(StrEnum):
    """What a user may do in a tenant; SUPER_ADMIN is platform-wide and not a membership."""

    ADMIN = "ADMIN"
    HUMAN_AGENT = "HUMAN_AGENT"


class Scope(StrEnum):
    """What an API key may be let do. A route that declares none is closed to keys."""

    CONVERSATIONS_READ = "conversations:read"
    CONVERSATIONS_WRITE = "conversations:write"
    USAGE_READ = "usage:read"
    CONFIG_READ = "config:read"
    CONFIG_WRITE = "config:write"
    MODELS_USE = "models:use"


@dataclass(frozen=True)
class Principal:
    """Who asks, in which tenant, as what.

    `acting_id` is set when a super admin acts in the tenant for a while: they are no member of it.
    `masked` says that contact details are hidden from them (`core/masking.py`).
    `api_key_id` is set when a program asks with a key: the user is then who made the key, there is
    no session, and `scopes` say what it may.
    `plan` is the tenant's, and `asked_at` when the request came.
    """

    user_id: UUID
    tenant_id: UUID
    role: Role
    session_id: UUID
    request_id: str
    acting_id: UUID | None = None
    api_key_id: UUID | None = None
    scopes: frozenset[Scope] = frozenset()
    masked: bool = False
    plan: str = "standard"
    asked_at: datetime | None = None


@dataclass(frozen=True)
class SuperAdmin:
    """Who looks after the platform. They reach a tenant's data only while they act in it."""

    user_id: UUID
    session_id: UUID
    request_id: str
    acting: Principal | None = None


@dataclass(frozen=True)
class Refusal:
    """Somebody in a tenant asked for what they may not have, or for what is not in their tenant."""

    who: Principal
    method: str
    route: str
    named: dict[str, Any]
    error: FrontdeskError


class ActFirst(Forbidden):
    """A super admin asked for a tenant's data without acting in one."""

    code, title = "act_first", "Act in a tenant first"


class MissingScope(Forbidden):
    """The API key was not given what this needs, or this is for people only."""

    code, title = "missing_scope", "This API key may not do this"


def require_member(who: Principal) -> None:
    """Refuse what would go on when a super admin's time in the tenant is over.

    Raises:
        Forbidden: the caller only acts in the tenant.
    """
    if who.acting_id is not None:
        raise Forbidden("This is for members: a super admin is here for a while only.")


_BIND_KEY = "SELECT set_config('app.api_key_id', $1, true)"


async def bind_key(tx: Transaction, principal: Principal) -> None:
    """Let what is audited in this transaction name the API key that asks, by a column's default."""
    if principal.api_key_id is not None:
        await tx.sql.execute(_BIND_KEY, str(principal.api_key_id))


def resources_of(request: Request) -> Resources:
    """The process's open resources."""
    resources: Resources = request.app.state.resources
    return resources


def asked_at(request: Request) -> datetime:
    """When this request came, as the edge noted it: one time for all that it does."""
    return request.scope.get(ASKED_AT) or datetime.now(UTC)


def request_id_of(request: Request) -> str:
    """The id of this request, as the middleware accepted or made it."""
    return str(request.scope.get(REQUEST_ID, ""))
