"""Asking contacts how it was once a conversation is closed, and knowing their answer when it comes."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from frontdesk import feed
from frontdesk.agent_config import AgentConfig, load_agent
from frontdesk.conversation.events import ConversationClosed
from frontdesk.conversation.feedback_schemas import SurveyPublic
from frontdesk.conversation.happenings import SurveyAsked
from frontdesk.conversation.inbox import get_conversation
from frontdesk.conversation.models import Actor, Status
from frontdesk.conversation.people import is_opted_out, person_of
from frontdesk.conversation.survey_answers import button_id
from frontdesk.conversation.threads import Locked, NewMessage, lock, send_message
from frontdesk.core import ids
from frontdesk.core.db import Connection, Transaction
from frontdesk.core.errors import NotFound
from frontdesk.core.resources import Resources
from frontdesk.messaging import Button, Buttons, fill_everywhere, is_open

SURVEY = "conversation.survey"
_LEASE_SECONDS = 30
# Why the system closes conversations of somebody whose data must go.
_ERASED = "erased"
# The three buttons, the best first, on a scale of five that may also be typed.
SCORES = (5, 3, 1)


@dataclass(frozen=True)
class Ended:
    """What is known of a conversation that has ended.

    Args:
        was_answered: somebody of the business, or its AI, has written.
        goes_on: it was opened again, or another with this contact is.
        can_be_reached: the 24-hour window is open, or a template may ask.
        asked_lately: the contact was asked so shortly before that it would be a nuisance.
    """

    was_answered: bool
    goes_on: bool
    opted_out: bool
    can_be_reached: bool
    asked_lately: bool


def why_not_ask(seen: Ended) -> str | None:
    """Why a contact is not asked how it was, in a word; None when they are."""
    reasons = {
        "goes_on": seen.goes_on,
        "never_answered": not seen.was_answered,
        "opted_out": seen.opted_out,
        "asked_lately": seen.asked_lately,
        # Only a template may go now, and none for this can be sent.
        "window_closed": not seen.can_be_reached,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


async def plan_survey(tx: Transaction, event: ConversationClosed) -> None:
    """Subscriber: a conversation that has ended may be asked about. Each once, however often it ends.

    Not when its contact is being erased: nothing more is kept of them.
    """
    if event.by is Actor.SYSTEM and event.reason == _ERASED:
        return
    survey_id = await tx.sql.fetchval(
        "INSERT INTO survey (id, conversation_id, contact_id, agent_id, closed_by, closed_by_user_id, "
        "close_reason, due_at) SELECT $1, k.id, k.contact_id, k.agent_id, $3, $4, $5, now() "
        "FROM conversation k WHERE k.id = $2 "
        "ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET closed_by = excluded.closed_by, "
        "closed_by_user_id = excluded.closed_by_user_id, close_reason = excluded.close_reason, "
        "due_at = now(), state = 'due', skipped_reason = NULL "
        "WHERE survey.state IN ('due', 'skipped') RETURNING id",
        ids.new(),
        event.conversation_id,
        event.by,
        event.user_id,
        event.reason,
    )
    if survey_id is not None:
        tx.ring(SURVEY, survey_id)


async def list_due(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Conversations to be asked about, every tenant's first before anyone's second."""
    rows = await connection.fetch(
        "SELECT tenant_id, id FROM survey WHERE due_at <= now() "
        "ORDER BY row_number() OVER (PARTITION BY tenant_id ORDER BY due_at), due_at LIMIT $1",
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def ask_how_it_was(resources: Resources, tenant_id: UUID, survey_id: UUID) -> None:
    """Ask a contact how it was, or write down why not. The question goes in the same transaction."""
    async with resources.db.hot(tenant_id) as tx:
        claimed = await tx.sql.fetchrow(
            "UPDATE survey SET attempts = attempts + 1, due_at = now() + make_interval(secs => $2) "
            "WHERE id = $1 AND due_at <= now() RETURNING conversation_id, agent_id",
            survey_id,
            _LEASE_SECONDS,
        )
    if claimed is None:
        return
    config = (await load_agent(resources, tenant_id, claimed["agent_id"])).config
    async with resources.db.hot(tenant_id) as tx:
        thread = await lock(tx, claimed["conversation_id"])
        # When it is off nothing is kept, and an ended one may not come back by a slow worker. An
        # agent that only proposes asks nobody.
        if not config.survey_enabled or config.shadow:
            await tx.sql.execute("DELETE FROM survey WHERE id = $1 AND state = 'due'", survey_id)
            return
        wait = await _wait_seconds(tx, survey_id, config)
        if wait is None:
            return
        if wait > 0:
            await tx.sql.execute(
                "UPDATE survey SET due_at = now() + make_interval(secs => $2) WHERE id = $1",
                survey_id,
                wait,
            )
            return
        question = await _question(tx, thread, survey_id, config)
        skipped = why_not_ask(await _look(tx, thread, config, can_be_reached=question is not None))
        message_id = None
        if skipped is None and question is not None:
            message_id = await send_message(tx, thread, question)
        await tx.sql.execute(_SETTLE, survey_id, message_id, skipped)
        if message_id is not None:
            told = SurveyAsked(conversation_id=thread.id, survey_id=survey_id)
            feed.tell(tx, told)


# Who had it last of the people who wrote in it; nobody of them: the AI had it alone.
_SETTLE = """
UPDATE survey s SET due_at = NULL, message_id = $2, skipped_reason = $3,
    state = CASE WHEN $3::text IS NULL THEN 'asked' ELSE 'skipped' END,
    asked_at = CASE WHEN $3::text IS NULL THEN now() END,
    handled_by_user_id = (SELECT m.user_id FROM message m WHERE m.tenant_id = s.tenant_id
        AND m.conversation_id = s.conversation_id AND m.author = 'human_agent'
        ORDER BY m.created_at DESC, m.id DESC LIMIT 1),
    handled_by = CASE WHEN EXISTS (SELECT FROM message m WHERE m.tenant_id = s.tenant_id
        AND m.conversation_id = s.conversation_id AND m.author = 'human_agent')
        THEN 'human_agent' ELSE 'agent' END
WHERE s.id = $1
"""


async def _wait_seconds(tx: Transaction, survey_id: UUID, config: AgentConfig) -> float | None:
    """How long it is too early still; None when it is no longer due at all."""
    wait: float | None = await tx.sql.fetchval(
        "SELECT coalesce(extract(epoch FROM k.closed_at + make_interval(mins => $2) - now()), 0)"
        "::float8 FROM survey s JOIN conversation k ON k.tenant_id = s.tenant_id "
        "AND k.id = s.conversation_id WHERE s.id = $1 AND s.state = 'due'",
        survey_id,
        config.survey_after_minutes,
    )
    return wait


async def get_survey(tx: Transaction, conversation_id: UUID) -> SurveyPublic:
    """What became of asking about a conversation.

    Raises:
        NoSuchConversation: there is none in this tenant.
        NotFound: it is open, or its agent asks nobody.
    """
    row = await tx.sql.fetchrow("SELECT * FROM survey WHERE conversation_id = $1", conversation_id)
    if row is None:
        await get_conversation(tx, conversation_id)
        raise NotFound("Nobody was asked about this conversation.")
    return SurveyPublic.model_validate(dict(row))


async def _look(
    tx: Transaction, thread: Locked, config: AgentConfig, *, can_be_reached: bool
) -> Ended:
    row = await tx.sql.fetchrow(
        "SELECT EXISTS (SELECT FROM message WHERE conversation_id = $1 "
        "AND author IN ('agent', 'human_agent') AND ignored_reason IS NULL) AS was_answered, "
        "EXISTS (SELECT FROM conversation WHERE contact_id = ANY ($2) AND status <> 'CLOSED') "
        "AS goes_on, EXISTS (SELECT FROM survey WHERE contact_id = ANY ($2) "
        "AND asked_at > now() - make_interval(days => $3)) AS asked_lately",
        thread.id,
        await person_of(tx, thread.contact_id),
        config.survey_every_days,
    )
    assert row is not None
    return Ended(
        was_answered=row["was_answered"],
        goes_on=row["goes_on"] or thread.status is not Status.CLOSED,
        opted_out=await is_opted_out(tx, thread.contact_id),
        can_be_reached=can_be_reached,
        asked_lately=row["asked_lately"],
    )


async def _question(
    tx: Transaction, thread: Locked, survey_id: UUID, config: AgentConfig
) -> NewMessage | None:
    """What the contact is asked, with a button for each score; None when nothing may be sent."""
    language = thread.language or config.languages[0]
    ids_of_buttons = [button_id(survey_id, score) for score in SCORES]
    if is_open(thread.last_inbound_at, thread.now):
        text = config.notice_in(config.survey_question, language)
        titles = config.survey_titles(language)
        buttons = tuple(
            Button(id=id_, title=title) for id_, title in zip(ids_of_buttons, titles, strict=True)
        )
        content = Buttons(body=text, buttons=buttons)
        return NewMessage(text=text, author=Actor.SYSTEM, content=content)
    template = config.survey_template
    if template is None:
        return None
    name = await tx.sql.fetchval(
        "SELECT coalesce(nullif(name, ''), username, '') FROM contact WHERE id = $1",
        thread.contact_id,
    )
    filled = await fill_everywhere(
        tx, template.name, template.language, thread.channel_id, name, ids_of_buttons
    )
    if filled is None:
        return None
    return NewMessage(text=filled.text, author=Actor.SYSTEM, content=filled.content)
