"""What one check found, how bad it is, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from frontdesk.core.resources import Resources


class Level(StrEnum):
    """How bad it is: a warning is worth a look, what is broken keeps something from working."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report. `fix` says what to do, and is there unless all is well."""

    check: str
    level: Level
    detail: str
    fix: str | None = None


@dataclass(frozen=True)
class Wishes:
    """What an examination may do besides looking.

    Attributes:
        call_models: ask each model of the chain something short, which costs some 50 tokens each.
        call_whatsapp: ask Meta about every connected number, at most `MOST_NUMBERS`.
        webhook_url: where WhatsApp would call this deployment; it is called with an empty webhook.
    """

    call_models: bool = False
    call_whatsapp: bool = False
    webhook_url: str | None = None


@dataclass(frozen=True)
class Patient:
    """What is examined: the open resources of a process like the deployment's own."""

    resources: Resources
    wishes: Wishes = Wishes()


def well(check: str, detail: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis(check, Level.OK, detail)


def warning(check: str, detail: str, fix: str) -> Diagnosis:
    """It works, and could stop to, or is not safe enough."""
    return Diagnosis(check, Level.WARNING, detail, fix)


def broken(check: str, detail: str, fix: str) -> Diagnosis:
    """Something does not work, or promises do not hold."""
    return Diagnosis(check, Level.BROKEN, detail, fix)


def worst(diagnoses: Iterable[Diagnosis]) -> Level:
    """The worst level of all, `OK` when there is none."""
    levels = {diagnosis.level for diagnosis in diagnoses}
    return next((each for each in (Level.BROKEN, Level.WARNING) if each in levels), Level.OK)
