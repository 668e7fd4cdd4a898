"""The scripted model: deterministic answers from the words of a request. Pure functions.

It quotes the facts of the system message and never adds to them. Contacts see ordinary
sentences; that a script wrote them shows in `reasoning` and in the `system_fingerprint`.
"""

import base64
import re
from dataclasses import dataclass
from typing import Any

from frontdesk.simulator.acting import customer_turn, judgement
from frontdesk.simulator.copilot import explanation, rewrite, thread_summary, translation
from frontdesk.simulator.facts import Fact, FactIndex, read_facts, split_sentences
from frontdesk.simulator.lexicon import (
    ABUSE,
    AGREEMENT,
    ANGRY,
    GOODBYE,
    GREETING,
    PERSON,
    PROMOTION,
    QUESTION,
    REQUEST,
    THANKS,
    TROUBLE,
    count,
    guess_language,
    has,
    has_link,
    only,
    sentence,
    words,
)
from frontdesk.simulator.media import words_in
from frontdesk.simulator.notes import are_notes, conversation_summary, read_notes
from frontdesk.simulator.packet import handoff_packet, read_transcript, shorten
from frontdesk.simulator.promises import found_promises
from frontdesk.simulator.schema_fill import fill
from frontdesk.simulator.tool_use import are_results, choose, read_result
from frontdesk.simulator.world import Json

FORCED_TOOL = "json_tool_call"
"""LiteLLM asks by a forced tool of this name for structure a model does not offer by itself."""

_SHOWN = re.compile(r"\[\w+, which shows: [^\]]*\]\s*")
_BLOCK = re.compile(r"<messages>(.*?)</messages>", re.DOTALL)
_SHOP = re.compile(
    r"\bYou are\b[^.\n]*?\b(?:for|of|at|from|behind)\s+"
    r"([A-ZÀ-Þ0-9][\w&'’-]*(?:\s+(?:(?:&|and|of|the|de|di|da)\s+)*[A-ZÀ-Þ0-9][\w&'’-]*)*)"
)
_TOLD = 600  # Characters of facts in one answer: it is read on a phone.


@dataclass(frozen=True)
class Ask:
    """A chat-completions request, as far as the script looks at it."""

    model: str
    messages: tuple[Json, ...]
    schema_name: str | None
    schema: Json | None
    answer_tool: str | None
    """The tool whose call is the answer; None when the content is."""
    tools: tuple[Json, ...] = ()
    """The functions it may have called instead."""
    stop: tuple[str, ...] = ()
    """What ends an answer before it."""
    limit: int | None = None
    """Of a plain text, in tokens."""

    @property
    def system(self) -> str:
        """All system messages."""
        return "\n\n".join(
            content_text(message)
            for message in self.messages
            if message.get("role") in ("system", "developer")
        )

    @property
    def burst(self) -> tuple[str, ...]:
        """The user messages after the last answer, oldest first, without notes."""
        found: list[str] = []
        for message in reversed(self.messages):
            if message.get("role") == "user":
                found.append(content_text(message))
            elif message.get("role") == "tool" or message.get("tool_calls"):
                continue  # Steps on the way to the same answer.
            elif message.get("role") not in ("system", "developer"):
                break
        return tuple(
            # The caption of a picture is the question, what it shows is not.
            _SHOWN.sub("", text) or text
            for text in reversed(found)
            if not are_notes(text) and not are_results(text)
        )

    @property
    def notes(self) -> tuple[Fact, ...]:
        """What is noted of the conversation before its messages."""
        users = [content_text(m) for m in self.messages if m.get("role") == "user"]
        return tuple(fact for text in users if are_notes(text) for fact in read_notes(text))

    @property
    def before(self) -> str:
        """What the contact had written last before this burst."""
        said = (content_text(m) for m in self.messages if m.get("role") == "user")
        users = [text for text in said if not are_notes(text)]
        earlier = users[: len(users) - len(self.burst)]
        return earlier[-1] if earlier else ""

    @property
    def shown(self) -> str | None:
        """What the picture in it shows, `""` when that is nothing known; None without a picture."""
        for message in self.messages:
            content = message.get("content")
            for part in content if isinstance(content, list) else ():
                if isinstance(part, dict) and part.get("type") == "image_url":
                    url = str(part["image_url"]["url"])
                    return words_in(base64.b64decode(url.partition("base64,")[2]))
        return None

    @property
    def tool_result(self) -> str:
        """The content of a tool's answer that ends the request, or nothing."""
        last = self.messages[-1] if self.messages else {}
        content = content_text(last)
        return content if last.get("role") == "tool" or are_results(content) else ""


def content_text(message: Json) -> str:
    """The text of a message, whose content may also be a list of parts."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def read_ask(body: Json) -> Ask:
    """What a request asks for, by `response_format` or by LiteLLM's forced tool."""
    name: str | None = None
    schema: Json | None = None
    answer_tool: str | None = None
    tools: list[Json] = []
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        part = wanted.get("json_schema") or {}
        name, schema = part.get("name"), part.get("schema") or {}
    elif wanted.get("type") == "json_object":
        name, schema = "json_object", {"type": "object", "properties": {"text": {}}}
    for tool in body.get("tools") or []:
        function = tool.get("function") or {}
        known = _recognise(function.get("parameters") or {})
        if function.get("name") in (FORCED_TOOL, known):
            answer_tool, schema = function["name"], function.get("parameters") or {}
        else:
            tools.append(function)
    if schema is not None and name not in _WRITERS:
        name = _recognise(schema) or name or FORCED_TOOL
    messages = tuple(m for m in body.get("messages") or () if isinstance(m, dict))
    model = str(body.get("model", ""))
    stop = body.get("stop") or ()
    return Ask(
        model, messages, name, schema, answer_tool, tuple(tools),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
    )  # fmt: skip


def _recognise(schema: Json) -> str | None:
    """The name of a schema by its keys: a forced tool and class names hide it."""
    keys = set(schema.get("properties") or {})
    telling = {
        "triage": {"category", "wants_person"},
        "reply": {"action", "confidence"},
        "handoff_packet": {"goal", "draft_reply"},
        "conversation_summary": {"intent", "outdated_facts"},
        "rewrite": {"rewritten"},
        "translation": {"translated"},
        "thread_summary": {"summary", "message_ids"},
        "explanation": {"explanation", "message_ids"},
        "judgement": {"reasons", "passes"},
        "customer_turn": {"goal_reached", "gives_up"},
        # Last: packets and notes have promises too.
        "found_promises": {"promises"},
    }
    return next((name for name, some in telling.items() if some <= keys), None)


def answer(ask: Ask) -> Json | str:
    """The scripted answer: an object when structure was asked for, else a text."""
    if ask.shown is not None:
        return f"{ask.shown or 'One pixel.'} (simulated description)"
    if ask.schema is None:
        return _plain(ask)
    if ask.tools and not ask.tool_result and (call := choose_tool(ask)):
        return {"tool_calls": [call]}
    writer = _WRITERS.get(ask.schema_name or "")
    if writer is None:
        filled: Json = fill(ask.schema, shorten(" ".join(ask.burst), 120))
        return filled
    return within(ask.schema, writer(ask))


def within(schema: Json, value: Json) -> Json:
    """Only the keys the schema knows, and those it adds: it may differ in part from ours."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return value
    filled: Any = None
    result: Json = {}
    for name in properties:
        if name in value:
            result[name] = value[name]
        else:
            filled = filled or fill(schema)
            result[name] = filled.get(name)
    return result


def _plain(ask: Ask) -> str:
    asked = "\n".join(ask.burst)
    if "<transcript>" in asked:
        return str(handoff_packet(read_transcript(asked))["summary"])
    return str(reply(ask)["text"])


# Triage


def triage(ask: Ask) -> Json:
    """What kind of message it is, in which language and mood, and whether a person is wanted."""
    content = ask.burst[-1] if ask.burst else ""
    block = _BLOCK.search(content)
    text = (block.group(1) if block else "\n".join(ask.burst)).strip()
    wants_person = has(PERSON, text)
    category = _category(text, wants_person=wants_person)
    return {
        "category": category,
        "language": guess_language(text),
        "sentiment": _sentiment(text),
        "intent": _intent(text, category, wants_person=wants_person),
        "wants_person": wants_person,
    }


def _category(text: str, *, wants_person: bool) -> str:
    promotion = count(PROMOTION, text)
    asks = "?" in text or "؟" in text or has(QUESTION, text)
    rules = (
        ("spam", promotion >= 2 or (promotion and has_link(text))),
        ("abuse", has(ABUSE, text)),
        ("complaint", has(ANGRY, text)),
        ("request", wants_person),
        ("thanks", only(text, THANKS, GREETING, GOODBYE) and has(THANKS, text)),
        ("greeting", only(text, GREETING)),
        ("complaint", has(TROUBLE, text)),
        ("question", asks),
        ("request", has(REQUEST, text)),
        ("thanks", has(THANKS, text)),
        ("greeting", has(GREETING, text)),
    )
    return next((name for name, holds in rules if holds), "other")


def _sentiment(text: str) -> float:
    letters = [character for character in text if character.isalpha()]
    capitals = sum(character.isupper() for character in letters)
    shouts = len(letters) >= 12 and capitals > 0.7 * len(letters)
    if has(ABUSE, text):
        return -0.9
    if has(ANGRY, text):
        return -0.9 if shouts or count(ANGRY, text) > 1 else -0.7
    if has(TROUBLE, text):
        return -0.6 if shouts or "!!" in text else -0.35
    if has(THANKS, text):
        return 0.6
    return 0.2 if has(GREETING, text) else 0.0


def _intent(text: str, category: str, *, wants_person: bool) -> str:
    if wants_person:
        return "talk to a person"
    if category in ("greeting", "thanks", "spam", "abuse"):
        return {"greeting": "say hello", "thanks": "say thanks"}.get(category, category)
    sentences = split_sentences(text)
    asked = [s for s in sentences if "?" in s or has(QUESTION, s)] or sentences
    plain = [s for s in asked if not only(s, GREETING, THANKS)] or asked
    return " ".join(words(plain[0])[:8]) if plain else category


# Reply


def reply(ask: Ask) -> Json:
    """An answer from the facts alone; without a fact that fits, a person is asked for."""
    text = "\n".join(ask.burst)
    language = guess_language(text or ask.before)
    if ask.tool_result:
        return _from_tool(ask, language)
    parts = _parts(ask.burst)
    if has(PERSON, text):
        said = sentence("person", language)
        why, then = "a person was asked for", "Take over the chat"
        return _reply(said, 0.9, why, action="escalate", next_action=then)
    if not parts:
        return _courtesy(ask, text, language)
    return _from_facts(ask, parts, language)


def _reply(
    text: str,
    confidence: float,
    why: str,
    *,
    action: str = "reply",
    next_action: str | None = None,
    sources: tuple[str, ...] = (),
) -> Json:
    return {
        "text": text,
        "action": action,
        "confidence": round(confidence, 2),
        "reasoning": f"Scripted model: {why}",
        "suggested_next_action": next_action,
        "sources": list(sources),
    }


def _parts(burst: tuple[str, ...]) -> list[str]:
    """What the burst asks, piece by piece, without its courtesies."""
    pieces = [piece for text in burst for piece in split_sentences(text)]
    courtesies = (GREETING, THANKS, GOODBYE, AGREEMENT)
    return [piece for piece in pieces if words(piece) and not only(piece, *courtesies)]


def _courtesy(ask: Ask, text: str, language: str) -> Json:
    if has(GOODBYE, text):
        return _reply(
            sentence("goodbye", language), 0.95, "the contact said goodbye", action="close"
        )
    if has(THANKS, text):
        return _reply(sentence("welcome", language), 0.95, "the contact said thanks")
    if not has(GREETING, text):
        return _reply(sentence("noted", language), 0.7, "nothing was asked")
    shop = _SHOP.search(ask.system)
    if shop:
        said = sentence("greeting_at", language, shop=shop.group(1).strip())
        return _reply(said, 0.95, "greeted by name of the shop")
    return _reply(sentence("greeting", language), 0.95, "greeted")


def choose_tool(ask: Ask) -> Json | None:
    """The tool that fits what the contact wants, when its arguments are in the messages."""
    text = "\n".join(ask.burst)
    knows = FactIndex((*read_facts(ask.system), *ask.notes)).find(text) is not None
    return choose(ask.tools, text, knows=knows)


def _from_tool(ask: Ask, language: str) -> Json:
    result = read_result(ask.tool_result)
    if result is None:
        said = sentence("unknown", language)
        return _reply(said, 0.3, f"the tool failed: {ask.tool_result}", action="escalate")
    if not result:
        return _reply(sentence("noted", language), 0.9, "the tool did it")
    return _reply(shorten(result, _TOLD), 0.9, "told the tool's result")


def _from_facts(ask: Ask, parts: list[str], language: str) -> Json:
    index = FactIndex((*read_facts(ask.system), *ask.notes))
    told: dict[str, str] = {}
    coverages: list[float] = []
    open_parts: list[str] = []
    for part in parts:
        match = index.find(part)
        if match:
            coverages.append(match.coverage)
            told.setdefault(match.text, match.fact.title)
        elif "?" in part or "؟" in part or has(QUESTION, part) or has(REQUEST, part):
            open_parts.append(part)
    if not told:
        # "And to France?" only makes sense with what was asked before; a burst may be one sentence.
        context = " ".join([*ask.burst, ask.before] if len(parts) == 1 else parts)
        match = index.find(context)
        if match is None:
            said = sentence("unknown", language)
            asked = shorten(" ".join(parts), 100)
            return _reply(
                said, 0.2, "no fact fits", action="escalate", next_action=f"Answer: {asked}"
            )
        coverages.append(match.coverage * 0.8)
        told[match.text] = match.fact.title
        open_parts = []
    text = shorten(" ".join(told), _TOLD)
    confidence = 0.4 + 0.55 * sum(coverages) / len(coverages)
    if open_parts:
        text += " " + sentence("partly", language, part=shorten(open_parts[0], 100))
        confidence = min(confidence, 0.5)
    titles = tuple(dict.fromkeys(told.values()))
    why = "matched fact " + ", ".join(f"'{title}'" for title in titles)
    return _reply(text, confidence, why, sources=titles)


def _packet(ask: Ask) -> Json:
    return handoff_packet(read_transcript("\n".join(ask.burst)))


def _summary(ask: Ask) -> Json:
    return conversation_summary(_last_text(ask))


def _rewrite(ask: Ask) -> Json:
    return rewrite(_last_text(ask), ask.system)


def _translation(ask: Ask) -> Json:
    return translation(_last_text(ask), ask.system)


def _thread_summary(ask: Ask) -> Json:
    return thread_summary(read_transcript(_last_text(ask)))


def _explanation(ask: Ask) -> Json:
    return explanation(_last_text(ask), FactIndex(read_facts(ask.system)))


def _found_promises(ask: Ask) -> Json:
    return found_promises(_last_text(ask), ask.system)


def _judgement(ask: Ask) -> Json:
    return judgement(_last_text(ask))


def _customer_turn(ask: Ask) -> Json:
    heard = [content_text(m) for m in ask.messages if m.get("role") == "user"]
    said = sum(m.get("role") == "assistant" for m in ask.messages)
    return customer_turn(ask.system, heard if said else [], said)


def _last_text(ask: Ask) -> str:
    # All of it: what it is about is one message.
    return "\n".join(content_text(m) for m in ask.messages[-1:])


_WRITERS = {
    "found_promises": _found_promises,
    "judgement": _judgement,
    "customer_turn": _customer_turn,
    "rewrite": _rewrite,
    "translation": _translation,
    "thread_summary": _thread_summary,
    "explanation": _explanation,
    "triage": triage,
    "reply": reply,
    "handoff_packet": _packet,
    "conversation_summary": _summary,
}
