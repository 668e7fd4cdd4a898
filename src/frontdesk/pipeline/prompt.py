"""Stage 3: the prompt. The agent's own words are the system's; whatever the contact wrote is data."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from frontdesk import knowledge
from frontdesk.agent_config import is_open
from frontdesk.conversation import PastMessage
from frontdesk.core.resources import Resources
from frontdesk.gateway import estimate_tokens
from frontdesk.pipeline.asking import prompt_for
from frontdesk.pipeline.turn import Triaged, Turn
from frontdesk.prompts import FilledPrompt, fill

# A prompt this long fits every model of the default chain with room for the answer.
PROMPT_TOKENS = 6_000
OVERHEAD_TOKENS_PER_MESSAGE = 4


@dataclass(frozen=True)
class Prompt:
    """What the model is asked, and what it was made from."""

    messages: tuple[dict[str, str], ...]
    filled: FilledPrompt
    chunk_ids: tuple[str, ...]


async def compose_prompt(resources: Resources, turn: Turn, triaged: Triaged) -> Prompt:
    """The prompt for the reply, with the facts that fit the burst, inside its token budget."""
    tenant_id = turn.claim.tenant_id
    config = turn.agent.config
    template = await prompt_for(resources, turn, "reply")
    chunks = await knowledge.look_up(resources, tenant_id, turn.claim.agent_id, turn.burst_text)
    now = datetime.now(UTC)
    filled = fill(
        template,
        {
            "company_name": config.company_name,
            "persona": config.persona,
            "brand_voice": config.brand_voice,
            "languages": ", ".join(config.languages),
            "language": triaged.language,
            "instructions": _instructions(turn),
            "today": now.strftime("%A, %d %B %Y"),
            "facts": "\n\n".join(f"## {c.title}\n{c.text}" for c in chunks),
            "max_characters": config.max_reply_characters,
            "open_now": config.business_hours is None or is_open(config.business_hours, now),
        },
    )
    thread = within_budget(
        turn.background.history, turn.background.burst, PROMPT_TOKENS - estimate_tokens(filled.text)
    )
    turn.trace.add(
        "prompt",
        prompt=f"{template.name} {template.version}",
        history=len(thread) - len(turn.background.burst),
        sources=[c.title for c in chunks],
        chunks=[{"id": str(c.id), "score": round(c.score, 4)} for c in chunks],
    )
    return Prompt(
        messages=({"role": "system", "content": filled.text}, *(as_chat(m) for m in thread)),
        filled=filled,
        chunk_ids=tuple(str(c.id) for c in chunks),
    )


def _instructions(turn: Turn) -> str:
    """The tenant's instructions, with its greeting for a contact who has not been answered yet."""
    config = turn.agent.config
    if config.greeting is None or any(m.author != "contact" for m in turn.background.history):
        return config.instructions
    return f"{config.instructions}\nBegin with this greeting: {config.greeting}".strip()


def within_budget(
    history: tuple[PastMessage, ...], burst: tuple[PastMessage, ...], tokens: int
) -> list[PastMessage]:
    """The whole burst and as much of the newest history as fits, oldest first."""
    left = tokens - sum(_tokens(m) for m in burst)
    kept: list[PastMessage] = []
    for message in reversed(history):
        left -= _tokens(message)
        if left < 0:
            break
        kept.append(message)
    return [*reversed(kept), *burst]


def as_chat(message: PastMessage) -> dict[str, str]:
    """A message as models take it: contacts are users, everybody of the business the assistant."""
    role = "user" if message.author == "contact" else "assistant"
    return {"role": role, "content": message.text or f"[{message.type}]"}


def _tokens(message: PastMessage) -> int:
    return estimate_tokens(message.text) + OVERHEAD_TOKENS_PER_MESSAGE


def transcript(turn: Turn) -> list[tuple[UUID, str, str]]:
    """The thread as (message id, author, text), oldest first."""
    return [
        (m.id, m.author, m.text or f"[{m.type}]")
        for m in (*turn.background.history, *turn.background.burst)
    ]
