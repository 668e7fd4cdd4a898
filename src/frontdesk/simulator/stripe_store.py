"""Everything a fake Stripe account holds, by id; and the events that tell what happened to it."""

from collections.abc import Callable
from typing import Any

from frontdesk.simulator.stripe_wire import missing, new_id
from frontdesk.simulator.world import Json

API_VERSION = "2026-10-28.endive"


class StripeStore:
    """Objects by id, the newest last, and events about them."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._objects: dict[str, Json] = {}
        self.events: list[Json] = []
        self.told: Callable[[Json], None] = lambda event: None
        """Called with each event as it happens."""

    def reset(self) -> None:
        """An empty account."""
        self._objects.clear()
        self.events.clear()

    def add(self, kind: str, prefix: str, fields: Json) -> Json:
        """Keep a new object of that kind; gives it with its id."""
        made = {
            "id": new_id(prefix),
            "object": kind,
            "created": int(self._now()),
            "livemode": False,
            **fields,
        }
        self._objects[made["id"]] = made
        return made

    def get(self, kind: str, given: str, param: str = "id") -> Json:
        """An object, or the error Stripe answers."""
        found = self._objects.get(given)
        if found is None or found["object"] != kind:
            raise missing(kind, given, param)
        return found

    def all(self, kind: str, **having: Any) -> list[Json]:
        """All of a kind with these values, newest first, as Stripe lists them."""
        return [
            each
            for each in reversed(self._objects.values())
            if each["object"] == kind
            and all(each.get(name) == value for name, value in having.items())
        ]

    def tell(self, kind: str, about: Json) -> Json:
        """Make an event; the object in it is as it is now, whatever becomes of it."""
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": int(self._now()),
            "data": {"object": _copied(about)},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self.events.append(event)
        self.told(event)
        return event


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value
