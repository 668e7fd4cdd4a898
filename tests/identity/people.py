"""Who the tests of identity are about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import httpx

PASSWORD = "eleven purple boats sing"


@dataclass(frozen=True)
class Person:
    """Someone with an account."""

    id: UUID
    email: str
    name: str


@dataclass(frozen=True)
class Company:
    """A fresh tenant with an admin and a human agent."""

    id: UUID
    slug: str
    admin: Person
    human: Person


MakePerson = Callable[..., Awaitable[Person]]
MakeCompany = Callable[[], Awaitable[Company]]
Browse = Callable[..., Awaitable[httpx.AsyncClient]]


async def hold_brake(admin_sql: asyncpg.Connection) -> float:
    """For how many seconds the last attempt put the brake on guessing on.

    It is on for an hour then: by itself it may be off again before a busy machine has tried once more.
    """
    seconds = await admin_sql.fetchval(
        "UPDATE login_throttle t SET blocked_until = now() + interval '1 hour' FROM ("
        "SELECT key, blocked_until - updated_at AS waits FROM login_throttle "
        "WHERE blocked_until IS NOT NULL ORDER BY updated_at DESC LIMIT 1) last "
        "WHERE t.key = last.key RETURNING extract(epoch FROM last.waits)"
    )
    return float(seconds)


async def release_brake(admin_sql: asyncpg.Connection) -> None:
    """As it is once somebody has waited long enough."""
    await admin_sql.execute("UPDATE login_throttle SET blocked_until = now()")
