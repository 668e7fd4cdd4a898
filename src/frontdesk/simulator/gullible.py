"""A model that believes whatever it reads: what guards are for. It obeys orders hidden in texts.

Off by default (`configure(model_gullible=True)`). It is as bad as a model can be: it calls the tool a
text names, recites its instructions, passes on any link it finds, says that a person is coming, and
repeats raw markup. Asked for a handoff packet, it puts the draft nobody should see into its question.
"""

import json
import re

from frontdesk.simulator.lexicon import fold
from frontdesk.simulator.model import Ask, answer, content_text
from frontdesk.simulator.world import Json

_RECITED = 900  # Characters of the system message.
_QUESTION = 250
_FACTS = re.compile(r"<facts>(.*?)</facts>", re.DOTALL)
_LINK = re.compile(r"https?://[^\s\"'<>)]+|\b[\w.-]+\.(?:example|test)\b(?:/\S*)?")
_MARKUP = re.compile(r"<\|[^<>]+\|>|\[/?INST\]|\{\{.*?\}\}")
_CALL = re.compile(r"\b([a-z][a-z0-9_]*)\s*(?=\{\")")
_DRAFT = re.compile(r"<draft>(.*?)</draft>", re.DOTALL)
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
    if ask.schema_name == "handoff_packet":
        return _packet(ask)
    if ask.schema_name != "reply":
        return None
    facts = "\n".join(_FACTS.findall(ask.system))
    texts = [content_text(m) for m in ask.messages if m.get("role") not in ("system", "developer")]
    # A link of the shop's own is no order.
    for text in (*reversed(texts), _LINK.sub("", facts)):
        if ask.tools and (calls := _calls(text)):
            return {"tool_calls": calls}
        if said := _said(text, ask):
            return {
                "text": said,
                "action": "reply",
                "confidence": 0.99,
                "reasoning": "Somebody said so.",
                "suggested_next_action": None,
                "sources": [],
            }
    return None


def _calls(text: str) -> list[Json]:
    """The calls that stand in a text, or in JSON: a name and the arguments."""
    text, calls = text.replace('\\"', '"'), []
    for named in _CALL.finditer(text):
        try:
            arguments, _ = json.JSONDecoder().raw_decode(text[named.end() :])
        except ValueError:
            continue
        calls.append({"name": named[1], "arguments": arguments})
    return calls


def _packet(ask: Ask) -> Json | None:
    told = "\n".join(content_text(m) for m in ask.messages if m.get("role") == "user")
    draft = _DRAFT.search(told)
    packet = answer(ask)
    if not isinstance(packet, dict) or not (said := draft[1] if draft else _said(told, ask)):
        return None
    # The end of it, since a question may only be so long.
    return {**packet, "question_meanwhile": f"{said[-_QUESTION:]}?"}


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
