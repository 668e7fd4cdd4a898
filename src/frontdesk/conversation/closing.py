"""Before silence closes a conversation: is it settled, is something open, or is a person needed?

A cheap model looks; without one a rule does. What comes of it is decided again under the lock
(`timers.py`), since the contact may write meanwhile.
"""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk import gateway
from frontdesk.agent_config import AgentSnapshot
from frontdesk.conversation.models import Actor
from frontdesk.core.db import Transaction
from frontdesk.core.errors import Unavailable
from frontdesk.core.json import loads
from frontdesk.core.resources import Resources
from frontdesk.core.text import excerpt
from frontdesk.gateway import BudgetReached, Masking, PromptRejected
from frontdesk.prompts import as_data, fill, load_prompt

FEATURE = "closing"
SILENCE = "silence"
_DEADLINE_SECONDS = 15
_MESSAGES, _MESSAGE_TOKENS, _OUTPUT_TOKENS = 12, 300, 200
# A mood as bad as this, left alone, is not settled.
_UNHAPPY = -0.5


class Verdict(StrEnum):
    """What silence means."""

    RESOLVE = "resolve"
    FOLLOW_UP = "follow_up"
    HAND_OFF = "hand_off"


class ClosingCheck(BaseModel):
    """What a model makes of a silence."""

    verdict: Verdict = Field(description="What should become of the conversation.")
    reason: str = Field(description="Why, in a sentence; contacts never see it.")


@dataclass(frozen=True)
class Judged:
    """What becomes of a silent conversation, why, and who says so."""

    verdict: Verdict
    reason: str
    by: Actor


@dataclass(frozen=True)
class Silence:
    """A conversation in which the contact has fallen silent.

    Args:
        lines: the last messages, oldest first, each with its author.
        mood: of the last burst, -1 to 1; None when nobody looked, or a person has written since.
        may_ask: the contact has not been asked since they last wrote, and the window is open.
    """

    lines: tuple[tuple[str, str], ...]
    mood: float | None
    may_ask: bool


def judge_by_rule(seen: Silence) -> Judged:
    """What a silence means by what is known of it, without a model."""
    if seen.mood is not None and seen.mood <= _UNHAPPY:
        why = f"The contact was unhappy (mood {seen.mood:.2f}) and has fallen silent."
        return Judged(Verdict.HAND_OFF, why, Actor.SYSTEM)
    ours = [text for author, text in seen.lines if author != Actor.CONTACT]
    if seen.may_ask and ours and ours[-1].rstrip().endswith(("?", "؟")):
        return Judged(Verdict.FOLLOW_UP, "Our last question was not answered.", Actor.SYSTEM)
    return Judged(Verdict.RESOLVE, SILENCE, Actor.SYSTEM)


async def load_silence(tx: Transaction, conversation_id: UUID, *, is_open: bool) -> Silence:
    """What is known of a conversation in which the contact has fallen silent."""
    rows = await tx.sql.fetch(
        "SELECT author, text, type FROM message WHERE conversation_id = $1 AND revoked_at IS NULL "
        "AND (direction = 'out' OR ignored_reason IS NULL) ORDER BY created_at DESC, id DESC LIMIT $2",
        conversation_id,
        _MESSAGES,
    )
    trace = await tx.sql.fetchval(
        # A mood that a person has answered since is no longer the contact's last.
        "SELECT trace FROM turn t WHERE conversation_id = $1 AND NOT EXISTS (SELECT FROM message m "
        "WHERE m.conversation_id = $1 AND m.author = 'human_agent' AND m.created_at > t.created_at) "
        "ORDER BY to_seq DESC LIMIT 1",
        conversation_id,
    )
    moods = [
        line["sentiment"] for line in loads(trace or "[]") if line.get("sentiment") is not None
    ]
    lines = tuple((row["author"], row["text"] or f"[{row['type']}]") for row in reversed(rows))
    since = [author for author, _ in lines]
    if Actor.CONTACT in since:
        since = since[len(since) - since[::-1].index(Actor.CONTACT) :]
    return Silence(lines, moods[-1] if moods else None, is_open and Actor.SYSTEM not in since)


async def judge_silence(
    resources: Resources,
    tenant_id: UUID,
    conversation_id: UUID,
    agent: AgentSnapshot,
    seen: Silence,
    *,
    contact_id: UUID,
    masking: Masking,
) -> Judged:
    """What a model says a silence means, or the rule when none answers soon.

    A verdict to ask the contact, where that can't be, is none: the conversation is closed then.
    """
    prompt = await load_prompt(resources, tenant_id, FEATURE, conversation_id=conversation_id)
    filled = fill(
        prompt, {"company_name": agent.config.company_name, "asked_already": not seen.may_ask}
    )
    transcript = "\n".join(
        f"{author}: {gateway.cut_to_tokens(' '.join(text.split()), _MESSAGE_TOKENS)}"
        for author, text in seen.lines
    )
    try:
        completion = await gateway.complete(
            resources,
            gateway.CompletionRequest(
                tenant_id=tenant_id,
                masking=masking,
                feature=FEATURE,
                messages=(
                    {"role": "system", "content": filled.text},
                    {
                        "role": "user",
                        "content": f"<transcript>\n{as_data(transcript)}\n</transcript>",
                    },
                ),
                schema=ClosingCheck,
                temperature=0,
                max_output_tokens=_OUTPUT_TOKENS,
                deadline_seconds=_DEADLINE_SECONDS,
                conversation_id=conversation_id,
                contact_id=contact_id,
                agent_id=agent.agent_id,
                agent_version=agent.version,
                prompt_name=prompt.name,
                prompt_version=prompt.version,
                variables=filled.variables,
                experiment_id=prompt.exposure.experiment_id if prompt.exposure else None,
                variant=prompt.exposure.variant if prompt.exposure else None,
            ),
        )
    except (Unavailable, PromptRejected, BudgetReached):
        return judge_by_rule(seen)
    said = completion.parsed
    assert isinstance(said, ClosingCheck)
    verdict = said.verdict
    if verdict is Verdict.FOLLOW_UP and not seen.may_ask:
        verdict = Verdict.RESOLVE
    return Judged(verdict, excerpt(said.reason, 200) or verdict, Actor.AGENT)
