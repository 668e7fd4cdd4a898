"""Trying rules out: on a pasted message, or on a conversation as its turns have recorded it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from frontdesk.agent_config import AgentConfig, get_agent, is_open
from frontdesk.conversation import get_conversation
from frontdesk.core.db import Session, Transaction
from frontdesk.core.json import loads
from frontdesk.escalation.recorded import past_of, signals_of
from frontdesk.escalation.rule_schemas import (
    ConditionFinding,
    Look,
    RuleFinding,
    RuleTest,
    RuleTestPublic,
)
from frontdesk.escalation.rules import Asked, Signals, ask_rule, rules_of
from frontdesk.escalation.wishes import asks_for_person
from frontdesk.escalation.words import Said

_MOST_TURNS = 20
_TURNS = """
SELECT conversation_id, id, outcome, trace, created_at, ARRAY(SELECT m.text FROM message m
    WHERE m.conversation_id = t.conversation_id AND m.seq BETWEEN t.from_seq AND t.to_seq
    AND m.text <> '' ORDER BY m.seq) AS texts, ARRAY(SELECT g.tag FROM conversation_tag g
    JOIN conversation k ON k.tenant_id = g.tenant_id AND k.id = g.conversation_id
    JOIN conversation o ON o.tenant_id = k.tenant_id AND o.contact_id = k.contact_id
    WHERE o.id = t.conversation_id) AS tags
FROM (SELECT *, row_number() OVER (PARTITION BY conversation_id ORDER BY to_seq DESC) AS back
      FROM turn WHERE conversation_id = ANY($1) AND by IN ('agent', 'system')) t
WHERE back <= $2 ORDER BY conversation_id, to_seq
"""


@dataclass(frozen=True)
class RecordedTurn:
    """A burst that was decided, with what the contact wrote and all that was known by its end."""

    id: UUID
    at: datetime
    texts: tuple[str, ...]
    signals: Signals


async def try_on_message(
    session: Session, agent_id: UUID, wish: RuleTest, *, now: datetime
) -> RuleTestPublic:
    """What the rules say to a message. Nothing changes and no model is asked; raises `NoSuchAgent`."""
    agent = await get_agent(session, agent_id)
    config = wish.config or agent.config
    signals = Signals(
        said=Said([wish.text]),
        # That no pattern finds the wish does not mean that a model would not.
        asked_for_person=asks_for_person(wish.text) or None,
        mood=wish.mood,
        confidence=wish.confidence,
    )
    return RuleTestPublic(
        looks=[_look(config, None, now, wish.text, in_time(config, signals, now))]
    )


async def try_on_conversation(
    session: Session, conversation_id: UUID, config: AgentConfig | None
) -> RuleTestPublic:
    """What rules say to each turn of a conversation, by what it knew; raises `NoSuchConversation`.

    Args:
        config: None for the one that is in force.
    """
    thread = await get_conversation(session, conversation_id)
    used = config or (await get_agent(session, thread.agent_id)).config
    turns = (await load_turns(session, [conversation_id])).get(conversation_id, [])
    return RuleTestPublic(
        looks=[
            _look(
                used,
                turn.id,
                turn.at,
                "\n".join(turn.texts),
                in_time(used, turn.signals, turn.at),
            )
            for turn in turns
        ]
    )


async def load_turns(
    tx: Transaction, conversation_ids: Sequence[UUID]
) -> dict[UUID, list[RecordedTurn]]:
    """The last turns of conversations, oldest first, each with what it knew."""
    found: dict[UUID, list[RecordedTurn]] = {}
    before: list[tuple[str, Signals]] = []
    for row in await tx.sql.fetch(_TURNS, list(conversation_ids), _MOST_TURNS):
        turns = found.setdefault(row["conversation_id"], [])
        if not turns:
            before = []
        texts, seen = tuple(row["texts"]), signals_of(loads(row["trace"]))
        plainly_asked = any(asks_for_person(text) for text in texts)
        signals = replace(
            seen,
            said=Said(texts),
            asked_for_person=plainly_asked or seen.asked_for_person,
            past=past_of(before),
            tags=frozenset(row["tags"]),
        )
        turns.append(RecordedTurn(row["id"], row["created_at"], texts, signals))
        before.append((row["outcome"], seen))
    return found


def in_time(config: AgentConfig, signals: Signals, at: datetime) -> Signals:
    """The signals with whether the business was closed at that time."""
    hours = config.business_hours
    return replace(signals, out_of_hours=None if hours is None else not is_open(hours, at))


def _look(
    config: AgentConfig, turn_id: UUID | None, at: datetime, text: str, signals: Signals
) -> Look:
    rules = rules_of(config)
    asked = [ask_rule(rule, signals) for rule in rules]
    own = len(config.escalation_rules)
    fired = next((place for place, one in enumerate(asked) if one.fires), None)

    def told(places: Sequence[int]) -> list[RuleFinding]:
        return [_told(place, asked[place], is_built_in=place >= own) for place in places]

    return Look(
        turn_id=turn_id,
        at=at,
        text=text,
        fired=None if fired is None else told([fired])[0],
        came_close=told([place for place, one in enumerate(asked) if one.came_close]),
        not_known=told([place for place, one in enumerate(asked) if one.is_open]),
    )


def _told(place: int, asked: Asked, *, is_built_in: bool) -> RuleFinding:
    rule = asked.rule
    return RuleFinding(
        place=place + 1,
        is_built_in=is_built_in,
        rule=rule.in_words(),
        reason=asked.escalation().reason,
        conditions=[
            ConditionFinding(condition=condition.in_words(), holds=finding.holds, seen=finding.seen)
            for condition, finding in zip(rule.when, asked.findings, strict=True)
        ],
    )
