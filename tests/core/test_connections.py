"""A process may hold more connections than a login lets it."""

import resource
from collections.abc import Iterator

import pytest

from frontdesk.core.connections import allow_many_connections


@pytest.fixture
def limit() -> Iterator[int]:
    """The most open files this user may ask for, after which all is as it was."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_logins_limit_is_raised_as_far_as_the_user_may(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, limit))
    allow_many_connections()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == limit
    assert soft > 1024


def test_a_higher_limit_stays(limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    allow_many_connections()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (limit, limit)
