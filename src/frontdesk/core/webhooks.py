"""What every webhook does before it believes anything: a cap while reading, patience with strangers."""

from typing import NoReturn

from starlette.requests import Request

from frontdesk.core.errors import RateLimited, TooLarge, Unauthenticated
from frontdesk.core.limits import Bucket
from frontdesk.core.resources import Resources


async def read_capped(request: Request, most_bytes: int) -> bytes:
    """The raw body, of which no more than the cap is ever held.

    Raises:
        TooLarge: it is longer, or says so.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most_bytes:
        raise TooLarge
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise TooLarge
        parts.append(part)
    return b"".join(parts)


async def refuse_unsigned(request: Request) -> NoReturn:
    """Refuse a request without a good signature, and count it against its address.

    Raises:
        Unauthenticated: always, unless the address has sent too many of them.
        RateLimited: it has.
    """
    resources: Resources = request.app.state.resources
    address = request.client.host if request.client else "unknown"
    per_minute = resources.settings.limits.unsigned_per_minute
    wait = await resources.limiter.wait_seconds(
        Bucket(f"nobody:unsigned:{address}", per_second=per_minute / 60, burst=per_minute)
    )
    if wait:
        resources.metrics.webhooks.labels("limited").inc()
        raise RateLimited(retry_after_seconds=wait)
    resources.metrics.webhooks.labels("unsigned").inc()
    raise Unauthenticated("The signature is missing or wrong.")
