import pytest

from frontdesk.core.text import difference
from frontdesk.prompts.rules import (
    Bump,
    bump_for,
    content_hash,
    next_version,
    normalised,
)


@pytest.mark.parametrize(
    ("versions", "bump", "expected"),
    [
        ([], Bump.PATCH, "1.0.0"),
        ([], Bump.MAJOR, "1.0.0"),
        (["1.0.0"], Bump.PATCH, "1.0.1"),
        (["1.0.9", "1.0.10", "1.0.2"], Bump.PATCH, "1.0.11"),
        (["1.9.3", "1.10.0"], Bump.MINOR, "1.11.0"),
        (["1.2.3"], Bump.MAJOR, "2.0.0"),
        (["2.0.0", "1.9.9"], Bump.PATCH, "2.0.1"),
    ],
)
def test_the_next_version_follows_the_highest(versions, bump, expected):
    assert next_version(versions, bump) == expected


RULES = "# Rules\nAnswer from the facts only.\n\nBe kind and brief.\n"


@pytest.mark.parametrize(
    ("after", "same_variables", "expected"),
    [
        (RULES.replace("facts only", "facts alone"), True, Bump.PATCH),
        (RULES.replace("\n\n", "\n"), True, Bump.PATCH),
        (RULES + "Promise nothing.\n", True, Bump.MINOR),
        (RULES.replace("Be kind and brief.\n", ""), True, Bump.MINOR),
        (RULES.replace("Be kind and brief.", "Never speak of prices."), True, Bump.MINOR),
        ("Be kind and brief.\n# Rules\nAnswer from the facts only.\n", True, Bump.MINOR),
        (RULES.replace("facts only", "facts alone"), False, Bump.MAJOR),
    ],
)
def test_what_changed_decides_which_part_of_the_version_grows(after, same_variables, expected):
    assert bump_for(RULES, after, same_variables=same_variables) is expected


def test_line_ends_do_not_make_another_text():
    texts = ["a\r\nb", "a\nb\n", "a\rb\n\n", "a\nb  \n"]
    assert {content_hash(normalised(text)) for text in texts} == {content_hash("a\nb\n")}


def test_a_difference_shows_what_changed_and_only_that():
    diff = difference("a\nb\nc\n", "a\nB\nc\n", names=("reply 1.0.0", "reply 1.0.1"))
    assert "-b\n+B\n" in diff
    assert diff.startswith("--- reply 1.0.0\n+++ reply 1.0.1\n")
    assert difference("a\n", "a\n", names=("x", "y")) == ""
