"""What a model makes of a person's answer: an article that helps others too, or nothing."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk import gateway
from frontdesk.agent_config import AgentSnapshot
from frontdesk.core.resources import Resources
from frontdesk.core.text import clean, excerpt, folded
from frontdesk.prompts import as_data, fill, load_prompt

FEATURE = "learn"
_DEADLINE_SECONDS = 20.0
_OUTPUT_TOKENS = 700
_MOST_TITLE, _MOST_BODY = 200, 4_000
_SHOWN_CHARACTERS = 2_000


class ArticleDraft(BaseModel):
    """What a model makes of answers that people gave."""

    helps_others: bool = Field(description="Whether the answer holds for other customers too.")
    title: str = Field(description="The question, in a few words; empty when it helps nobody.")
    body: str = Field(description="The answer as a help text; empty when it helps nobody.")


@dataclass(frozen=True)
class Article:
    """A title and a text, in which nothing personal stands."""

    title: str
    body: str


@dataclass(frozen=True)
class Answered:
    """What a contact asked and people answered, both masked."""

    question: str
    answer: str

    @property
    def digest(self) -> str:
        """The same for the same words, whatever their case, accents and spaces."""
        words = " ".join(folded(f"{self.question}\n{self.answer}").split())
        return hashlib.sha256(words.encode()).hexdigest()


def masked(pairs: Sequence[tuple[str, str]], contact_name: str | None) -> list[Answered]:
    """Questions and answers with a placeholder for everything personal, whatever the agent is set to."""
    names = (contact_name,) if contact_name else ()
    texts = [excerpt(clean(text), _SHOWN_CHARACTERS) for pair in pairs for text in pair]
    found = gateway.mask_texts(texts, gateway.Masking(names=names))
    return [Answered(*found[place : place + 2]) for place in range(0, len(found), 2)]


async def draft_article(
    resources: Resources,
    tenant_id: UUID,
    agent: AgentSnapshot,
    asked: Sequence[str],
    answers: Sequence[Answered],
) -> Article | None:
    """An article from what people answered; None when it helps nobody else, or anything personal is
    left in it.

    Args:
        asked: the question in the words it was asked in; it may be of other conversations.

    Raises:
        ModelsUnavailable, BudgetReached, PromptRejected: no model helps now.
    """
    prompt = await load_prompt(resources, tenant_id, "learn")
    filled = fill(prompt, {"company_name": agent.config.company_name})
    questions = "\n".join(f"- {as_data(question)}" for question in asked)
    told = "\n\n".join(
        f"contact: {as_data(each.question)}\nhuman_agent: {as_data(each.answer)}"
        for each in answers
    )
    completion = await gateway.complete(
        resources,
        gateway.CompletionRequest(
            tenant_id=tenant_id,
            feature=FEATURE,
            masking=gateway.Masking(kinds=frozenset(agent.config.masked)),
            messages=(
                {"role": "system", "content": filled.text},
                {
                    "role": "user",
                    "content": f"<questions>\n{questions}\n</questions>\n"
                    f"<transcript>\n{told}\n</transcript>",
                },
            ),
            schema=ArticleDraft,
            temperature=0,
            max_output_tokens=_OUTPUT_TOKENS,
            deadline_seconds=_DEADLINE_SECONDS,
            agent_id=agent.agent_id,
            agent_version=agent.version,
            prompt_name=prompt.name,
            prompt_version=prompt.version,
            variables=filled.variables,
        ),
    )
    draft = completion.parsed
    assert isinstance(draft, ArticleDraft)
    title, body = clean(draft.title).strip()[:_MOST_TITLE], clean(draft.body).strip()[:_MOST_BODY]
    if not draft.helps_others or not title or not body:
        return None
    # The model may have made up, or kept, what is one person's.
    title, body = gateway.mask_texts([title, body], gateway.Masking())
    if gateway.has_placeholder(f"{title}\n{body}"):
        return None
    return Article(title, body)
