from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from frontdesk.agent_config import BusinessHours, is_open

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
