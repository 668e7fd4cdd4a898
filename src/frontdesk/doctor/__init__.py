"""Doctor: everything a deployment stands on, looked at once, each finding with what to do."""

from frontdesk.doctor.diagnosis import Diagnosis, Level, Patient, Wishes, broken, worst
from frontdesk.doctor.examination import examine

__all__ = ["Diagnosis", "Level", "Patient", "Wishes", "broken", "examine", "worst"]
