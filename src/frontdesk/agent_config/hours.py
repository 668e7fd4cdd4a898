"""Business hours: split shifts, nights and holidays on the wall clock of the business."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Weekday(StrEnum):
    """Days in the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEKDAYS = tuple(Weekday)
_MOST_DAYS_CLOSED = 366


def _on_the_wall(value: time) -> time:
    if value.tzinfo is not None:
        raise ValueError("give the time on the wall, without an offset")
    return value.replace(second=0, microsecond=0)


def _known_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is no IANA time zone, such as Europe/Berlin")
    return value


WallTime = Annotated[time, AfterValidator(_on_the_wall)]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Value):
    """Open from `start` up to, not including, `end`.

    An end at or before the start lies on the next day: 22:00 to 02:00 is a night, 00:00 to 00:00
    the whole day.
    """

    start: WallTime = Field(examples=["09:00"])
    end: WallTime = Field(examples=["18:00"])

    @property
    def minutes(self) -> int:
        """How long that is."""
        length = self.end.hour * 60 + self.end.minute - self.start.hour * 60 - self.start.minute
        return length if length > 0 else length + 24 * 60


Intervals = Annotated[tuple[Interval, ...], Field(max_length=6)]


class Holiday(_Value):
    """A day on which other hours hold than its weekday's; without any the business is closed."""

    date: date
    name: str = Field("", max_length=100)
    hours: Intervals = ()


class BusinessHours(_Value):
    """When people are there. Days that are not named are closed."""

    time_zone: Annotated[str, AfterValidator(_known_zone)] = Field(examples=["Europe/Berlin"])
    week: dict[Weekday, Intervals] = Field(
        examples=[{"monday": [{"start": "09:00", "end": "18:00"}]}]
    )
    holidays: Annotated[tuple[Holiday, ...], Field(max_length=200)] = ()

    @property
    def minutes_a_week(self) -> float:
        """How long the business is open in a week without holidays."""
        return sum(interval.minutes for intervals in self.week.values() for interval in intervals)


def is_open(hours: BusinessHours, at: datetime) -> bool:
    """Whether the business is open at this moment, by the clock on its wall.

    Args:
        at: any aware time.
    """
    local = at.astimezone(ZoneInfo(hours.time_zone))
    today, clock = local.date(), local.time()
    if any(_covers_same_day(interval, clock) for interval in _hours_on(hours, today)):
        return True
    # A night that began yesterday still goes on.
    yesterday = _hours_on(hours, today - timedelta(days=1))
    return any(interval.end <= interval.start and clock < interval.end for interval in yesterday)


def opens_at(hours: BusinessHours, after: datetime) -> datetime | None:
    """When the business opens next, on the clock on its wall; None when not within a year.

    Args:
        after: any aware time.
    """
    zone = ZoneInfo(hours.time_zone)
    today = after.astimezone(zone).date()
    for ahead in range(_MOST_DAYS_CLOSED):
        day = today + timedelta(days=ahead)
        starts = (datetime.combine(day, i.start, zone) for i in _hours_on(hours, day))
        if later := [start for start in starts if start > after]:
            return min(later)
    return None


def _covers_same_day(interval: Interval, clock: time) -> bool:
    if interval.end <= interval.start:
        return clock >= interval.start
    return interval.start <= clock < interval.end


def _hours_on(hours: BusinessHours, day: date) -> Sequence[Interval]:
    for holiday in hours.holidays:
        if holiday.date == day:
            return holiday.hours
    return hours.week.get(_WEEKDAYS[day.weekday()], ())
