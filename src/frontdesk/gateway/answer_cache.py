"""Answers given before, kept in Redis for whoever asks the very same again.

Only a caller that knows its prompt to be of no one conversation lets an answer be kept. A tenant, an
agent's version, a prompt's version, models, parameters and the prompt itself make the key: nothing
is shared between tenants, and nothing outlives a change of what it was made with. What looks
personal is neither kept nor looked for. Without Redis every call is a miss.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from frontdesk.billing import TokenUsage
from frontdesk.core.json import dumps_bytes, loads
from frontdesk.core.patience import Patience
from frontdesk.core.resources import Resources
from frontdesk.core.settings import LlmSettings
from frontdesk.gateway.attempts import ProviderCall
from frontdesk.gateway.course import Course
from frontdesk.gateway.structured import response_format

_REDIS_SECONDS = 0.3
# An e-mail address, or figures long enough to be a number of somebody's; long texts tell a story.
_PERSONAL = re.compile(r"@|\d(?:[\s.-]?\d){3}")
_LONGEST = 300
# Answers to these go stale within the day.
_OF_THE_DAY = re.compile(
    r"\b(?:now|today|tonight|tomorrow|still|open|closed?|hours?|stock|available|"
    r"ahora|hoy|mañana|abiert[oa]s?|cierran?|horario|queda|"
    r"agora|hoje|amanhã|abertos?|fecha|jetzt|heute|morgen|geöffnet|offen|geschlossen|"
    r"maintenant|aujourd|demain|ouverte?s?|fermée?s?|adesso|oggi|domani|apert[oi]|chius[oi]|"
    r"aaj|kal|abhi)\b|الآن|اليوم|غدا|مفتوح|आज|कल|अभी|खुल",
    re.IGNORECASE,
)
_TRAILING = " \t\n.?!¿¡؟।"


@dataclass(frozen=True)
class Kept:
    """An answer given before, and what it took then."""

    text: str
    model: str
    usage: TokenUsage


class AnswerCache:
    """The kept answers of all tenants, as this process reaches them."""

    def __init__(self, resources: Resources) -> None:
        self._redis = resources.redis
        self._patience = Patience(_REDIS_SECONDS)

    async def find(self, key: str) -> Kept | None:
        """The answer kept under the key; None when there is none, or no Redis."""
        data = await self._patience.ask(lambda: self._redis.get(key))
        if not data:
            return None
        stored = loads(data)
        return Kept(stored["text"], stored["model"], TokenUsage(**stored["usage"]))

    async def keep(self, key: str, kept: Kept, seconds: int) -> None:
        """Keep an answer for so long."""
        data = dumps_bytes(kept)
        await self._patience.ask(lambda: self._redis.set(key, data, ex=seconds))


def lifetime_seconds(course: Course, llm: LlmSettings) -> int:
    """How long an answer to this may be kept; 0: neither kept nor looked for."""
    asked = _asked(course)
    request = course.request
    # What a tool finds out is of the moment.
    if not request.cacheable or request.tools or not llm.cache_seconds or not asked:
        return 0
    is_masked = course.masking is not None and bool(course.masking.found)
    if len(asked) > _LONGEST or is_masked or _PERSONAL.search(asked):
        return 0
    if _OF_THE_DAY.search(asked):
        return min(llm.cache_time_sensitive_seconds, llm.cache_seconds)
    return llm.cache_seconds


def key_of(course: Course, call: ProviderCall) -> str:
    """Under which an answer to this call is kept; alike for texts that differ in case or spaces only."""
    request = course.request
    asked_by = (request.feature, request.agent_id, request.agent_version)
    prompt = (request.prompt_name, request.prompt_version)
    schema = None if call.schema is None else response_format(call.schema)
    parameters = (course.chain, call.temperature, call.max_output_tokens, schema, call.sampling)
    messages = [dict(message) for message in course.messages]
    for message in messages:
        if message.get("role") == "user" and isinstance(message.get("content"), str):
            message["content"] = normalised(message["content"])
    digest = hashlib.sha256(dumps_bytes([asked_by, prompt, parameters, messages])).hexdigest()
    return f"{request.tenant_id}:answer:v1:{digest}"


def normalised(text: str) -> str:
    """The text without what makes no difference to its answer. Who shouts is in another mood."""
    plain = " ".join(unicodedata.normalize("NFKC", text).split())
    letters = [character for character in plain if character.isalpha()]
    if len(letters) > 3 and sum(map(str.isupper, letters)) * 2 > len(letters):
        return plain
    # Of many marks in a row the mood speaks too.
    bare = plain.rstrip(_TRAILING)
    return (bare if len(plain) - len(bare) <= 1 else plain).casefold()


def _asked(course: Course) -> str:
    """What the contact wrote; nothing when there is more than one message of it: that is history."""
    given = [message for message in course.messages if message.get("role") != "system"]
    if len(given) != 1 or given[0].get("role") != "user":
        return ""
    content = given[0].get("content")
    return content if isinstance(content, str) else ""
