"""Whether a message may leave now: what is known of it, and the one rule."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from frontdesk.messaging import Origin, is_open
from frontdesk.pipeline.hand_over import OurFile

CHANNEL_PAUSED_WAIT_SECONDS = 30
# Behind another AI message: until that is due again, but a status may settle it any moment. Behind one
# on the wire, as long again as that has been there.
BEHIND_ANOTHER_WAIT_SECONDS = (0.5, 5.0)
# A human agent's file comes from their own WhatsApp, and is fetched first.
FILE_ON_ITS_WAY_SECONDS = 2.0
# What a person wrote, and what a human agent is told, holds whoever has the conversation.
_UNFENCED = (Origin.HUMAN_AGENT, Origin.BRIDGE)


@dataclass(frozen=True)
class Row:
    """An outbound row with what decides whether it may be sent."""

    id: UUID
    conversation_id: UUID
    channel_id: UUID
    origin: Origin
    state: str
    attempt: int
    refusals: int
    unknowns: int
    last_error: str | None
    epoch: int
    content: dict[str, Any]
    created_at: datetime
    sending_since: datetime | None
    is_due: bool
    conversation_status: str
    conversation_epoch: int
    last_inbound_at: datetime | None
    behind_due_at: (
        datetime | None
    )  # When the AI message before it is looked at again, if there is one.
    channel_status: str
    channel_alive_at: datetime | None
    is_on_phone_app: bool
    phone_number_id: str
    access_token_sealed: str
    now: datetime
    traceparent: str | None
    file: OurFile | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is posted; a file goes by the name that WhatsApp gave it."""
        if self.file is None:
            return self.content
        kind = self.content["type"]
        return {**self.content, kind: {**self.content[kind], "id": self.file.whatsapp_id}}

    @property
    def waits_for_its_file(self) -> bool:
        """Whether WhatsApp has to be given the file first."""
        return self.file is not None and not self.file.is_at_whatsapp(self.now)


@dataclass(frozen=True)
class Send:
    """It may be sent now."""


@dataclass(frozen=True)
class Wait:
    """Not now; look again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Drop:
    """Never: for this reason, in this final state."""

    state: str
    reason: str


def may_send(row: Row) -> Send | Wait | Drop:  # noqa: PLR0911  # A list of reasons, in order.
    """Whether a pending message may leave now.

    What no person wrote needs the conversation to be in the epoch it was decided in. An AI message
    goes out after those decided before it, and so does what a human agent is told on their own
    WhatsApp; what they say never waits behind one.
    """
    if row.origin not in _UNFENCED and row.conversation_epoch != row.epoch:
        return Drop("cancelled", "The conversation changed hands.")
    if row.behind_due_at is not None:
        soonest, latest = BEHIND_ANOTHER_WAIT_SECONDS
        return Wait(min(latest, max(soonest, (row.behind_due_at - row.now).total_seconds())))
    if row.content.get("type") != "template" and not is_open(row.last_inbound_at, row.now):
        return Drop("failed", "The 24-hour window closed before it was sent.")
    if row.channel_status == "DISCONNECTED":
        return Drop("failed", "The channel is disconnected.")
    if row.channel_status != "CONNECTED":
        return Wait(CHANNEL_PAUSED_WAIT_SECONDS)
    if row.file is not None and row.file.is_on_its_way:
        return Wait(FILE_ON_ITS_WAY_SECONDS)
    return Send()
