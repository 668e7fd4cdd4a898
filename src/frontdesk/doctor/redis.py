"""Redis or Valkey: nothing there is the record of anything, but its refusals slow the desk down."""

import time
from datetime import UTC, datetime
from typing import Any

from frontdesk.core.redis import REDIS_DOWN
from frontdesk.doctor.diagnosis import Diagnosis, Patient, broken, warning, well
from frontdesk.doctor.postgres import clock

_LEAST_MAJOR = 7
_NEARLY_FULL = 0.9


async def look_at_redis(patient: Patient) -> list[Diagnosis]:
    """Whether Redis answers, and all that follows when it does."""
    redis = patient.resources.redis
    try:
        told: dict[str, Any] = await redis.info()
        began = time.monotonic()
        seconds, microseconds = await redis.time()
        round_trip_seconds = time.monotonic() - began
    except REDIS_DOWN as error:
        return [
            broken(
                "redis",
                f"can't be reached ({type(error).__name__}): work waits for the sweep, a second or "
                "two, and people's screens with it",
                "Check REDIS__URL, REDIS__CA_FILE and that Redis runs.",
            )
        ]
    theirs = datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
    return [
        _version(told),
        _eviction(told),
        _memory(told),
        _persistence(told),
        clock("redis_clock", theirs, round_trip_seconds),
    ]


def _version(told: dict[str, Any]) -> Diagnosis:
    # Valkey tells the version of Redis it is compatible with as well.
    name = "Valkey" if "valkey_version" in told else "Redis"
    version = str(told.get("valkey_version") or told["redis_version"])
    if int(version.partition(".")[0]) < _LEAST_MAJOR:
        return broken("redis", f"{name} {version} is too old", "Move to Redis 7 or Valkey 8.")
    return well("redis", f"{name} {version} answers")


def _eviction(told: dict[str, Any]) -> Diagnosis:
    policy = told.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return warning(
            "redis_eviction",
            f"maxmemory-policy is {policy}: limits and breakers may be forgotten when memory is short",
            "Set maxmemory-policy noeviction.",
        )
    return well("redis_eviction", "noeviction")


def _memory(told: dict[str, Any]) -> Diagnosis:
    used, most = int(told["used_memory"]), int(told.get("maxmemory") or 0)
    if most and used > most * _NEARLY_FULL:
        return warning(
            "redis_memory",
            f"{used / 1e6:.0f} of {most / 1e6:.0f} MB are used: soon nothing can be written",
            "Raise maxmemory, or see with redis-cli --bigkeys what fills it.",
        )
    return well(
        "redis_memory", f"{used / 1e6:.0f} MB used, {'no limit' if not most else 'limited'}"
    )


def _persistence(told: dict[str, Any]) -> Diagnosis:
    failed = [
        name
        for name in ("rdb_last_bgsave_status", "aof_last_write_status")
        if told.get(name, "ok") != "ok"
    ]
    if failed:
        return broken(
            "redis_persistence",
            "the last save failed: Redis refuses to write by default then",
            "Free disk space where Redis saves, or turn saving off; nothing there is needed again.",
        )
    return well("redis_persistence", "on" if told.get("aof_enabled") else "no log; none is needed")
