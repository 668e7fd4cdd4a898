"""A prompt that is too long for a model, made shorter: the oldest of the history goes first."""

from collections.abc import Mapping, Sequence
from typing import Any

from frontdesk.gateway.tokens import count_message_tokens

Messages = tuple[Mapping[str, Any], ...]
_INSTRUCTIONS = ("system", "developer")


def shrink(messages: Messages) -> Messages | None:
    """The prompt with about half of its tokens; None when there is no history to leave out.

    The system's messages and everything from the contact's last message on always stay.
    """
    free = _history(messages)
    if not free:
        return None
    wanted = count_message_tokens(messages) // 2
    dropped: set[int] = set()
    left = wanted * 2
    for place in free:
        if left <= wanted:
            break
        left -= count_message_tokens([messages[place]])
        dropped.add(place)
    # A tool's answer without its call would be refused.
    for place in free:
        if place not in dropped and messages[place].get("role") != "tool":
            break
        dropped.add(place)
    return tuple(message for place, message in enumerate(messages) if place not in dropped)


def _history(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Places of what may go, the oldest first."""
    asked = [place for place, message in enumerate(messages) if message.get("role") == "user"]
    last = asked[-1] if asked else 0
    return [
        place
        for place, message in enumerate(messages[:last])
        if message.get("role") not in _INSTRUCTIONS
    ]
