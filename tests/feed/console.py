"""A client as its author would write it from docs/api.md: a snapshot over REST, kept up by the feed.

It never asks again for what an event tells.
"""

from typing import Any

from tests.desk import Person

Json = dict[str, Any]
# What depends on when one looks.
_CLOCK = {"window_seconds_left"}
MOST_UNREAD = 100


class Console:
    """What a human agent's console holds."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.seq = 0
        self.rows: dict[str, Json] = {}
        self.messages: dict[str, dict[str, Json]] = {}
        self.notes: dict[str, dict[str, Json]] = {}
        self.drafts: dict[str, Json] = {}
        self.queue: dict[str, Json] = {}
        self.available: dict[str, Json] = {}
        self.saved_replies: dict[str, Json] = {}

    @classmethod
    async def loaded(cls, person: Person) -> "Console":
        """A fresh snapshot; the feed's number is asked for first, so nothing is missed."""
        made = cls(person)
        made.seq = (await person.get("/feed/events"))["next_after"]
        for row in (await person.get("/conversations", order="recent", limit=100))["items"]:
            conversation_id = row["id"]
            path = f"/conversations/{conversation_id}"
            made.rows[conversation_id] = _without(row, _CLOCK)
            page = await person.get(f"{path}/messages", limit=100)
            made.messages[conversation_id] = {each["id"]: each for each in page["items"]}
            notes = await person.get(f"{path}/notes")
            made.notes[conversation_id] = {each["id"]: each for each in notes}
            draft = await person.http.get(f"/api/v1{path}/draft")
            if draft.status_code == 200:
                made.drafts[conversation_id] = draft.json()
        for each in await person.get("/handoffs"):
            made.queue[each["id"]] = _without(each, {"packet"})
        made.available = {each["user_id"]: each for each in await person.get("/availability")}
        made.saved_replies = {each["id"]: each for each in await person.get("/saved-replies")}
        return made

    async def catch_up(self) -> None:
        """Apply what has happened since."""
        while True:
            page = await self.person.get("/feed/events", after=str(self.seq), limit=100)
            assert page["reset"] is None
            for event in page["items"]:
                self.apply(event["kind"], event["payload"])
            self.seq = page["next_after"]
            if not page["items"]:
                return

    def apply(self, kind: str, told: Json) -> None:
        """Take one event."""
        thread = told.get("conversation_id", "")
        if kind == "conversation.opened":
            new = {"unread": 0, "read_to": None}
            self.rows[thread] = _without(told["conversation"], _CLOCK) | new
            self.messages[thread], self.notes[thread] = {}, {}
        elif told.get("conversation"):
            self.rows[thread] |= told["conversation"]
        if message := told.get("message"):
            self.messages[thread][message["id"]] = message
        match kind:
            case "message.received" if told["is_unread"]:
                self.rows[thread]["unread"] = min(MOST_UNREAD, self.rows[thread]["unread"] + 1)
            case "message.changed" if told["was_unread"] and self._is_new(thread, message):
                self.rows[thread]["unread"] -= 1
            case "message.state":
                moved = {name: told[name] for name in ("state", "delivery", "error")}
                self.messages[thread][told["message_id"]] |= moved
            case "turn.decided":
                for each in self.messages[thread].values():
                    if each["seq"] and told["from_seq"] <= each["seq"] <= told["to_seq"]:
                        each["turn_id"] = told["turn_id"]
            case "conversation.asked_again":
                for each in told["messages"]:
                    renumbered = {"seq": each["seq"], "turn_id": None}
                    self.messages[thread][each["message_id"]] |= renumbered
            case "conversation.tagged":
                self.rows[thread]["tags"] = told["tags"]
            case "conversation.prioritised":
                self.rows[thread]["priority"] = told["priority"]
            case "conversation.snoozed":
                self.rows[thread]["snoozed_until"] = told["until"]
            case "conversation.woken":
                self.rows[thread]["snoozed_until"] = None
            case "conversation.read":
                self.rows[thread] |= {name: told[name] for name in ("read_to", "unread")}
            case "contact.changed":
                for row in self.rows.values():
                    if row["contact"]["id"] == told["contact_id"]:
                        row["contact"] = told["contact"]
            case "note.written":
                self.notes[thread][told["note_id"]] = told["note"]
            case "note.deleted":
                del self.notes[thread][told["note_id"]]
            case "draft.changed":
                _put(self.drafts, thread, told["draft"])
            case "saved_reply.changed":
                _put(self.saved_replies, told["saved_reply_id"], told["saved_reply"])
            case "availability.changed":
                self.available[told["user_id"]] = told["availability"]
            case "handoff.opened" | "handoff.assigned" | "handoff.returned" | "handoff.ended":
                waits = told["handoff"]["state"] == "waiting"
                _put(self.queue, told["handoff_id"], told["handoff"] if waits else None)

    def view(self) -> Json:
        """All of it, as it can be compared with another's."""
        held = {name: value for name, value in vars(self).items() if name not in {"person", "seq"}}
        return held | {"counts": self.counts()}

    def counts(self) -> Json:
        """How many conversations each view of the inbox holds, as `GET /views` says."""
        rows = self.rows.values()
        awake = [row for row in rows if row["snoozed_until"] is None]
        with_people = [row for row in awake if row["status"] == "WITH_HUMAN"]
        owners = [row["assigned_user_id"] for row in with_people]
        return {
            "mine": owners.count(str(self.person.id)),
            "unassigned": owners.count(None),
            "ai": sum(row["status"] == "ACTIVE" for row in awake),
            "all": sum(row["status"] != "CLOSED" for row in rows),
            "snoozed": len(rows) - len(awake),
            "closed": sum(row["status"] == "CLOSED" for row in rows),
        }

    def _is_new(self, thread: str, message: Json | None) -> bool:
        assert message is not None
        read_to = self.rows[thread]["read_to"]
        place = message["created_at"], message["id"]
        return read_to is None or place > (read_to["at"], read_to["message_id"])


def _without(whole: Json, names: set[str]) -> Json:
    return {name: value for name, value in whole.items() if name not in names}


def _put(held: dict[str, Json], key: str, value: Json | None) -> None:
    if value is None:
        held.pop(key, None)
    else:
        held[key] = value
