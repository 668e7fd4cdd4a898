from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pydantic import ValidationError

from frontdesk.agent_config import AgentConfig, BusinessHours, absence_at, is_open

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)

SHOP = BusinessHours.model_validate(
    {
        "time_zone": "Europe/Rome",
        "week": {
            "monday": [
                {"start": "09:00", "end": "13:00"},
                {"start": "15:00", "end": "19:30"},
            ],
            "friday": [{"start": "22:00", "end": "02:00"}],
            "sunday": [{"start": "00:00", "end": "00:00"}],
        },
        "holidays": [
            {"date": "2026-06-01", "name": "Inventory"},
            {"date": "2026-06-02", "hours": [{"start": "10:00", "end": "12:00"}]},
        ],
    }
)


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        ("2026-11-16 07:59", False),  # Monday 08:59 in Rome.
        ("2026-11-16 08:00", True),
        ("2026-11-16 11:59", True),
        ("2026-11-16 12:00", False),  # The pause between two shifts.
        ("2026-11-16 14:30", True),
        ("2026-11-16 18:30", False),
        ("2026-11-17 10:00", False),  # Tuesday has no hours.
        ("2026-11-20 20:59", False),
        ("2026-11-20 21:00", True),  # Friday night …
        ("2026-11-21 00:59", True),  # … which ends on Saturday.
        ("2026-11-21 01:00", False),
        ("2026-11-22 03:00", True),  # Sunday, the whole day.
        ("2026-11-22 22:59", True),
        ("2026-11-22 23:00", False),
        ("2026-07-13 07:00", True),  # In summer Rome is two hours ahead.
        ("2026-07-13 06:59", False),
        ("2026-06-01 08:00", False),  # A Monday, but a holiday.
        ("2026-06-02 08:30", True),  # A Tuesday with hours of its own.
        ("2026-06-02 10:00", False),
    ],
)
def test_a_shop_is_open_by_the_clock_on_its_wall(utc, expected):
    at = datetime.strptime(utc, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    assert is_open(SHOP, at) is expected


@pytest.mark.parametrize(
    ("utc", "opens"),
    [
        ("2026-11-16 12:30", "Monday, 15:00"),  # Between two shifts.
        ("2026-11-16 19:00", "Friday, 22:00"),
        ("2026-11-22 23:30", "Monday, 09:00"),  # 00:30 on Monday, by its own clock.
        ("2026-05-31 23:00", "Tuesday, 10:00"),  # Monday is a holiday, Tuesday has its own hours.
    ],
)
def test_who_writes_out_of_hours_is_told_when_it_opens(utc: str, opens: str) -> None:
    at = datetime.strptime(utc, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    config = AgentConfig(company_name="Shop", business_hours=SHOP)
    absence = absence_at(config, at, "en")
    assert absence is not None
    assert absence.text.endswith(f"We open again on {opens}.")
    later = absence_at(config, at + timedelta(minutes=5), "de")
    assert later is not None
    assert later.told_as(config_id := uuid4()) == absence.told_as(config_id), "one absence"
    assert absence_at(config, datetime(2026, 11, 16, 9, tzinfo=UTC), "en") is None


def test_a_business_that_never_opens_names_no_time() -> None:
    never = BusinessHours(time_zone="Europe/Rome", week={})
    absence = absence_at(AgentConfig(company_name="S", business_hours=never), NOON, "en")
    assert absence is not None
    assert absence.opens_at is None
    assert "open again" not in absence.text
    far = BusinessHours.model_validate(
        {
            "time_zone": "Europe/Rome",
            "week": {},
            "holidays": [{"date": "2026-12-24", "hours": [{"start": "10:00", "end": "12:00"}]}],
        }
    )
    absence = absence_at(AgentConfig(company_name="S", business_hours=far), NOON, "en")
    assert absence is not None
    assert absence.text.endswith("Thursday (2026-12-24), 10:00.")


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus", "week": {}},
        {"time_zone": "../../etc/passwd", "week": {}},
        {"time_zone": "Europe/Rome", "week": {"someday": []}},
        {"time_zone": "Europe/Rome", "week": {"monday": [{"start": "9", "end": "25:00"}]}},
        {"time_zone": "Europe/Rome", "week": {"monday": [{"start": "09:00Z", "end": "10:00"}]}},
        {"time_zone": "Europe/Rome", "week": {}, "closed": True},
    ],
)
def test_hours_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        BusinessHours.model_validate(wrong)
