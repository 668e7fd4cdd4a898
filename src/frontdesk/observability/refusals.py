"""A line in the audit log for whoever is refused: prying is seen by the tenant it comes from."""

import structlog

from frontdesk.core.callers import Refusal, bind_key
from frontdesk.core.limits import Bucket
from frontdesk.core.resources import Resources
from frontdesk.observability.audit_log import audit

log = structlog.get_logger(__name__)

# Of what a caller may ask in a minute: the audit log is kept for good, so nobody fills it at will.
_SHARE_WRITTEN_DOWN = 0.1


async def record_refusal(resources: Resources, refusal: Refusal) -> None:
    """Write down that somebody asked for what they may not have, or what is not in their tenant.

    Another tenant's id and one that never was look the same from inside a tenant, so both are
    written down, in the tenant of whoever asked. Past a tenth of a caller's request rate only the
    process's log tells of them.
    """
    who, error = refusal.who, refusal.error
    named = {name: str(value) for name, value in refusal.named.items()}
    per_minute = resources.settings.limits.requests_per_minute * _SHARE_WRITTEN_DOWN
    caller = who.api_key_id or who.user_id
    bucket = Bucket(f"{who.tenant_id}:refused:{caller}", per_minute / 60, max(1, per_minute))
    if await resources.limiter.wait_seconds(bucket):
        log.warning("refused", code=error.code, method=refusal.method, route=refusal.route, **named)
        return
    async with resources.db.hot(who.tenant_id) as tx:
        await bind_key(tx, who)
        await audit(
            tx,
            "request.refused",
            "request",
            next(reversed(named.values()), None),
            user_id=who.user_id,
            details={
                "method": refusal.method,
                "route": refusal.route,
                "code": error.code,
                "detail": str(error),
                **named,
            },
            request_id=who.request_id,
        )
