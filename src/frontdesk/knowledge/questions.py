"""Whether a question can be looked up by itself, or leans on what was said before. Pure."""

import re
from collections.abc import Sequence

# A question of so few words leans on what was said before.
FEW_WORDS = 6
# With such a beginning, or such a word, a longer one does too.
_MOST_WORDS_OF_A_FOLLOW_UP = 14
_FOLLOWS_ON = re.compile(
    r"^(?:and|what about|how about|also|then|but|y|e|et|und|aber|pero|mas|ma|mais|também|también|anche|aussi"
    r"|auch|और|तो)\b|^و|\b(?:it|its|that|those|these|them|they|this|one|eso|esto|ese|esa|lo|isso|esse|essa"
    r"|quello|quella|questo|das|diese[rsnm]?|dafür|davon|ça|cela|celui|celle|इसे|उसे|यह|वह)\b|(?:هذا|ذلك|هذه)",
    re.I,
)
_WORD = re.compile(r"\w+")


def leans_on_before(question: str) -> bool:
    """Whether a question seems to leave out what it is about: it is short, or begins with "and", or
    says "it" for it."""
    words = len(_WORD.findall(question))
    if words <= FEW_WORDS:
        return words > 0
    return words <= _MOST_WORDS_OF_A_FOLLOW_UP and _FOLLOWS_ON.search(question) is not None


def stand_alone(question: str, before: Sequence[str]) -> str:
    """The question as it is looked up without a model: a short one with the one before it, which says
    what it is of.

    Args:
        before: what the contact asked earlier, oldest first.
    """
    said = next((text for text in reversed(before) if len(_WORD.findall(text)) > 1), None)
    if said is None or not 0 < len(_WORD.findall(question)) <= FEW_WORDS:
        return question
    return f"{said}\n{question}"
