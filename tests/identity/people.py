"""Who the tests of identity are about."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

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
