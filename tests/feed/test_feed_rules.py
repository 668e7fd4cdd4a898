import pytest

from frontdesk.feed.reading import Row
from frontdesk.feed.rules import Extent, Start, start_at
from frontdesk.feed.tail import frame_of


@pytest.mark.parametrize(
    ("cursor", "start"),
    [
        (None, Start(90)),
        ("40", Start(40)),
        ("90", Start(90)),
        ("39", Start(90, "expired")),
        ("0", Start(90, "expired")),
        ("91", Start(90, "future")),
        ("9" * 18, Start(90, "future")),
        ("9" * 19, Start(90, "malformed")),
        ("-1", Start(90, "malformed")),
        ("abc", Start(90, "malformed")),
        ("4٢", Start(90, "malformed")),
        ("", Start(90, "malformed")),
        ("1;drop", Start(90, "malformed")),
    ],
)
def test_a_reader_goes_on_after_its_cursor_or_is_told_to_start_anew(cursor, start):
    assert start_at(cursor, Extent(floor=40, last=90)) == start


def test_a_tenant_without_events_starts_at_zero():
    assert start_at("0", Extent(0, 0)) == Start(0)
    assert start_at("1", Extent(0, 0)) == Start(0, "future")


def test_an_event_is_written_out_with_its_number_kind_and_time():
    row = Row(7, "thing.done", "everyone", '{"a": {"b": "x\\ny"}}', "2026-11-21T09:30:00.000000Z")
    assert frame_of(row).data == (
        b"id: 7\nevent: thing.done\n"
        b'data: {"a": {"b": "x\\ny"},"at":"2026-11-21T09:30:00.000000Z"}\n\n'
    )


def test_an_event_without_payload_carries_its_time():
    row = Row(7, "thing.done", "admins", "{}", "2026-11-21T09:30:00.000000Z")
    frame = frame_of(row)
    assert b'data: {"at":"2026-11-21T09:30:00.000000Z"}\n' in frame.data
    assert frame.audience == "admins"
