"""Due work of commitments: what sounds like a promise is read, and open ones are reminded of."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field

from frontdesk import gateway
from frontdesk.agent_config import AgentSnapshot, load_agent, masking_of
from frontdesk.conversation.commitments import dismiss, open_noticed, remind
from frontdesk.conversation.promising import DAY_ENDS, Sounding, find_promises
from frontdesk.conversation.threads import lock
from frontdesk.core.resources import Resources
from frontdesk.gateway import BudgetReached, ModelsUnavailable, PromptRejected
from frontdesk.prompts import PromptInvalid, as_data, fill, load_prompt

_LEASE_SECONDS = 120.0
_DEADLINE_SECONDS = 30
_OUTPUT_TOKENS = 400
# A date further off was misread.
_LONGEST = timedelta(days=400)
_CLAIM = """
UPDATE commitment c SET attempts = c.attempts + 1, due_at = now() + make_interval(secs => $2)
FROM conversation k JOIN contact p ON p.tenant_id = k.tenant_id AND p.id = k.contact_id,
    message m LEFT JOIN outbound o ON o.tenant_id = m.tenant_id AND o.id = m.id
WHERE c.id = $1 AND c.due_at <= now() AND k.tenant_id = c.tenant_id AND k.id = c.conversation_id
    AND m.tenant_id = c.tenant_id AND m.id = c.message_id
RETURNING c.state, c.attempts, k.id AS conversation_id, k.agent_id, k.contact_id, k.language,
    p.name AS contact_name, p.wa_id AS contact_wa_id, m.id AS message_id, m.text, m.created_at,
    o.state AS sending
"""
# Nobody knows yet whether it was made.
_PUT_OFF = """
UPDATE commitment SET attempts = attempts - 1, due_at = now() + interval '1 minute'
WHERE id = $1 AND state = 'noticed' AND attempts = $2
"""
_MAX_ATTEMPTS = 3


class FoundPromise(BaseModel):
    """One thing that was promised."""

    text: str = Field(description="What is promised, in a short sentence that stands by itself.")
    due_date: date | None = Field(description="By which day, as YYYY-MM-DD; null: not said.")
    due_time: str | None = Field(description="By which time of that day, as HH:MM; null: not said.")


class FoundPromises(BaseModel):
    """What a message promises."""

    promises: list[FoundPromise] = Field(description="Empty when it promises nothing.")


async def keep(resources: Resources, tenant_id: UUID, commitment_id: UUID) -> None:
    """Read what sounds like a promise, or remind of one. Run twice, a model may be asked twice; what
    is read is stored once, and each reminder is told once."""
    async with resources.db.hot(tenant_id) as tx:
        conversation_id = await tx.sql.fetchval(
            "SELECT conversation_id FROM commitment WHERE id = $1", commitment_id
        )
        if conversation_id is None:
            return
        # The conversation first, as everywhere: a failed message has it when it forgets a promise.
        await lock(tx, conversation_id)
        row = await tx.sql.fetchrow(_CLAIM, commitment_id, _LEASE_SECONDS)
        if row is None:
            return
        if row["sending"] in ("failed", "cancelled"):
            await dismiss(tx, commitment_id)
            return
        if row["state"] == "open":
            await remind(tx, commitment_id, datetime.now(UTC))
        elif row["sending"] in ("unknown", "needs_attention"):
            await tx.sql.execute(_PUT_OFF, commitment_id, row["attempts"])
            return
    if row["state"] != "noticed":
        return
    agent = await load_agent(resources, tenant_id, row["agent_id"])
    said_at = row["created_at"].astimezone(_zone(agent))
    # Better a sentence too many on the list than a promise that nobody is reminded of.
    found, read_by = find_promises(row["text"], row["language"], said_at), "rules"
    if row["attempts"] <= _MAX_ATTEMPTS:  # What ended its worker each time is shown to no model.
        with suppress(ModelsUnavailable, BudgetReached, PromptRejected, PromptInvalid):
            found, read_by = await _ask(resources, tenant_id, agent, row, said_at, found)
    async with resources.db.hot(tenant_id) as tx:
        await lock(tx, conversation_id)
        await open_noticed(tx, commitment_id, found, read_by=read_by)


def _zone(agent: AgentSnapshot) -> ZoneInfo:
    """The zone of the clock on the business's wall; UTC when it says none."""
    hours = agent.config.business_hours
    return ZoneInfo(hours.time_zone if hours else "UTC")


async def _ask(
    resources: Resources,
    tenant_id: UUID,
    agent: AgentSnapshot,
    row: Any,
    said_at: datetime,
    by_rules: Sequence[Sounding],
) -> tuple[list[Sounding], str]:
    prompt = await load_prompt(
        resources, tenant_id, "commitment", conversation_id=row["conversation_id"]
    )
    variables = {
        "company_name": agent.config.company_name,
        "said_on": said_at.strftime("%A, %Y-%m-%d, %H:%M"),
    }
    filled = fill(prompt, variables)
    completion = await gateway.complete(
        resources,
        gateway.CompletionRequest(
            tenant_id=tenant_id,
            masking=masking_of(agent.config, row["contact_name"], row["contact_wa_id"]),
            feature="commitment",
            messages=(
                {"role": "system", "content": filled.text},
                {"role": "user", "content": f"<message>\n{as_data(row['text'])}\n</message>"},
            ),
            schema=FoundPromises,
            temperature=0,
            max_output_tokens=_OUTPUT_TOKENS,
            deadline_seconds=_DEADLINE_SECONDS,
            conversation_id=row["conversation_id"],
            contact_id=row["contact_id"],
            message_id=row["message_id"],
            agent_id=agent.agent_id,
            agent_version=agent.version,
            prompt_name=prompt.name,
            prompt_version=prompt.version,
            variables=filled.variables,
            experiment_id=prompt.exposure.experiment_id if prompt.exposure else None,
            variant=prompt.exposure.variant if prompt.exposure else None,
        ),
    )
    answer = completion.parsed
    assert isinstance(answer, FoundPromises)
    dated = next((each.promised_for for each in by_rules if each.promised_for), None)
    found = [
        Sounding(promise.text.strip(), moment_of(promise, said_at) or dated)
        for promise in answer.promises
        if promise.text.strip()
    ]
    return found, completion.model


def moment_of(promise: FoundPromise, said_at: datetime) -> datetime | None:
    """The moment a model reads a promise to be for, in the zone it was made in.

    None without a day, or with one that can't be meant: before it was said, or years ahead.
    """
    if promise.due_date is None:
        return None
    at = datetime.combine(promise.due_date, _time_of(promise.due_time), said_at.tzinfo)
    late = datetime.combine(promise.due_date, time(23, 59), said_at.tzinfo)
    if late < said_at or at > said_at + _LONGEST:
        return None
    return at if at > said_at else late


def _time_of(text: str | None) -> time:
    try:
        return time.fromisoformat(text) if text else DAY_ENDS
    except ValueError:
        return DAY_ENDS
