"""What people have a model do for them: rewrite, translate, summarise, explain. One call each."""

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk.conversation import get_message
from frontdesk.core.errors import Conflict
from frontdesk.core.resources import Resources
from frontdesk.escalation import (
    ExplainWish,
    RewriteWish,
    Source,
    Style,
    SummariseWish,
    TranslateWish,
)
from frontdesk.knowledge import Chunk, Context
from frontdesk.pipeline.asking import ask, look_up, prompt_for
from frontdesk.pipeline.prompt import transcript
from frontdesk.pipeline.triage import language_of
from frontdesk.pipeline.turn import Turn
from frontdesk.prompts import FilledPrompt, as_data, fill

_OUTPUT_TOKENS = 1_200
# As they are asked of a model, in the voice of whoever wants it.
_CHANGES = {
    Style.FRIENDLIER: "Make it friendlier and warmer.",
    Style.FORMAL: "Make it more formal and polite.",
    Style.SHORTER: "Make it shorter: about half as long, with every fact still in it.",
    Style.LONGER: "Make it a little longer and easier to follow, without a new fact.",
    Style.FIX: "Mend spelling, grammar and punctuation, and change nothing else.",
}
T = TypeVar("T", bound=BaseModel)


class NothingToGoBy(Conflict):
    """The contact has not written anything that this could be about."""

    code, title = "nothing_to_go_by", "The contact has not written anything yet"


class Rewrite(BaseModel):
    """A text in other words."""

    rewritten: str = Field(description="The changed text and nothing else.")


class Translation(BaseModel):
    """A text in another language."""

    translated: str = Field(description="The translation and nothing else.")


class ThreadSummary(BaseModel):
    """Where a conversation stands."""

    summary: str = Field(description="At most five short sentences.")
    message_ids: list[str] = Field(description="Ids of the messages it rests on.")


class Explanation(BaseModel):
    """What something in a conversation means."""

    explanation: str = Field(description="At most six short sentences.")
    message_ids: list[str] = Field(description="Ids of the messages it rests on.")
    sources: list[str] = Field(description="Titles of the facts it rests on.")


@dataclass(frozen=True)
class Written:
    """What a model has written for people, and what it rests on."""

    text: str
    prompt: FilledPrompt
    sources: tuple[Source, ...] = ()
    language: str | None = None
    confidence: float | None = None


async def rewrite(resources: Resources, turn: Turn, wish: RewriteWish) -> Written:
    """A human agent's text in other words."""
    config = turn.agent.config
    change = f"Change its tone: {wish.tone}." if wish.tone else _CHANGES[wish.style]
    found, prompt = await _ask(
        resources,
        turn,
        "copilot_rewrite",
        {"company_name": config.company_name, "brand_voice": config.brand_voice, "change": change},
        _between("text", wish.text),
        Rewrite,
        # To mend a text is no matter of taste.
        temperature=0 if wish.style is Style.FIX else config.temperature,
    )
    return Written(found.rewritten, prompt)


async def translate(resources: Resources, turn: Turn, wish: TranslateWish) -> Written:
    """A text in another language, the contact's by default."""
    language = wish.language or language_of(turn)[0]
    found, prompt = await _ask(
        resources,
        turn,
        "copilot_translate",
        {"company_name": turn.agent.config.company_name, "language": language},
        _between("text", wish.text),
        Translation,
    )
    return Written(found.translated, prompt, language=language)


async def summarise(resources: Resources, turn: Turn, wish: SummariseWish) -> Written:
    """Where the conversation stands."""
    found, prompt = await _ask(
        resources,
        turn,
        "copilot_summary",
        {"company_name": turn.agent.config.company_name},
        _thread(turn),
        ThreadSummary,
    )
    return Written(found.summary, prompt, _messages(turn, found.message_ids))


async def explain(resources: Resources, turn: Turn, wish: ExplainWish) -> Written:
    """What a message means, or the answer to a question about the conversation."""
    asked = await _asked_about(resources, turn, wish)
    known = await look_up(resources, turn, asked)
    chunks = known.chunks
    found, prompt = await _ask(
        resources,
        turn,
        "copilot_explain",
        {"company_name": turn.agent.config.company_name, "facts": Context(chunks).text},
        f"{_thread(turn)}\n{_between('explain', asked)}",
        Explanation,
        chunk_ids=tuple(str(chunk.id) for chunk in chunks),
    )
    sources = (*pieces(chunks, found.sources), *_messages(turn, found.message_ids))
    return Written(found.explanation, prompt, sources)


def pieces(chunks: tuple[Chunk, ...], titles: list[str]) -> tuple[Source, ...]:
    """The pieces of knowledge a model names; a title that none of them has is its own invention."""
    return tuple(
        Source(kind="knowledge", id=chunk.id, title=chunk.title)
        for chunk in chunks
        if chunk.title in titles
    )


async def _asked_about(resources: Resources, turn: Turn, wish: ExplainWish) -> str:
    """What is to be explained: a message of the thread, what the contact wrote last, a question."""
    text = turn.burst_text
    if wish.message_id is not None:
        async with resources.db.hot(turn.claim.tenant_id) as tx:
            text = (await get_message(tx, wish.message_id)).text
    if not text and wish.question is None:
        raise NothingToGoBy
    return "\n".join(part for part in (text, wish.question) if part)


async def _ask(
    resources: Resources,
    turn: Turn,
    name: str,
    variables: dict[str, Any],
    content: str,
    schema: type[T],
    *,
    temperature: float = 0,
    chunk_ids: tuple[str, ...] = (),
) -> tuple[T, FilledPrompt]:
    """Ask by the prompt of this name, which is also what the call counts as."""
    prompt = fill(await prompt_for(resources, turn, name), variables)
    completion = await ask(
        resources,
        turn,
        name,
        ({"role": "system", "content": prompt.text}, {"role": "user", "content": content}),
        schema,
        prompt=prompt,
        max_output_tokens=_OUTPUT_TOKENS,
        temperature=temperature,
        chunk_ids=chunk_ids,
    )
    assert isinstance(completion.parsed, schema)
    return completion.parsed, prompt


def _between(mark: str, text: str) -> str:
    return f"<{mark}>\n{as_data(text)}\n</{mark}>"


def _thread(turn: Turn) -> str:
    memory = turn.background.memory
    notes = f"{memory.summary.as_data(with_ids=True)}\n" if memory else ""
    lines = [f"[{i}] {author}: {as_data(text)}" for i, author, text in transcript(turn)]
    return f"{notes}<transcript>\n" + "\n".join(lines) + "\n</transcript>"


def _messages(turn: Turn, named: list[str]) -> tuple[Source, ...]:
    known: dict[str, UUID] = {str(message_id): message_id for message_id, _, _ in transcript(turn)}
    return tuple(Source(kind="message", id=known[each]) for each in named if each in known)
