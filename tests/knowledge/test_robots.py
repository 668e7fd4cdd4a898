"""What a robots.txt lets us fetch."""

import math

import pytest

from frontdesk.core import ids
from frontdesk.knowledge.robots import MOST_DELAY_SECONDS, Robots, Rules, read_rules

FILE = """
# For everybody
User-agent: *
Disallow: /

User-agent: Otherbot
User-agent: Frontdesk
Crawl-delay: 2.5
Disallow: /private/
Allow: /private/help
Disallow: /*.pdf$
Disallow: /search?q=
Disallow:
what is this
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private/a", False),
        ("/private/help/deep", True),
        ("/files/list.pdf", False),
        ("/files/list.pdf?page=2", True),
        ("/a.pdf/b.pdf", False),
        ("/search?q=x", False),
        ("/search", True),
    ],
)
def test_the_longest_rule_of_our_own_group_counts(path, allowed):
    assert read_rules(FILE).allows(path) is allowed


def test_without_a_group_of_ours_everybodys_counts_and_an_empty_file_allows_all():
    everybodys = read_rules("user-agent: *\ndisallow: /a\n\nuser-agent: other\ndisallow: /")
    assert (everybodys.allows("/a"), everybodys.allows("/b")) == (False, True)
    assert read_rules("").allows("/a")
    assert read_rules("User-agent: Frontdesk\n\nUser-agent: *\nDisallow: /").allows("/a") is False
    same = read_rules("User-agent: *\nDisallow: /a\nAllow: /a")
    assert same.allows("/a")


def test_the_pause_a_site_asks_for_has_a_bound():
    assert read_rules(FILE).delay_seconds == 2.5
    for value, seconds in (("86400", MOST_DELAY_SECONDS), ("-1", 0), ("soon", 0)):
        assert read_rules(f"User-agent: *\nCrawl-delay: {value}").delay_seconds == seconds


def test_a_hostile_file_is_read_in_no_time_and_only_what_is_sane_of_it() -> None:
    spaces = " " * 400_000
    text = f"user-agent: *\nDisallow: x{spaces}y\nDisallow: /{'*' * 2_000}z\nDisallow: /{'a*' * 9_000}\n"
    rules = read_rules(text)
    assert [rule.pattern for rule in rules.rules] == ["/*z"]
    assert rules.allows("/y")


async def test_pages_that_come_late_do_not_share_one_time(resources):
    robots, rules, origin = resources.keep(Robots), Rules(delay_seconds=10), f"https://{ids.new()}"
    pages = [ids.new() for _ in range(4)]

    async def ask(asking):
        # A little of each pause is over when it is told.
        pauses = [await robots.pause_seconds(origin, rules, page) for page in asking]
        return [math.ceil(pause / 10) * 10 for pause in pauses]

    assert await ask(pages) == [0, 10, 20, 30]
    # A minute later none has come yet.
    site, minute = f"frontdesk:crawl:{origin}", 60_000
    for field in ("free", "open"):
        await resources.redis.hincrby(site, field, -minute)
    for page in pages[1:]:
        await resources.redis.decrby(f"{site}:{page}", minute)
    first, *others = pages[1:]
    assert await ask([first]) == [0]
    assert await ask(others) == [10, 20]
    # They keep these, and who is new comes behind them.
    assert await ask([*others, ids.new()]) == [10, 20, 30]
