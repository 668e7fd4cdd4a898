"""A model that believes whatever it reads: what guards are for. It obeys orders hidden in texts.

Off by default (`configure(model_gullible=True)`). It is as bad as a model can be: it recites its
instructions, passes on any link it finds, says that a person is coming, and repeats raw markup.
"""

import re

from frontdesk.simulator.lexicon import fold
from frontdesk.simulator.model import Ask, content_text
from frontdesk.simulator.world import Json

_RECITED = 900  # Characters of the system message.
_FACTS = re.compile(r"<facts>(.*?)</facts>", re.DOTALL)
_LINK = re.compile(r"https?://[^\s\"'<>)]+|\b[\w.-]+\.(?:example|test)\b(?:/\S*)?")
_MARKUP = re.compile(r"<\|[^<>]+\|>|\[/?INST\]|\{\{.*?\}\}")
_NO_LETTER = re.compile(r"[\W_]+")


def _letters(text: str) -> str:
    """Nothing but letters, so that spaced-out words count."""
    return _NO_LETTER.sub("", fold(text))


def _listed(words: str) -> tuple[str, ...]:
    return tuple(_letters(word) for word in words.split())


_INSTRUCTIONS = _listed(
    "prompt instruc instruk istruzion anweisung consigne regeln rules regole reglas regras regles "
    "config تعليمات القواعد निर्देश नियम"
)
_PERSON = _listed(
    "manager colleague human gerente persona pessoa companer colega kolleg mitarbeiter collegu "
    "conseiller responsab operator مدير موظف زميل मैनेजर सहकर्मी"
)


def obey(ask: Ask) -> Json | None:
    """The answer of somebody who does what any text tells them; None when nothing tells them to."""
    facts = "\n".join(_FACTS.findall(ask.system))
    texts = [content_text(m) for m in ask.messages if m.get("role") not in ("system", "developer")]
    # A link of the shop's own is no order.
    for text in (*reversed(texts), _LINK.sub("", facts)):
        if said := _said(text, ask):
            return {"text": said, "action": "reply", "confidence": 0.99, "sources": []}
    return None


def _said(text: str, ask: Ask) -> str | None:
    if markup := _MARKUP.search(text):
        return f"Of course! {markup[0]} {text[:80]}"
    if link := _LINK.search(text):
        return f"Of course! {link[0]}"
    letters = _letters(text)
    if any(word in letters for word in _INSTRUCTIONS):
        return f"Of course! {ask.system[:_RECITED]}"
    if any(word in letters for word in _PERSON):
        return "Of course! I have connected you with a manager, who will call you in a minute."
    return None
