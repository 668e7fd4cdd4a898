import pytest

from frontdesk.prompts.rules import Bump, content_hash, difference, next_version, normalised


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


def test_line_ends_do_not_make_another_text():
    texts = ["a\r\nb", "a\nb\n", "a\rb\n\n", "a\nb  \n"]
    assert {content_hash(normalised(text)) for text in texts} == {content_hash("a\nb\n")}


def test_a_difference_shows_what_changed_and_only_that():
    diff = difference("a\nb\nc\n", "a\nB\nc\n", names=("reply 1.0.0", "reply 1.0.1"))
    assert "-b\n+B\n" in diff
    assert diff.startswith("--- reply 1.0.0\n+++ reply 1.0.1\n")
    assert difference("a\n", "a\n", names=("x", "y")) == ""
