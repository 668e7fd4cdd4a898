"""How the deployment is doing, by the named checks that `/readyz` tells as well."""

from frontdesk import gateway
from frontdesk.doctor.diagnosis import Diagnosis, Level, Patient, well
from frontdesk.observability import is_ready

# What each check means when it fails. Postgres and Redis are looked at more closely elsewhere.
_WHEN_FAILING = {
    "migrations": (Level.BROKEN, "frontdesk migrate"),
    "workers": (Level.BROKEN, "Start one: frontdesk worker. Without any nothing is answered."),
    "overdue": (Level.WARNING, "Start more workers; see docs/runbooks/work-overdue.md."),
    "oldest_unfinished": (
        Level.WARNING,
        "Something is tried in vain: frontdesk dead list, and the worker's log.",
    ),
    "storage": (
        Level.BROKEN,
        "Let web and workers share STORAGE__FOLDER and write in it, or check STORAGE__S3_….",
    ),
    "models": (
        Level.WARNING,
        "See the provider's status page; the next model of the chain answers.",
    ),
}


async def look_at_readiness(patient: Patient) -> list[Diagnosis]:
    """The checks of `/readyz`, each with what to do about it."""
    ready = await is_ready(patient.resources, {"models": gateway.check_models})
    return [
        well(name, ready.checks[name].detail)
        if ready.checks[name].ok
        else Diagnosis(name, level, ready.checks[name].detail, fix)
        for name, (level, fix) in _WHEN_FAILING.items()
    ]
