"""Events: facts a context publishes for the contexts above it, in the publisher's transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from frontdesk.core.db import Transaction


class Event(BaseModel):
    """Something that has happened in a tenant: ids and values, never a row. Subclasses are past tense."""

    model_config = ConfigDict(frozen=True)

    tenant_id: UUID


Subscriber = Callable[["Transaction", Any], Awaitable[None]]
Subscriptions = Mapping[type[Event], Sequence[Subscriber]]


async def publish(tx: "Transaction", event: Event) -> None:
    """Call whoever subscribed to this type of event, in order, in the caller's transaction.

    Subscribers write rows and nothing slow; what is slow becomes a due row. An exception in one
    rolls the whole transaction back: an event and its consequences are one fact.
    """
    for subscriber in tx.db.subscriptions.get(type(event), ()):
        await subscriber(tx, event)
