"""How many connections a process may hold."""

import resource
from contextlib import suppress

# More would only make what walks over all of them slow.
_ENOUGH = 65_536


def allow_many_connections() -> None:
    """Raise the limit on open files as far as this user may.

    A login's is usually 1,024, and each stream, call to a model and connection to a store is one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):  # Some systems allow less than they say.
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
