"""Stripe's billing meters: events are taken once for each identifier, and summed by time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from frontdesk.simulator.stripe_store import StripeStore
from frontdesk.simulator.stripe_wire import StripeError, missing, needed, new_id
from frontdesk.simulator.world import Json

_DAY = 86_400
_OLDEST_SECONDS = 35 * _DAY
_AHEAD_SECONDS = 300
_WINDOWS = {"hour": 3_600, "day": _DAY}
_MOST_CHARACTERS = 100


@dataclass(frozen=True)
class MeterEvent:
    """An event that counts."""

    identifier: str
    event_name: str
    customer: str
    value: int
    at: int
    received_at: float


class StripeMeters:
    """Meters, their events and the sums of these."""

    def __init__(self, store: StripeStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self.events: list[MeterEvent] = []

    def reset(self) -> None:
        """Forget all events; meters are objects of the store."""
        self.events.clear()

    def create(self, body: Json) -> Json:
        """Make a meter; an event name belongs to one active meter."""
        needed(body, "event_name", "display_name", "default_aggregation")
        if self._meter_of(body["event_name"]) is not None:
            raise StripeError(
                400,
                f"A meter with event name {body['event_name']} exists already.",
                param="event_name",
            )
        return self._store.add(
            "billing.meter",
            "mtr",
            {
                "display_name": body["display_name"],
                "event_name": body["event_name"],
                "default_aggregation": body["default_aggregation"],
                "customer_mapping": body.get("customer_mapping")
                or {"event_payload_key": "stripe_customer_id", "type": "by_id"},
                "value_settings": body.get("value_settings") or {"event_payload_key": "value"},
                "event_time_window": body.get("event_time_window"),
                "status": "active",
                "status_transitions": {"deactivated_at": None},
            },
        )

    def record(self, body: Json) -> Json:
        """Take an event.

        Raises:
            StripeError: its identifier was seen within a day, its time is too far away, its value is
                no whole number, or there is no such meter or customer.
        """
        needed(body, "event_name", "payload")
        now, payload = self._now(), body["payload"]
        if self._meter_of(body["event_name"]) is None:
            raise StripeError(
                400,
                f"No active meter found for event name {body['event_name']}.",
                param="event_name",
            )
        customer = str(payload.get("stripe_customer_id", ""))
        self._store.get("customer", customer, "payload[stripe_customer_id]")
        at = int(body.get("timestamp", now))
        if at < now - _OLDEST_SECONDS:
            raise StripeError(
                400,
                "The timestamp is too far in the past; it must be within the past 35 days.",
                code="timestamp_too_far_in_past",
                param="timestamp",
            )
        if at > now + _AHEAD_SECONDS:
            raise StripeError(
                400,
                "The timestamp is too far in the future.",
                code="timestamp_in_future",
                param="timestamp",
            )
        identifier = str(body.get("identifier") or new_id("idmp"))
        if len(identifier) > _MOST_CHARACTERS:
            raise StripeError(400, "The identifier is too long.", param="identifier")
        if any(
            known.identifier == identifier and known.received_at > now - _DAY
            for known in self.events
        ):
            raise StripeError(
                400,
                f"An event already exists with identifier {identifier}.",
                param="identifier",
            )
        try:
            value = int(str(payload.get("value")))
        except ValueError:
            raise StripeError(
                400, "The value must be a whole number.", code="meter_event_invalid_value"
            ) from None
        self.events.append(MeterEvent(identifier, body["event_name"], customer, value, at, now))
        return {
            "object": "billing.meter_event",
            "created": int(now),
            "event_name": body["event_name"],
            "identifier": identifier,
            "livemode": False,
            "payload": payload,
            "timestamp": at,
        }

    def cancel(self, body: Json) -> Json:
        """Take an event back, which is possible for a day."""
        needed(body, "event_name", "cancel")
        identifier = body["cancel"].get("identifier")
        found = [
            event
            for event in self.events
            if event.identifier == identifier and event.received_at > self._now() - _DAY
        ]
        if not found:
            raise StripeError(400, f"No cancellable event has the identifier {identifier}.")
        self.events.remove(found[0])
        return {
            "object": "billing.meter_event_adjustment",
            "event_name": body["event_name"],
            "livemode": False,
            "status": "pending",
            "type": "cancel",
            "cancel": {"identifier": identifier},
        }

    def summaries(self, meter_id: str, query: Json) -> list[Json]:
        """The sums of one customer's events, by hour, by day or of the whole span; newest first."""
        meter = self._store.get("billing.meter", meter_id)
        needed(query, "customer", "start_time", "end_time")
        start, end = int(query["start_time"]), int(query["end_time"])
        window = _WINDOWS.get(query.get("value_grouping_window", ""), max(end - start, 60))
        if start % 60 or end % 60 or (window in (3_600, _DAY) and (start % window or end % window)):
            raise StripeError(400, "Times must be aligned with the window.", param="start_time")
        spans = range(start, end, window)
        found = (
            (at, list(self.within(meter["event_name"], str(query["customer"]), at, at + window)))
            for at in spans
        )
        return [
            {
                "id": f"mtrusg_{meter_id}_{query['customer']}_{at}",
                "object": "billing.meter_event_summary",
                "aggregated_value": float(sum(event.value for event in events)),
                "start_time": at,
                "end_time": at + window,
                "livemode": False,
                "meter": meter_id,
            }
            for at, events in found
            if events
        ][::-1]

    def within(self, event_name: str, customer: str, start: int, end: int) -> Iterator[MeterEvent]:
        """Events of a customer from `start` up to, not including, `end`."""
        return (
            event
            for event in self.events
            if event.event_name == event_name
            and event.customer == customer
            and start <= event.at < end
        )

    def plant(self, event_name: str, customer: str, value: int, at: float) -> None:
        """Count something that nobody sent: the wrong number a reconciliation must find."""
        self._store.get("customer", customer)
        if self._meter_of(event_name) is None:
            raise missing("meter", event_name)
        now = self._now()
        self.events.append(MeterEvent(new_id("planted"), event_name, customer, value, int(at), now))

    def lose(self, identifier: str) -> None:
        """Forget an event that was taken, as if it had been lost inside."""
        self.events = [event for event in self.events if event.identifier != identifier]

    def _meter_of(self, event_name: str) -> Json | None:
        return next(
            (
                meter
                for meter in self._store.all("billing.meter")
                if meter["event_name"] == event_name and meter["status"] == "active"
            ),
            None,
        )
