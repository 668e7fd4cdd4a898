"""Markdown becomes what WhatsApp shows, and texts get a length without broken words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontdesk.messaging.formatting import fits, shorten, to_whatsapp, units

CASES = [
    # Marks.
    ("**bold**", "*bold*"),
    ("__bold__", "*bold*"),
    ("***both***", "*_both_*"),
    ("~~gone~~", "~gone~"),
    ("**bold** and *italic*", "*bold* and _italic_"),
    ("**bold with *italic* inside**", "*bold with _italic_ inside*"),
    ("- **Price**: 5 €\n- **Time**: 2 days", "- *Price*: 5 €\n- *Time*: 2 days"),
    ("你好**世界**。", "你好*世界*。"),
    ("**unclosed", "**unclosed"),
    ("2 ** 3 ** 4", "2 ** 3 ** 4"),
    ("5*3*2 and snake_case_name", "5*3*2 and snake_case_name"),
    ("card ****1234 and ****5678", "card ****1234 and ****5678"),
    (r"\*literal\* \_too\_ 1\. \#", "*literal* _too_ 1. #"),
    # Headings, rules, lists, quotes.
    ("# Title\ntext", "*Title*\ntext"),
    ("## **Bold title** ##", "*Bold title*"),
    ("Title\n=====\ntext", "*Title*\ntext"),
    ("#", ""),
    ("#hashtag", "#hashtag"),
    ("a\n\n---\n\nb", "a\n\nb"),
    ("* one\n+ two\n- three\n  * nested", "- one\n- two\n- three\n  - nested"),
    ("- [ ] open\n- [x] done", "- ☐ open\n- ☑ done"),
    ("1. one\n2. two", "1. one\n2. two"),
    (">quoted\n>> deeper", "> quoted\n> deeper"),
    ("line  \nnext\\\nthird", "line\nnext\nthird"),
    ("a\r\nb\n\n\n\n\nc\n", "a\nb\n\nc"),
    # Links and images.
    ("[shop](https://e.example)", "shop (https://e.example)"),
    ("**[shop](https://e.example)**", "*shop (https://e.example)*"),
    ('[shop](https://e.example "Our shop")', "shop (https://e.example)"),
    ("[https://e.example](https://e.example)", "https://e.example"),
    ("[](https://e.example)", "https://e.example"),
    ("[write](mailto:a@e.example)", "write (a@e.example)"),
    ("[a@e.example](mailto:a@e.example)", "a@e.example"),
    ("[+49 30](tel:+4930)", "+49 30 (+4930)"),
    ("<https://e.example/a_b>", "https://e.example/a_b"),
    ("[click](javascript:alert(1))", "click"),
    ("[chapter](#two) [page](/local)", "chapter page"),
    ("https://e.example/a__b__c?d=**e", "https://e.example/a__b__c?d=**e"),
    ("**https://e.example/a_b**", "*https://e.example/a_b*"),
    ("[wiki](https://e.example/A_(b))", "wiki (https://e.example/A_(b))"),
    ("![a blue mug](https://e.example/m.png)", "a blue mug"),
    ("![](https://e.example/m.png)", "https://e.example/m.png"),
    ("see [1] and [x]", "see [1] and [x]"),
    # Tables.
    (
        "| Plan | Price | Users |\n|:---|---:|---|\n| Basic | **5 €** | 1 |\n| Pro | 9 € | |\n\nend",
        "- Basic – Price: *5 €*, Users: 1\n- Pro – Price: 9 €\n\nend",
    ),
    ("Plan | Price\n---|---\nBasic | 5 \\| 6", "- Basic – Price: 5 | 6"),
    ("| Plan |\n|---|\n| Basic |", "- Basic"),
    ("| A | B |\n|---|---|", "*A – B*"),
    ("a | b is no table", "a | b is no table"),
    # Code.
    ("`**kept**` **made**", "`**kept**` *made*"),
    ("``a`b``", "`a'b`"),
    ("```python\nx = '**y**'\n# no heading\n```", "```\nx = '**y**'\n# no heading\n```"),
    ("~~~\n<b>\n~~~", "```\n<b>\n```"),
    ("```\ncut **off", "```\ncut **off\n```"),
    ("```one line```", "```one line```"),
    ("```first\nlast```", "```\nfirst\nlast\n```"),
    ("a `lonely tick", "a `lonely tick"),
    # HTML.
    ("one<br>two<br/>three", "one\ntwo\nthree"),
    ("<b>bold</b> <em>it</em> <del>no</del>", "*bold* _it_ ~no~"),
    ('<a href="https://e.example">shop</a>', "shop (https://e.example)"),
    ("<a href='javascript:x'>shop</a>", "shop"),
    ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
    ("a<!-- a note\nto self -->b", "ab"),
    ("a<script>alert(1)</script>b<style>x{}</style>", "ab"),
    ("<p onclick=x>para</p>", "para"),
    ("<scr<script></script>ipt>x", "x"),
    ("&lt;script&gt;x&lt;/script&gt;a&nbsp;&amp;&nbsp;b", "a & b"),
    ("1 < 2 > 0, <3, <your name>", "1 < 2 > 0, <3, <your name>"),
    ("<!-- never closed", "never closed"),
    # Nothing to do.
    ("*WhatsApp bold*, _italic_ and ~strike~", "*WhatsApp bold*, _italic_ and ~strike~"),
    ("Plain text: it ships on Monday, 9:00–12:00!", "Plain text: it ships on Monday, 9:00–12:00!"),
    ("مرحبا *بك*", "مرحبا *بك*"),
    ("", ""),
    ("a\x00b\ud83d", "ab\ufffd"),
]


@pytest.mark.parametrize(("markdown", "expected"), CASES)
def test_markdown_becomes_what_whatsapp_shows(markdown: str, expected: str) -> None:
    assert to_whatsapp(markdown) == expected


@pytest.mark.parametrize("shown", sorted({expected for _, expected in CASES}))
def test_what_is_made_for_whatsapp_is_left_alone(shown: str) -> None:
    assert to_whatsapp(shown) == shown


def test_the_marks_of_code_put_aside_cannot_be_forged() -> None:
    assert to_whatsapp("\ue0000\ue001 `code` \ue0009\ue001") == "0 `code` 9"


MARKDOWN = st.lists(
    st.sampled_from(
        [
            "**",
            "*",
            "__",
            "_",
            "~~",
            "~",
            "`",
            "``",
            "```",
            "#",
            "##",
            "-",
            ">",
            ">>",
            "|",
            "|-|-|",
            "[a](https://e.example)",
            "![b](c)",
            "<b>",
            "</b>",
            "<br>",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            "<a",
            "href=x>",
            "</a>",
            "&lt;",
            "&amp;",
            "\\",
            "\\*",
            "word",
            "1.",
            "---",
            "===",
            "☐",
            "é",
            "🙂",
            "https://e.example/a_b",
            "(",
            ")",
            "[",
            "]",
        ]
    )
    | st.sampled_from([" ", "\n", "\n\n", "  ", "\t", "\r\n"])
    | st.text(max_size=3),
    max_size=60,
).map("".join)


@given(st.text(st.characters(codec=None)) | MARKDOWN)
def test_nothing_raises_or_grows_without_bound(text: str) -> None:
    shown = to_whatsapp(text)
    assert len(shown) <= 3 * len(text) + 10
    shown.encode()
    assert "\x00" not in shown
    assert not {"\ue000", "\ue001"} & set(shown)


@given(MARKDOWN)
def test_no_tag_of_html_is_left_outside_of_code(text: str) -> None:
    shown = to_whatsapp(text.replace("`", "").replace("\\", "").replace("~~~", ""))
    assert not any(tag in shown for tag in ("<b>", "</b>", "<br>", "<script>", "<!--"))


@pytest.mark.parametrize(
    "piece",
    [
        "**a ",
        "__a ",
        "*a ",
        "~~a ",
        "` `` ",
        "<script>",
        "<!--",
        "<a href=href=",
        "[](a",
        "[",
        "<",
        "|a|b|\n|-|-|\n",
        "# a     ",
        "> ",
        "- ",
        "\\",
        "&amp;",
        "***a ",
        "![a](",
        "```a\n",
        "<b",
    ],
)
def test_a_hostile_text_is_no_work(piece: str) -> None:
    text = piece * (40_000 // len(piece))
    started = time.process_time()
    to_whatsapp(text)
    assert time.process_time() - started < 3  # Milliseconds; a quadratic rule takes minutes.


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("short", 5, "short"),
        ("One sentence. Two sentences. Three.", 30, "One sentence. Two sentences. …"),
        ("One sentence. And a much longer second one.", 30, "One sentence. And a much…"),
        ("First line of it\nsecond line of it", 20, "First line of it …"),
        ("It costs 3.50 euro or so", 13, "It costs…"),
        ("no borders-here-at-all", 12, "no…"),
        ("Donaudampfschiff", 8, "Donauda…"),
        ("価格は五百円です。送料は無料です。", 12, "価格は五百円です。 …"),
        ("送料は無料です", 5, "送料は無…"),
        ("🙂🙂🙂", 5, "🙂🙂…"),
        ("👩‍🚀👩‍🚀", 8, "👩‍🚀…"),
        ("word 👩‍🚀", 8, "word…"),
        ("ab", 1, "…"),
        ("ab", 0, ""),
        (" leading", 4, " le…"),
    ],
)
def test_a_text_is_cut_where_a_reader_would(text: str, limit: int, expected: str) -> None:
    assert shorten(text, limit) == expected


@given(st.text() | st.text("ab .\n🙂"), st.integers(0, 40))
def test_a_shortened_text_fits_and_begins_as_before(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert fits(short, limit)
    assert text.startswith(short.removesuffix("…").rstrip())


@given(st.lists(st.text("abc", min_size=1, max_size=8), min_size=1), st.integers(10, 60))
def test_no_word_is_broken_where_there_are_words(words: list[str], limit: int) -> None:
    text = " ".join(words)
    short = shorten(text, limit)
    if short != text:
        assert short.removesuffix("…").split() == words[: len(short.split())]


def test_a_length_counts_an_emoji_twice_to_be_safe() -> None:
    assert units("a🙂é") == 4
    assert fits("x" * 4096)
    assert not fits("🙂" * 2049)
