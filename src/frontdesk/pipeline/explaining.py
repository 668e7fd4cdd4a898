"""What is recorded of a message, gathered over the contexts, and the explanation made of it."""

from uuid import UUID

from frontdesk import escalation, identity, knowledge, messaging, observability
from frontdesk.conversation import TurnPublic, get_provenance, list_messages_of_turn
from frontdesk.core.db import Session
from frontdesk.core.errors import NotFound
from frontdesk.pipeline.explain_schemas import ExplanationPublic
from frontdesk.pipeline.explanation import Recorded, explain


async def explain_message(session: Session, message_id: UUID) -> ExplanationPublic:
    """Why a message is as it is, from what was recorded at the time; raises `NotFound`."""
    stands = await get_provenance(session, message_id)
    message, turn = stands.message, stands.turn
    calls, gone_at = await observability.list_calls_for(
        session, stands.conversation_id, [asked.id for asked in stands.burst]
    )
    users = {user_id for user_id in (message.user_id, turn and turn.user_id) if user_id}
    return explain(
        Recorded(
            message=message,
            conversation_id=stands.conversation_id,
            burst=stands.burst,
            turn=turn,
            calls=tuple(calls),
            texts_gone_at=gone_at,
            pieces=await knowledge.list_pieces(session, _shown_pieces(turn)),
            draft=await escalation.find_draft_of(session, stands.conversation_id, message_id),
            names=await identity.get_user_names(session, users),
        )
    )


async def explain_any(session: Session, any_id: UUID) -> list[ExplanationPublic]:
    """The explanations of what the id of a message, a turn, a request or a call of a model names.

    A request is one to a model or, while traces are on, one to the API or a webhook.

    Raises:
        NotFound: the tenant has nothing of this id.
    """
    message_ids = await list_messages_of_turn(session, any_id)
    if not message_ids:
        message_ids = await messaging.list_sent_for(session, any_id)
    if not message_ids:
        asked = await observability.find_asked_message(session, any_id)
        message_ids = [asked or any_id]
    try:
        return [await explain_message(session, message_id) for message_id in message_ids]
    except NotFound:
        raise NotFound(f"There is no message, turn or request {any_id}.") from None


def _shown_pieces(turn: TurnPublic | None) -> list[UUID]:
    trace = turn.trace if turn else []
    return [UUID(found["id"]) for line in trace for found in line.get("chunks") or ()]
