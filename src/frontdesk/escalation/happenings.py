"""What escalation tells the feed, kind by kind."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from pydantic import Field

from frontdesk import feed
from frontdesk.core.db import Transaction
from frontdesk.escalation.bridge_models import BRIDGE, BridgeEnd
from frontdesk.escalation.models import SilentAssignee, SuggestionState, Task
from frontdesk.escalation.schemas import AvailabilityPublic, HandoffStanding, Owner
from frontdesk.feed import FeedPayload


class _HandoffTold(FeedPayload):
    conversation_id: UUID
    handoff_id: UUID
    handoff: HandoffStanding


class HandoffOpened(_HandoffTold):
    """People own a conversation from here on: it waits in the queue, or somebody has it."""

    kind: ClassVar[str] = "handoff.opened"


class HandoffAssigned(_HandoffTold):
    """A human agent has a handoff: it was given to them, or they took it."""

    kind: ClassVar[str] = "handoff.assigned"


class ReturnedFor(StrEnum):
    """Why a handoff waits again."""

    SILENCE = "silence"
    AWAY = "away"
    REASSIGNED = "reassigned"
    UNREACHABLE = "unreachable"  # On their own WhatsApp, where they had it.


class HandoffReturned(_HandoffTold):
    """A handoff waits in the queue again: it was taken from its human agent, or is another team's."""

    kind: ClassVar[str] = "handoff.returned"

    from_user_id: UUID | None
    why: ReturnedFor


class HandoffReprioritised(_HandoffTold):
    """A handoff is more or less urgent than it was."""

    kind: ClassVar[str] = "handoff.reprioritised"


class HandoffEnded(_HandoffTold):
    """The AI has the conversation again, or it is closed."""

    kind: ClassVar[str] = "handoff.ended"


class HandoffSilent(FeedPayload):
    """A human agent lets a contact wait for longer than they should."""

    kind: ClassVar[str] = "handoff.silent"

    conversation_id: UUID
    handoff_id: UUID
    assigned_user_id: UUID = Field(description="Who has been silent.")
    done: SilentAssignee = Field(description="What became of the conversation.")


class ConversationOverdue(FeedPayload):
    """A contact has waited too long for an answer; once for each message that begins a wait."""

    kind: ClassVar[str] = "conversation.overdue"

    conversation_id: UUID
    waiting_since: datetime
    owner: Owner = Field(description="Who should answer.")
    assigned_user_id: UUID | None
    reason: str = Field(description="Why nobody has, in words.")


class AvailabilityChanged(FeedPayload):
    """A human agent came online or went away, or has more or fewer conversations."""

    kind: ClassVar[str] = "availability.changed"

    user_id: UUID
    availability: AvailabilityPublic


class BridgeStarted(FeedPayload):
    """A human agent is asked on their own WhatsApp whether they take a conversation there."""

    kind: ClassVar[str] = "bridge.started"

    conversation_id: UUID
    user_id: UUID


class BridgeEnded(FeedPayload):
    """A human agent hears no more of a conversation on their own WhatsApp."""

    kind: ClassVar[str] = "bridge.ended"

    conversation_id: UUID
    user_id: UUID
    why: BridgeEnd


class BridgePhoneChanged(FeedPayload):
    """Your phone is confirmed, or could not be: told to you alone."""

    kind: ClassVar[str] = "bridge_phone.changed"

    confirmed: bool
    problem: str | None


class BacktestDone(FeedPayload):
    """What rules would have done is known."""

    kind: ClassVar[str] = "rule_backtest.done"

    backtest_id: UUID


class SuggestionFinished(FeedPayload):
    """A suggestion can be read, or failed. Told to who asked; of the agent's own, to everybody."""

    kind: ClassVar[str] = "suggestion.finished"

    suggestion_id: UUID
    conversation_id: UUID
    task: Task
    state: SuggestionState


def tell_handoff(tx: Transaction, happened: type[_HandoffTold], row: Any) -> None:
    """Put on the feed what a statement that returned it has made of a handoff."""
    handoff = HandoffStanding.model_validate(dict(row))
    told = happened(conversation_id=handoff.conversation_id, handoff_id=handoff.id, handoff=handoff)
    feed.tell(tx, told)
    tx.ring(BRIDGE, handoff.id)


def tell_availability(tx: Transaction, row: Any) -> None:
    """Put on the feed what a statement that returned it has made of somebody's availability."""
    availability = AvailabilityPublic.model_validate(dict(row))
    feed.tell(tx, AvailabilityChanged(user_id=availability.user_id, availability=availability))
