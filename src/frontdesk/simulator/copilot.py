"""What the scripted model writes for people: texts changed by rule, and nothing added to them."""

import re

from frontdesk.simulator.facts import FactIndex, split_sentences
from frontdesk.simulator.lexicon import GREETING, QUESTION, SENTENCES, THANKS, has, only
from frontdesk.simulator.packet import Line, handoff_packet, read_transcript, shorten
from frontdesk.simulator.world import Json

_TEXT = re.compile(r"<text>\s*(.*?)\s*</text>", re.DOTALL)
_EXPLAIN = re.compile(r"<explain>\s*(.*?)\s*</explain>", re.DOTALL)
_LANGUAGE = re.compile(r"ISO 639 code (\w{2,3})")
_CHANGE = re.compile(r"The change they want: (.*)")
_SLIPS = {
    "tomorow": "tomorrow", "recieve": "receive", "adress": "address", "teh": "the", "u": "you",
    "im": "I'm", "dont": "don't", "cant": "can't", "wont": "won't", "pls": "please", "i": "I",
}  # fmt: skip
_CONTRACTIONS = {
    "I'm": "I am", "we'll": "we will", "We'll": "We will", "I'll": "I will", "don't": "do not",
    "can't": "cannot", "won't": "will not", "it's": "it is", "It's": "It is", "we're": "we are",
    "Hi": "Good day", "Thanks": "Thank you",
}  # fmt: skip
# Enough to show a conversation in two languages; other words stay as they are.
_WORDS: dict[str, dict[str, str]] = {
    "es": {
        "your parcel": "tu paquete", "your order": "tu pedido", "arrives": "llega",
        "tomorrow": "mañana", "today": "hoy", "thank you": "gracias", "hello": "hola",
        "please": "por favor", "we will": "vamos a", "refund": "reembolso", "friday": "viernes",
    },
    "de": {
        "your parcel": "dein Paket", "your order": "deine Bestellung", "arrives": "kommt",
        "tomorrow": "morgen", "today": "heute", "thank you": "danke", "hello": "hallo",
        "please": "bitte", "we will": "wir werden", "refund": "Erstattung", "friday": "Freitag",
    },
    "fr": {
        "your parcel": "votre colis", "your order": "votre commande", "arrives": "arrive",
        "tomorrow": "demain", "today": "aujourd'hui", "thank you": "merci", "hello": "bonjour",
        "please": "s'il vous plaît", "we will": "nous allons", "refund": "remboursement",
        "friday": "vendredi",
    },
    "en": {
        "hola": "hello", "gracias": "thank you", "mañana": "tomorrow", "pedido": "order",
        "hallo": "hello", "danke": "thank you", "morgen": "tomorrow", "bestellung": "order",
        "bonjour": "hello", "merci": "thank you", "demain": "tomorrow", "commande": "order",
    },
}  # fmt: skip


def rewrite(content: str, system: str) -> Json:
    """The text, changed as the system message says."""
    text, found = _between(_TEXT, content), _CHANGE.search(system)
    change = found.group(1).lower() if found else ""
    if "shorter" in change:
        text = _shorter(text)
    elif "longer" in change:
        text = f"{_mended(text)} Just write to us if anything is unclear."
    elif "friendlier" in change:
        opening = "" if has(GREETING, text) else "Hi! "
        text = f"{opening}{_mended(text)} 😊"
    elif "formal" in change:
        text = _swapped(_mended(text), _CONTRACTIONS)
    else:
        text = _mended(text)
    return {"rewritten": text}


def translation(content: str, system: str) -> Json:
    """The text in the language that the system message names, as far as the script knows it."""
    text, found = _between(_TEXT, content), _LANGUAGE.search(system)
    language = found.group(1) if found else "en"
    for sentences in SENTENCES.values():
        for name, said in sentences.items():
            if said == text and language in SENTENCES:
                return {"translated": SENTENCES[language][name]}
    return {"translated": _swapped(text, _WORDS.get(language, {}))}


def thread_summary(lines: tuple[Line, ...]) -> Json:
    """What a packet would say of the thread, in sentences."""
    packet = handoff_packet(lines)
    asked = [line.message_id for line in lines if line.author == "contact"]
    told = [str(packet["summary"])]
    told += [f"Promised: {promise}" for promise in packet["promises"]]
    return {"summary": " ".join(told), "message_ids": asked[-3:]}


def explanation(content: str, index: FactIndex) -> Json:
    """What was asked about, and the fact that bears on it if there is one."""
    asked = _between(_EXPLAIN, content)
    match = index.find(asked)
    kind = "asks" if "?" in asked or has(QUESTION, asked) else "says"
    if only(asked, GREETING, THANKS):
        kind = "is being polite and says"
    told = f"The customer {kind}: “{shorten(asked)}”."
    told += f" What is known about it: {match.text}" if match else " No fact says more about it."
    lines = [line.message_id for line in read_transcript(content) if line.text in asked]
    titles = [match.fact.title] if match else []
    return {"explanation": told, "message_ids": lines, "sources": titles}


def _between(block: re.Pattern[str], content: str) -> str:
    found = block.search(content)
    return found.group(1) if found else content.strip()


def _mended(text: str) -> str:
    """Spelling, capitals at the beginning of sentences, one full stop at the end."""
    text = " ".join(_swapped(text, _SLIPS).split())
    text = re.sub(r"(?:^|(?<=[.!?] ))\w", lambda first: first[0].upper(), text)
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _shorter(text: str) -> str:
    kept: list[str] = []
    for sentence in split_sentences(text):
        if kept and len(" ".join(kept)) + len(sentence) > len(text) / 2:
            break
        kept.append(sentence)
    return " ".join(kept)


def _swapped(text: str, words: dict[str, str]) -> str:
    if not words:
        return text
    listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))

    def other(match: re.Match[str]) -> str:
        found = words.get(match[0]) or words.get(match[0].lower(), match[0])
        return found[:1].upper() + found[1:] if match[0][:1].isupper() else found

    return re.sub(rf"(?<!\w)(?:{listed})(?!\w)", other, text, flags=re.IGNORECASE)
