"""The rules of the agent, asked about what a turn knows so far."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from frontdesk.agent_config import Absence, FailedTurns, MoodFalls, Tagged, absence_at, is_open
from frontdesk.conversation import Claim, tags_of_contact
from frontdesk.core.resources import Resources
from frontdesk.escalation import GAVE_UP, Escalation, Past, Signals, first_rule, load_past, rules_of
from frontdesk.pipeline.turn import Turn


def look(turn: Turn, *, own: bool = False, **known: Any) -> Escalation | None:
    """Why a person must take over, by all that is known; None while the agent may go on.

    Args:
        own: ask the tenant's own rules only, not the built-in ones.
        known: fields of `Signals`, besides what the turn itself tells.
    """
    config = turn.agent.config
    hours = config.business_hours
    signals = Signals(
        said=turn.said,
        past=turn.past,
        out_of_hours=None if hours is None else not is_open(hours, datetime.now(UTC)),
        tags=turn.tags,
        **known,
    )
    if turn.was_left_to_us:
        # For what they are and what they said people had them already: or it would go round for ever.
        signals = replace(
            signals, said=None, asked_for_person=None, mood=None, tags=None, out_of_hours=None
        )
    return first_rule(config.escalation_rules if own else rules_of(config), signals)


def absence_of(turn: Turn, language: str) -> Absence | None:
    """What a contact who needs a person is told now; None while the business is open."""
    return absence_at(turn.agent.config, datetime.now(UTC), language)


def must(turn: Turn, **known: Any) -> Escalation:
    """The same where a built-in rule holds in any case."""
    escalation = look(turn, **known)
    assert escalation is not None, "a built-in rule is missing"
    return escalation


def gave_up(claim: Claim) -> Escalation:
    """The rule for a burst that ended every attempt, which asks for nothing of the agent's."""
    last_error = claim.last_error or "no reason was written down"
    escalation = first_rule((GAVE_UP,), Signals(gave_up=f"the last time: {last_error}"))
    assert escalation is not None
    return escalation


async def with_tags(resources: Resources, turn: Turn) -> Turn:
    """The turn with the contact's tags, when a rule of the agent looks at them."""
    looks = any(
        isinstance(condition, Tagged)
        for rule in turn.agent.config.escalation_rules
        for condition in rule.when
    )
    if not looks:
        return turn
    async with resources.db.hot(turn.claim.tenant_id) as tx:
        return replace(turn, tags=await tags_of_contact(tx, turn.claim.contact_id))


async def load_past_of(resources: Resources, turn: Turn) -> Past:
    """What earlier turns have shown, when a rule of the agent looks at it."""
    looks_back = any(
        isinstance(condition, MoodFalls | FailedTurns)
        for rule in turn.agent.config.escalation_rules
        for condition in rule.when
    )
    if not looks_back:
        return Past()
    async with resources.db.hot(turn.claim.tenant_id) as tx:
        return await load_past(tx, turn.claim.conversation_id)
