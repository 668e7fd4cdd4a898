"""One HTTP client per process, for the hosts we choose ourselves."""

import httpx


def open_client() -> httpx.AsyncClient:
    """A client that keeps connections and never follows redirects, so no token travels on."""
    return httpx.AsyncClient(
        timeout=httpx.Timeout(10, connect=5),
        limits=httpx.Limits(max_connections=500, max_keepalive_connections=200),
        follow_redirects=False,
        headers={"User-Agent": "frontdesk/0.1"},
        trust_env=False,
    )
