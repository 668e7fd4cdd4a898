"""Doctor: everything a deployment stands on, looked at once, each finding with what to do."""

from frontdesk.doctor.backups import look_at_dump, look_at_restored
from frontdesk.doctor.diagnosis import Diagnosis, Level, Patient, Wishes, broken, worst
from frontdesk.doctor.examination import examine

__all__ = [
    "Diagnosis",
    "Level",
    "Patient",
    "Wishes",
    "broken",
    "examine",
    "look_at_dump",
    "look_at_restored",
    "worst",
]
