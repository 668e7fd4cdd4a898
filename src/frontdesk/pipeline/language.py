"""Which language a contact writes in: by greeting, by script and by statistics, and when it changes."""

import asyncio
import re
from dataclasses import dataclass

from frontdesk.core.languages import SCRIPTS, detect_language
from frontdesk.pipeline.plain import plain

# What statistics make nothing of: greetings and chat words, Hindi and Arabic in Latin letters.
_CHAT_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "en": "hi hey hello hiya thx thanks thank please pls yep yeah okay morning",
        "es": "hola buenas buenos dias tardes gracias vale porfa oye bueno",
        "pt": "oi ola bom dia boa tarde noite obrigado obrigada obg vlw valeu blz tudo bem",
        "it": "ciao salve buongiorno buonasera grazie prego va bene",
        "de": "hallo moin servus guten tag morgen abend danke bitte gruss gott",
        "fr": "salut bonjour bonsoir coucou merci stp svp",
        "nl": "hoi hallo goedemorgen dank bedankt",
        "hi": "namaste bhai kya kaise kab kitna hai nahi mujhe chahiye aap haan accha theek",
        "ar": "salam salaam marhaba ahlan shukran habibi kifak kayf inshallah mumkin",
    }.items()
}
_NONE: frozenset[str] = frozenset()
_MOST_CHAT_WORDS = 4
_LETTERS = re.compile(r"[^\W\d_]+")
SURE = 0.75
# From here on one burst changes the language of a conversation; less has to come twice in a row.
SURE_TO_CHANGE = 0.9
_WORDS_TO_CHANGE = 3


@dataclass(frozen=True)
class Reading:
    """What language a text seems to be in, how sure that is (0 to 1), and by what it is told."""

    language: str | None
    sure: float
    source: str
    words: int = 0

    @property
    def may_change(self) -> bool:
        """Whether this text alone changes the language of a conversation."""
        is_decided = self.source == "script" or self.words >= _WORDS_TO_CHANGE
        return self.sure >= SURE_TO_CHANGE and is_decided


def read_language(text: str, allowed: tuple[str, ...]) -> Reading:
    """What language of `allowed` (ISO 639-1) a text is in; a script of its own decides by itself."""
    words = _LETTERS.findall(plain(text))
    if 0 < len(words) <= _MOST_CHAT_WORDS:
        greeted_in = [
            code for code in allowed if not _CHAT_WORDS.get(code, _NONE).isdisjoint(words)
        ]
        if len(greeted_in) == 1:
            return Reading(greeted_in[0], 0.8, "greeting", len(words))
    language, sure = detect_language(text, allowed)
    by_script = language is not None and sure == 1.0 and language in SCRIPTS.values()
    return Reading(language, sure, "script" if by_script else "statistics", len(words))


def settle_language(
    known: str | None,
    offered: tuple[str, ...],
    now: Reading,
    before: Reading | None = None,
    said_by_model: str | None = None,
) -> tuple[str, str]:
    """The language of a conversation from here on, and what says so.

    Args:
        known: its language so far.
        offered: the tenant's, the one for doubtful cases first.
        now, before: what the burst and the contact's message before it are in.
        said_by_model: what a model takes the burst for.
    """
    found, source, may_change = now.language, now.source, now.may_change
    if found is None or now.sure < SURE:
        found, source, may_change = said_by_model, "model", now.words >= _WORDS_TO_CHANGE
    elif said_by_model and said_by_model not in offered and source == "statistics":
        # Statistics choose among what is offered only.
        found, source, may_change = said_by_model, "model", now.words >= _WORDS_TO_CHANGE
    if found is None:
        return (known, "kept") if known else (offered[0], "default")
    if known is None or found == known or may_change:
        return found, source
    if before is not None and before.sure >= SURE and before.language == found:
        return found, f"{source}, twice in a row"
    return known, "kept"


async def warm_statistics(
    languages: tuple[str, ...] = ("en", "es", "pt", "it", "de", "fr"),
) -> None:
    """Load the statistics before the first message needs them; takes most of a second."""
    await asyncio.to_thread(detect_language, "good morning to all of you", languages)
