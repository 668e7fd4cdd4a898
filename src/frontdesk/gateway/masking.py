"""Nothing personal leaves for a provider: placeholders go out, and what they stand for comes back.

System messages are the tenant's own words (its instructions, its knowledge) and go out as they are.
What they say is public, so it stays readable wherever else it stands: the shop's own number is not
masked. Whoever composes a prompt puts nothing of a contact into a system message.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from frontdesk.gateway.personal import Masking, Pii, find_personal
from frontdesk.gateway.schemas import Completion

# Of the rules in `personal`; told in every receipt, and raised when they change.
POLICY = 2
_LABELS = {kind: "ID" if kind is Pii.NATIONAL_ID else kind.value.upper() for kind in Pii}
_ANY_LABEL = "|".join(_LABELS.values())
# Models bend placeholders a little: [ phone 1 ], \[PHONE\_1\], PHONE_1.
_PLACEHOLDER = re.compile(
    rf"\\?\[\s*({_ANY_LABEL})\\?[ _-]?(\d{{1,3}})\s*\\?\]|\b((?-i:{_ANY_LABEL}))\\?_(\d{{1,3}})\b",
    re.IGNORECASE,
)
_NOTE = (
    "\n\nIn the messages, placeholders such as {example} stand for personal data that you are not "
    "shown. Use them exactly as they are, as if they were the data; never invent others."
)
# Of a chat message: what names things and never holds what somebody wrote.
_NAMES_ONLY = frozenset({"role", "type", "id", "tool_call_id", "name"})


class NotMaskable(ValueError):
    """There is something in a message that can't be looked through for personal data."""


@dataclass(frozen=True)
class Receipt:
    """What was masked in a call: how many of each kind, by which policy, and how it went."""

    result: str  # masked, clean, off, or failed: then the call was not made.
    found: Mapping[str, int] = field(default_factory=dict)
    policy: int = POLICY

    def as_json(self) -> dict[str, Any]:
        """As it is kept with the call."""
        return {"policy": self.policy, "result": self.result, "found": dict(self.found)}


FAILED = Receipt("failed")


@dataclass(frozen=True)
class Masked:
    """A prompt without personal data, and the way back."""

    messages: tuple[Mapping[str, Any], ...]
    receipt: Receipt
    values: Mapping[str, str] = field(default_factory=dict, repr=False)  # By placeholder.

    def restore(self, text: str, *, in_json: bool = False) -> str:
        """A model's text with what its placeholders stand for; unknown ones stay.

        Args:
            in_json: the text is JSON, so what is put into it is escaped.
        """

        def value(match: re.Match[str]) -> str:
            label, number = match[1] or match[3], match[2] or match[4]
            found = self.values.get(f"[{label.upper()}_{int(number)}]")
            if found is None:
                return match[0]
            return json.dumps(found, ensure_ascii=False)[1:-1] if in_json else found

        return _PLACEHOLDER.sub(value, text)

    def restored_in(self, completion: Completion) -> Completion:
        """An answer as the caller gets it, and the arguments of the tools it wants called."""
        return replace(
            completion,
            text=self.restore(completion.text, in_json=completion.parsed is not None),
            parsed=self._restored(completion.parsed),
            tool_calls=tuple(
                replace(call, arguments=self.restore(call.arguments, in_json=True))
                for call in completion.tool_calls
            ),
        )

    def _restored(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.restore(value)
        if isinstance(value, BaseModel):
            # Not validated again: a value may be longer than the placeholder that was.
            return value.model_copy(update={name: self._restored(item) for name, item in value})
        if isinstance(value, Mapping):
            return {key: self._restored(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._restored(item) for item in value)
        return value


def has_placeholder(text: str) -> bool:
    """Whether something stands in a text that only models should see."""
    return _PLACEHOLDER.search(text) is not None


def mask(
    messages: Sequence[Mapping[str, Any]], masking: Masking, *, explains: bool = True
) -> Masked:
    """Put a placeholder for everything personal; the same value has the same one throughout.

    Args:
        explains: a system message says what placeholders are, for which there may be one more.

    Raises:
        NotMaskable: a message holds something that is no text.
    """
    if not masking.kinds:
        return Masked(tuple(messages), Receipt("off"))
    work = _Work(masking, messages)
    masked = tuple(
        message if message.get("role") == "system" else work.message(message)
        for message in messages
    )
    if not work.values:
        return Masked(tuple(messages), Receipt("clean"))
    if not explains:
        return Masked(masked, Receipt("masked", dict(work.counts)), work.values)
    note = _NOTE.format(example=next(iter(work.values)))
    first = masked[0]
    if first.get("role") == "system" and isinstance(first.get("content"), str):
        masked = ({**first, "content": first["content"] + note}, *masked[1:])
    else:
        masked = ({"role": "system", "content": note.strip()}, *masked)
    return Masked(masked, Receipt("masked", dict(work.counts)), work.values)


class _Work:
    """The placeholders of one prompt as they are given out."""

    def __init__(self, masking: Masking, messages: Sequence[Mapping[str, Any]]) -> None:
        self.values: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        self._masking = masking
        self._messages = messages
        self._placeholders: dict[tuple[Pii, str], str] = {}
        self._public: tuple[str, str] | None = None

    def message(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        """A message with placeholders, and nothing else of it changed."""
        return {
            key: value if key in _NAMES_ONLY else self._masked(value)
            for key, value in message.items()
        }

    def _masked(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self.message(value)
        if isinstance(value, list | tuple):
            return [self._masked(item) for item in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        raise NotMaskable(f"a {type(value).__name__} can't be masked")

    def _text(self, text: str) -> str:
        found = find_personal(text, self._masking)
        if not found:
            return text
        parts: list[str] = []
        end = 0
        for item in found:
            value = text[item.start : item.end]
            if not self._is_public(value, item.kind):
                parts += (text[end : item.start], self._placeholder(item.kind, value))
                end = item.end
        return "".join((*parts, text[end:]))

    def _placeholder(self, kind: Pii, value: str) -> str:
        key = kind, _compact(value)
        placeholder = self._placeholders.get(key)
        if placeholder is None:
            self.counts[kind] += 1
            placeholder = f"[{_LABELS[kind]}_{self.counts[kind]}]"
            self._placeholders[key] = placeholder
            self.values[placeholder] = value
        return placeholder

    def _is_public(self, value: str, kind: Pii) -> bool:
        """Whether the tenant says it itself; a contact is not made public by sharing a name."""
        if kind is Pii.NAME:
            return False
        if self._public is None:
            said = "\n".join(
                str(m.get("content")) for m in self._messages if m.get("role") == "system"
            )
            self._public = said, _compact(said)
        return value in self._public[0] or _compact(value) in self._public[1]


_NO_SEPARATORS = str.maketrans("", "", " ()./-\n\t\xa0")


def _compact(text: str) -> str:
    """A number however it is written; all that has no separators stays apart by its letters."""
    return text.translate(_NO_SEPARATORS).casefold()


def mask_texts(texts: Sequence[str], masking: Masking) -> list[str]:
    """Texts with a placeholder for everything personal, the same one for the same value in all."""
    messages = [{"role": "user", "content": text} for text in texts]
    masked = mask(messages, masking, explains=False)
    return [str(message["content"]) for message in masked.messages]


def with_stand_ins(text: str, stand_ins: Mapping[str, str]) -> str:
    """A masked text with invented values for its placeholders.

    Args:
        stand_ins: by label (`EMAIL`, `NAME`, …); `{n}` in one is the placeholder's number.
    """

    def value(match: re.Match[str]) -> str:
        label, number = (match[1] or match[3]).upper(), match[2] or match[4]
        return stand_ins[label].format(n=int(number)) if label in stand_ins else match[0]

    return _PLACEHOLDER.sub(value, text)
