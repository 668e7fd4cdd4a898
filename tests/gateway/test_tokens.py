"""Counting tokens: right in every script, with no network and without LiteLLM."""

import socket
import subprocess
import sys
from typing import Any

import pytest

from frontdesk.gateway import count_message_tokens, count_tokens, estimate_tokens

SENTENCES = {
    # As tiktoken's o200k_base counts them; the older cl100k_base says 12, 30 and 40.
    "Where is my order? It should have come on Monday.": 12,
    "أين طلبي؟ كان يجب أن يصل يوم الاثنين.": 12,
    "मेरा ऑर्डर कहाँ है? इसे सोमवार को आना था।": 15,
}


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
def test_importing_and_counting_do_not_import_litellm(code: str) -> None:
    check = f"{code}; import sys; assert 'litellm' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_importing_litellm_looks_no_host_up() -> None:
    check = """
import socket
def refuse(*args, **kwargs): raise SystemExit(f"looked {args[0]} up")
socket.getaddrinfo = socket.gethostbyname = refuse
socket.socket.connect = refuse
import asyncio
from frontdesk.gateway import warm
asyncio.run(warm())
import sys
assert "litellm" in sys.modules
"""
    subprocess.run([sys.executable, "-c", check], check=True)
