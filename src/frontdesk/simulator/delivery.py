"""From acceptance to the blue ticks: status webhooks, in and out of order."""

from dataclasses import dataclass, field

from frontdesk.simulator.faults import SendFault, SendFaultKind
from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.rules import BSUID
from frontdesk.simulator.threads import Bubble, Thread, Ticks
from frontdesk.simulator.webhooks import Posting, Webhooks, envelope
from frontdesk.simulator.whatsapp import Accepted, WhatsApp
from frontdesk.simulator.world import Json, World

_SILENT = (SendFaultKind.LOSE_STATUS, SendFaultKind.HANG_AND_LOSE_STATUS)


@dataclass
class Journey:
    """One accepted message on its way to a phone."""

    accepted: Accepted
    thread: Thread
    bubble: Bubble
    posted: list[Ticks] = field(default_factory=list)
    doubled: bool = False
    waiting: bool = False
    """The phone is offline: only `sent` went out."""


class Delivery:
    """Delivers accepted messages to the phones and reports to the desk."""

    def __init__(self, world: World, whatsapp: WhatsApp, webhooks: Webhooks) -> None:
        self._world = world
        self._whatsapp = whatsapp
        self._webhooks = webhooks
        self._waiting: list[Journey] = []

    def reset(self) -> None:
        """Forget what waits for phones to come online."""
        self._waiting.clear()

    async def begin(self, accepted: Accepted, fault: SendFault | None) -> None:
        """Start the journey; returns at once unless a status must precede the answer."""
        channel = self._whatsapp.channel(accepted.phone_number_id)
        kind = fault.kind if fault else None
        error: GraphError | None = None
        if fault and kind is SendFaultKind.FAILED:
            error = GraphError(fault.code, fault.details)
        elif self._whatsapp.window_closed(channel, accepted.body):
            error = GraphError(131047)
        elif accepted.number is None and not BSUID.match(str(accepted.body.get("to") or "")):
            error = GraphError(131026)
        if error is not None:
            self._world.spawn(self._fail(accepted, error))
            return
        shown = self._whatsapp.show(accepted)
        if shown is None:
            return
        thread, bubble = shown
        settings = self._world.settings
        journey = Journey(accepted, thread, bubble)
        journey.doubled = kind is SendFaultKind.DOUBLE_STATUS or self._world.happens(
            settings.status_doubled_share
        )
        lost = kind in _SILENT or self._world.happens(settings.status_dropped_share)
        reverse = kind is SendFaultKind.REVERSE_STATUS or self._world.happens(
            settings.status_reversed_share
        )
        early = kind is SendFaultKind.EARLY_STATUS or self._world.happens(
            settings.status_early_share
        )
        if early and not lost:
            # Until the desk has answered this webhook it does not get the answer to its send.
            await self._post(journey, Ticks.SENT).first_attempt.wait()
        late_seconds = fault.seconds if fault and kind is SendFaultKind.LATE_STATUS else 0.0
        self._world.spawn(self._travel(journey, lost=lost, reverse=reverse, late=late_seconds))

    async def _travel(
        self, journey: Journey, *, lost: bool, reverse: bool, late: float = 0.0
    ) -> None:
        await self._world.sleep(late)
        steps = self._steps(journey)
        for ticks in reversed(steps) if reverse else steps:
            await self._pause()
            journey.thread.tick(journey.bubble, ticks)
            if not lost and ticks not in journey.posted:
                self._post(journey, ticks)
        if not journey.thread.contact.online:
            journey.waiting = True
            self._waiting.append(journey)

    def _steps(self, journey: Journey) -> list[Ticks]:
        contact = journey.thread.contact
        if journey.accepted.type == "reaction" or not contact.online:
            return [Ticks.SENT]  # A reaction yields `sent` only (Cloud API: statuses).
        if contact.chat_open:
            return [Ticks.SENT, Ticks.DELIVERED, Ticks.READ]
        return [Ticks.SENT, Ticks.DELIVERED]

    async def _fail(self, accepted: Accepted, error: GraphError) -> None:
        await self._pause()
        shown = self._whatsapp.show(accepted)
        if shown:
            thread, bubble = shown
            bubble.ticks, bubble.error_code = Ticks.FAILED, error.code
            thread.touch()
        channel = self._whatsapp.channel(accepted.phone_number_id)
        status = self._status(accepted, Ticks.FAILED)
        if accepted.body.get("to"):
            status["recipient_id"] = accepted.number or accepted.to
        else:
            status["recipient_user_id"] = accepted.to
        status["errors"] = [error.status_entry()]
        # A failed status has no contacts[] (Cloud API: business-scoped user ids).
        self._webhooks.post(
            envelope(channel, statuses=[status]),
            about="status: failed",
            wamids=(accepted.wamid,),
        )

    def _post(self, journey: Journey, ticks: Ticks) -> Posting:
        accepted, contact = journey.accepted, journey.thread.contact
        channel = journey.thread.channel
        to_number = bool(accepted.body.get("to"))
        number_shown = to_number or not contact.number_hidden
        status = self._status(accepted, ticks)
        if number_shown:
            status["recipient_id"] = contact.number
        status["recipient_user_id"] = contact.bsuid(channel.business_id)
        first_arrival = ticks in (Ticks.DELIVERED, Ticks.READ) and not (
            {Ticks.DELIVERED, Ticks.READ} & set(journey.posted)
        )
        if first_arrival:
            status["pricing"] = self._whatsapp.pricing(accepted)
        elif ticks is Ticks.SENT:
            status["pricing"] = self._whatsapp.pricing(accepted, count=False)
        journey.posted.append(ticks)
        profile = contact.profile(channel.business_id, with_number=number_shown)
        return self._webhooks.post(
            envelope(channel, contacts=[profile], statuses=[status]),
            about=f"status: {ticks}",
            wamids=(accepted.wamid,),
            copies=2 if journey.doubled else 1,
        )

    def _status(self, accepted: Accepted, ticks: Ticks) -> Json:
        status: Json = {
            "id": accepted.wamid,
            "status": ticks.value,
            "timestamp": str(int(self._world.now())),
        }
        if accepted.callback_data is not None:
            status["biz_opaque_callback_data"] = accepted.callback_data
        return status

    async def _pause(self) -> None:
        await self._world.linger("status_delay_seconds")

    def come_online(self, number: str) -> None:
        """Deliver what a phone missed while it was offline."""
        due = [journey for journey in self._waiting if journey.thread.contact.number == number]
        self._waiting = [journey for journey in self._waiting if journey not in due]
        for journey in due:
            self._world.spawn(self._travel(journey, lost=False, reverse=False))

    def open_chat(self, thread: Thread) -> None:
        """Report as read what was delivered while the chat was closed."""
        unread = {b.wamid for b in thread.replies if b.ticks is Ticks.DELIVERED}
        for accepted in self._whatsapp.log:
            if accepted.wamid in unread:
                bubble = thread.find(accepted.wamid)
                assert bubble is not None
                thread.tick(bubble, Ticks.READ)
                posted = [Ticks.SENT, Ticks.DELIVERED]
                self._post(Journey(accepted, thread, bubble, posted), Ticks.READ)
