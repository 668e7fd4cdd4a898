import re
import time
from itertools import chain, pairwise

import pytest

from frontdesk.knowledge.chunks import OVERLAP_CHARACTERS, TABLE_CHARACTERS, Piece, split
from frontdesk.knowledge.schemas import MAX_BODY_CHARACTERS

MOST = 900 + 1 + OVERLAP_CHARACTERS
PARAGRAPH = "We ship lamps within two working days. " * 12


def test_each_section_becomes_a_piece_that_knows_its_headings():
    body = """Intro text.

# Orders
Orders take a day.

## Shipping
We ship fast.

### Abroad
It takes a week.

## Returns
Within 30 days.
"""
    assert split("Help", body) == [
        Piece("Help", "Intro text."),
        Piece("Help › Orders", "Orders take a day."),
        Piece("Help › Orders › Shipping", "We ship fast."),
        Piece("Help › Orders › Shipping › Abroad", "It takes a week."),
        Piece("Help › Orders › Returns", "Within 30 days."),
    ]


def test_a_long_section_is_cut_at_sentences_under_the_same_heading():
    pieces = split("Help", "# Shipping\n" + PARAGRAPH * 6)
    assert len(pieces) > 2
    assert {piece.heading for piece in pieces} == {"Help › Shipping"}
    assert all(len(piece.text) <= MOST for piece in pieces)
    assert all(piece.text.endswith(".") for piece in pieces)


def test_a_title_that_is_also_the_first_heading_is_said_once():
    assert split("Shipping", "# shipping\nFast.") == [Piece("shipping", "Fast.")]


def test_what_looks_like_a_heading_inside_code_is_none():
    pieces = split("Help", "# Setup\n```\n# not a heading\n```\nDone.")
    assert [piece.heading for piece in pieces] == ["Help › Setup"]
    assert "# not a heading" in pieces[0].text


def test_headings_without_text_make_no_pieces():
    assert split("Help", "# One\n\n## Two\n") == []
    assert split("Help", " \n\n") == []


def test_other_scripts_are_cut_at_their_sentences():
    hindi = "हम दो दिन में सामान भेजते हैं। " * 80
    arabic = "نشحن الطلبات خلال يومي عمل. هل لديك سؤال؟ " * 60
    for text, ends in ((hindi, "।"), (arabic, ".؟")):
        pieces = split("Help", text)
        assert len(pieces) > 1
        assert all(len(piece.text) <= MOST for piece in pieces)
        assert all(piece.text[-1] in ends for piece in pieces)


def test_the_largest_text_is_cut_in_good_time():
    body = "\n\n".join(f"## Topic {number}\n{PARAGRAPH}" for number in range(800))[:400_000]
    started = time.process_time()
    assert len(split("Help", body)) > 500
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param("a", id="one huge word"),
        pytest.param("\x01\x02\x7f", id="control characters"),
        pytest.param("# a", id="a heading that never ends"),
        pytest.param(" \t#", id="a heading of spaces and #s"),
        pytest.param("`", id="backticks"),
        pytest.param("[a](", id="links that never close"),
        pytest.param("**a_", id="emphasis that never closes"),
        pytest.param(">", id="quotes in quotes"),
        pytest.param("|", id="one endless row"),
        pytest.param("<a ", id="tags that never close"),
        pytest.param("e\u0301\u0301", id="combining characters"),
        pytest.param("```\n", id="fences"),
        pytest.param("\n", id="empty lines"),
        pytest.param("[a]: b\n[a]", id="references"),
    ],
)
def test_a_hostile_text_of_the_largest_size_is_cut_in_good_time(unit):
    for begin in ("", "# a"):
        body = (begin + unit * (MAX_BODY_CHARACTERS // len(unit)))[:MAX_BODY_CHARACTERS]
        started = time.process_time()
        pieces = split("Help", body)
        # A tenth of a second a portion at worst; without portions some of these take minutes.
        assert time.process_time() - started < 10
        assert all(len(piece.text) <= MOST for piece in pieces)
        assert all(len(piece.heading) <= 200 for piece in pieces)


def test_a_text_of_nothing_but_tiny_sections_is_refused_in_words():
    with pytest.raises(ValueError, match="more than 10,000 sections"):
        split("Help", "# a\nb\n" * (MAX_BODY_CHARACTERS // 6))


def test_a_section_longer_than_a_portion_loses_nothing():
    text = " ".join(f"Sentence number {number}." for number in range(4_000))
    said = [re.findall(r"Sentence number \d+\.", piece.text) for piece in split("Help", text)]
    # Where the section was cut, a piece begins with the sentence that ended the one before.
    assert all(before[-1] == after[0] for before, after in pairwise(said))
    assert " ".join(dict.fromkeys(chain.from_iterable(said))) == text


def test_a_table_stays_whole_or_is_cut_between_rows_under_its_head():
    head = "| Lamp | Price |\n| --- | --- |"
    rows = [f"| Lamp {number} | {number} euro |" for number in range(300)]
    small, said = "\n".join([head, *rows[:50]]), "These are our prices."
    assert [piece.text for piece in split("Help", f"{said}\n\n{small}\n\nAll with tax.")] == [
        said,
        small,
        "All with tax.",
    ]
    parts = [piece.text for piece in split("Help", "\n".join([head, *rows]))]
    assert all(part.startswith(head) and len(part) <= TABLE_CHARACTERS for part in parts)
    assert [row for part in parts for row in part.splitlines()[2:]] == rows


def test_what_is_said_twice_under_the_same_headings_is_kept_once():
    assert len(split("Help", "# Shipping\nFast.\n# Returns\nFree.\n# Shipping\nFast.")) == 2


def test_closing_hashes_are_no_part_of_a_heading():
    headings = [piece.heading for piece in split("Help", "# One #\na\n## Two##  \nb\n### #\nc")]
    assert headings == ["Help › One", "Help › One › Two", "Help › One › Two"]
