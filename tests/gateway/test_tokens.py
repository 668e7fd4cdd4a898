"""Counting tokens: right in every script, with no network and without LiteLLM."""

import importlib.util
import socket
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import example, given, settings
from hypothesis import strategies as st

from frontdesk.gateway import count_message_tokens, count_tokens, cut_to_tokens, estimate_tokens

SENTENCES = {
    # As tiktoken's o200k_base counts them; the older cl100k_base says 12, 30 and 40.
    "Where is my order? It should have come on Monday.": 12,
    "أين طلبي؟ كان يجب أن يصل يوم الاثنين.": 12,
    "मेरा ऑर्डर कहाँ है? इसे सोमवार को आना था।": 15,
}

# What is written in shops and to them; and what is cut into words in odd ways.
TEXTS = [
    *SENTENCES,
    "Hola, pedí una lámpara de pie el martes pasado. ¿Cuándo va a llegar? ¡Muchas gracias!",
    "你好，我上周二订购了一盏落地灯，想知道什么时候能送到我家，是否可以更改送货地址？谢谢",
    "先週の火曜日にフロアランプを注文しましたが、いつ届きますか。配送先を変更できますか。",
    "สวัสดีค่ะ ฉันสั่งซื้อโคมไฟตั้งพื้นเมื่อวันอังคารที่แล้วและอยากทราบว่าจะมาถึงเมื่อไหร่ขอบคุณมาก",
    "지난주 화요일에 스탠드 조명을 주문했는데 언제 도착하나요? 주소를 바꿀 수 있나요?",
    "Здравствуйте, я заказал торшер в прошлый вторник. Когда он придёт? Спасибо!",
    "שלום, הזמנתי מנורת עמידה ביום שלישי שעבר. מתי היא תגיע?",
    "Γεια σας, παρήγγειλα ένα φωτιστικό δαπέδου. ગુજરાતી தமிழ் తెలుగు ქართული አማርኛ",
    "ORDER-2024/0815 costs 1,299.00€; that's 30% off, isn't it? I'LL take 2x, WE'RE happy, ıt'ſ",
    "👋🏽 Thanks 👨‍👩‍👧‍👦!! ❤️‍🔥🇧🇷🇮🇹 ;-) ¯\\_(ツ)_/¯ 😂😂😂",
    "def cut(text: str) -> list[int]:\n\treturn [len(text)]  # done\r\n\r\n\n    if x != y: pass",
    '{"answer": "It ships on Monday.", "language": "en", "sources": [1, 2, 30]}',
    "  two before, two after  \n\n \n  indented.\n\n/ \t\ttabs \u00a0 \u3000 wide \x1f \x85 end \n ",
    "https://example.com/a/b?c=d&e=%F0%9F%91%8B#f <b>bold</b> **bold** | a | b |\n|---|---|",
    "VGhlIHF1aWNrIGJyb3duIGZveCBqdW1wcyBvdmVyIHRoZSBsYXp5IGRvZw==",
    "e\u0301 a\u0328\u0301 क्‍ष ﷺ ﬁ Ǆ ǅ ǆ ʰ ⅷ ½ ² ٣٤٥٦٧ \ufeff \u200b\u200d \U0010ffff \x00",
    "half a pair: \ud83d and \udc4b, a pair in halves: \ud83d\udc4b",
    "a" * 3_000,
    "送货" * 1_500,
    " " * 500 + "\n" * 500 + "x",
]


@pytest.fixture(scope="module")
def tokenizer() -> tiktoken.Encoding:
    """tiktoken with the vocabulary of LiteLLM's wheel, so that it fetches nothing."""
    litellm = importlib.util.find_spec("litellm")
    assert litellm is not None
    assert litellm.origin is not None
    folder = Path(litellm.origin).parent / "litellm_core_utils" / "tokenizers"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
        return tiktoken.get_encoding("o200k_base")


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:20]))
def test_counts_are_those_of_tiktoken(tokenizer: tiktoken.Encoding, text: str) -> None:
    # Together they are cut into words at other places than alone.
    for written in (text, text.upper(), text + text, f" {text}\n", "".join(reversed(text))):
        assert count_tokens(written) == len(tokenizer.encode_ordinary(written))


# Half pairs of surrogates among them, but no character that is not in this Python's Unicode: one that
# only `regex` knows already, or only tiktoken, may be cut off otherwise.
_ANY = st.text(st.characters(exclude_categories=["Cn"]))
# Where a text is cut depends on which of these meet.
_MEETING = st.text(
    st.sampled_from("abBLſ'stlé\u0301中ا12   \n\n\r\t\u00a0\u2028\x1f.,!/-👋\u200d\ud83d\udc4b")
)


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(_ANY | _MEETING)
@example("\ud83d\udc4b")
@example(" \n \n  a.\n /\n")
def test_counts_of_any_text_are_those_of_tiktoken(tokenizer: tiktoken.Encoding, text: str) -> None:
    assert count_tokens(text) == len(tokenizer.encode_ordinary(text))


def test_every_kind_of_character_is_cut_off_as_tiktoken_does(tokenizer: tiktoken.Encoding) -> None:
    # But ideographs, syllables and what is for private use.
    for point in [*range(0x3400), *range(0xFE00, 0x10500), *range(0x1F000, 0x1FB00)]:
        if unicodedata.category(chr(point)) == "Cn":
            continue
        one = chr(point)
        text = f"a{one}b {one}A'{one}1{one}{one}  {one};{one}\n{one}'s"
        assert count_tokens(text) == len(tokenizer.encode_ordinary(text)), hex(point)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from(TEXTS) | _ANY | _MEETING, st.integers(0, 60))
def test_a_text_is_cut_where_tiktoken_ends_a_token(
    tokenizer: tiktoken.Encoding, text: str, limit: int
) -> None:
    tokens = tokenizer.encode_ordinary(text)
    cut = cut_to_tokens(text, limit)
    if len(tokens) <= limit:
        assert cut == text
    else:
        # The part of a character that a token's border leaves is left out.
        assert cut == tokenizer.decode_bytes(tokens[:limit]).decode(errors="ignore") + " […cut]"


def test_a_very_long_text_is_counted_in_part_and_estimated_in_part(
    tokenizer: tiktoken.Encoding,
) -> None:
    text = "Where is my order? " * 10_000
    counted = count_tokens(text)
    assert len(tokenizer.encode_ordinary(text)) < counted < estimate_tokens(text)


@pytest.mark.parametrize("text", list(SENTENCES))
def test_counts_are_those_of_o200k(text: str) -> None:
    assert count_tokens(text) == SENTENCES[text]


@pytest.mark.parametrize("text", list(SENTENCES))
def test_the_estimate_is_never_too_low(text: str) -> None:
    assert estimate_tokens(text) >= count_tokens(text)


def test_counting_looks_no_host_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("looked a host up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert count_tokens("Llama, Llama") > 0


def test_chat_messages_count_with_what_the_format_adds() -> None:
    messages = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": None}]
    assert count_message_tokens(messages) == count_tokens("hello") + 8
    parts = [{"type": "text", "text": "hello"}, {"type": "image_url", "image_url": {"url": "x"}}]
    assert count_message_tokens([{"role": "user", "content": parts}]) == count_tokens("hello") + 4


def test_odd_text_counts_too() -> None:
    assert count_tokens("") == 0
    assert count_tokens("<|endoftext|>") > 1
    assert count_tokens("half a pair: \ud83d") > 0


@pytest.mark.parametrize(
    "code",
    [
        "import frontdesk.gateway, frontdesk.billing",
        "from frontdesk.gateway import count_tokens; count_tokens('hello')",
    ],
)
def test_importing_and_counting_do_not_import_litellm_or_tiktoken(code: str) -> None:
    check = f"{code}; import sys; assert not {{'litellm', 'tiktoken'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_worker_looks_no_host_up_while_it_warms() -> None:
    """Whatever of it is installed: a machine without a way out starts like any other."""
    check = """
import socket
def refuse(*args, **kwargs): raise SystemExit(f"looked {args[0]} up")
socket.getaddrinfo = socket.gethostbyname = refuse
socket.socket.connect = refuse
import asyncio, functools, sys, types
from frontdesk.gateway.local_model import is_installed
from frontdesk.worker import warm
llm = types.SimpleNamespace(local_classifiers=is_installed())
resources = types.SimpleNamespace(settings=types.SimpleNamespace(llm=llm))
resources.keep = functools.cache(lambda kind: kind(resources))
asyncio.run(warm(resources))
assert {"litellm", "phonenumbers", "lingua"} <= set(sys.modules), sorted(sys.modules)
"""
    subprocess.run([sys.executable, "-c", check], check=True)


def test_no_module_of_ours_makes_litellm_look_for_prices_as_it_is_imported() -> None:
    check = """
import os, socket, sys
def refuse(*args, **kwargs): os._exit(3)
socket.getaddrinfo = socket.gethostbyname = refuse
import frontdesk.gateway.litellm_parts
assert "litellm" in sys.modules
"""
    subprocess.run([sys.executable, "-c", check], check=True)
