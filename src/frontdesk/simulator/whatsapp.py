"""The fake Cloud API's state and rules: numbers, contacts, chats, and what it accepts."""

import base64
from collections import deque
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from frontdesk.simulator.accounts import Accounts
from frontdesk.simulator.faults import FaultPlan, SendFault
from frontdesk.simulator.graph import GraphError
from frontdesk.simulator.media import MediaStore
from frontdesk.simulator.rules import (
    BSUID,
    MEDIA_TYPES,
    PAIR_BURST,
    PAIR_SECONDS,
    WINDOW_SECONDS,
    dicts,
    problem,
    shown_buttons,
    shown_text,
)
from frontdesk.simulator.threads import (
    TYPING_SECONDS,
    Bubble,
    Channel,
    Contact,
    Thread,
    Ticks,
)
from frontdesk.simulator.world import Json, World, random_digits


@dataclass(frozen=True)
class Accepted:
    """One send that was accepted. Accepted is not delivered (Cloud API: send messages)."""

    at: float
    phone_number_id: str
    to: str
    """As it was given: a number or a BSUID."""
    type: str
    text: str
    body: Json
    callback_data: str | None
    wamid: str
    context: str | None
    """The message it quotes."""
    number: str | None
    """Of the contact it reaches; None for one that silently goes nowhere."""

    def view(self) -> Json:
        """As JSON, for the control API."""
        return {
            "at": self.at,
            "phone_number_id": self.phone_number_id,
            "to": self.to,
            "type": self.type,
            "text": self.text,
            "body": self.body,
            "biz_opaque_callback_data": self.callback_data,
            "wamid": self.wamid,
            "context": self.context,
            "reaches": self.number,
        }


@dataclass(frozen=True)
class ReadMark:
    """One call that marked a message as read."""

    at: float
    phone_number_id: str
    wamid: str
    typing: bool


class WhatsApp:
    """Everything Meta would know, and the decisions it would take."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.media = MediaStore(world)
        self.faults: FaultPlan[SendFault] = FaultPlan(world.settings.seed)
        self.channels: dict[str, Channel] = {}
        self.contacts: dict[str, Contact] = {}
        self.threads: dict[tuple[str, str], Thread] = {}
        self.expired_tokens: set[str] = set()
        self.accounts = Accounts(world)
        self.reset()

    def reset(self) -> None:
        """Forget chats, contacts, the log and the plan of faults; numbers stay registered."""
        self.contacts.clear()
        self.threads.clear()
        self.expired_tokens.clear()
        self.accounts.reset()
        self.faults.clear(self._world.settings.seed)
        self.log: list[Accepted] = []
        self.reads: list[ReadMark] = []
        self.calls: list[Json] = []
        """Account calls that were answered: subscribed_apps, register, block_users, …"""
        self._throughput: dict[str, deque[float]] = {}
        self._pairs: dict[tuple[str, str], float] = {}
        self._billed: dict[str, int] = {}
        self._aliases: dict[str, str] = {}
        self._bsuids: dict[tuple[str, str], str] = {}
        self._inbound: dict[tuple[str, str], Thread] = {}

    @property
    def sent(self) -> list[str]:
        """The texts of all accepted messages, in order."""
        return [accepted.text for accepted in self.log]

    # Numbers and people

    def register_channel(self, phone_number_id: str, **known: Any) -> Channel:
        """Make a business number known, or change what is known of it."""
        old = self.channels.get(phone_number_id)
        if old is None:
            waba_id = str(known.get("waba_id") or f"2{phone_number_id[1:]}")
            old = Channel(
                phone_number_id=phone_number_id,
                waba_id=waba_id,
                display_phone_number=f"1555{phone_number_id[-7:].rjust(7, '0')}",
                business_id=f"3{waba_id[1:]}",
            )
        self.channels[phone_number_id] = channel = replace(old, **known)
        for thread in self.threads.values():
            if thread.channel.phone_number_id == phone_number_id:
                thread.channel = channel
        return channel

    def channel(self, phone_number_id: str | None = None) -> Channel:
        """A business number; None means the first one. Unknown ones register themselves.

        Raises:
            GraphError: 33, the number is unknown and only registered ones are served.
        """
        if phone_number_id is None:
            phone_number_id = next(iter(self.channels), "100000000000001")
        if phone_number_id not in self.channels:
            if self._world.settings.strict_channels:
                raise GraphError(
                    33,
                    f"Object with ID '{phone_number_id}' does not exist, cannot be loaded due to "
                    "missing permissions, or does not support this operation.",
                )
            return self.register_channel(phone_number_id)
        return self.channels[phone_number_id]

    def contact(self, number: str, **known: Any) -> Contact:
        """A person by number; `known` changes what is known of them."""
        digits = "".join(filter(str.isdigit, number))
        contact = self.contacts.setdefault(digits, Contact(digits))
        for name, value in known.items():
            if name not in Contact.__dataclass_fields__:
                raise TypeError(f"a contact has no {name}")
            setattr(contact, name, value)
        self._aliases.update(dict.fromkeys(contact.aliases, digits))
        return contact

    def thread(self, channel: Channel, contact: Contact) -> Thread:
        """Their chat, empty at first."""
        key = (channel.phone_number_id, contact.number)
        if key not in self.threads:
            self.threads[key] = Thread(channel, contact)
        return self.threads[key]

    def find_contact(self, channel: Channel, to: str) -> Contact | None:
        """Who is reached by a number or BSUID; None for a BSUID of nobody we know."""
        if BSUID.match(to):
            number = self._bsuids.get((channel.business_id, to))
            if number is not None:
                return self.contacts[number]
            people = self.contacts.values()
            return next((c for c in people if c.bsuid(channel.business_id) == to), None)
        digits = "".join(filter(str.isdigit, to))
        return self.contact(self._aliases.get(digits, digits))

    # Decisions

    def check_token(
        self, channel: Channel | None, authorization: str, waba_id: str | None = None
    ) -> None:
        """Raise GraphError 190, or 200, unless the request carries a token that is good here."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise GraphError(190, "An access token is required to request this resource.")
        expired = token in self.expired_tokens or self.accounts.has_ended(token)
        if expired or (channel is not None and channel.token not in (None, token)):
            raise GraphError(190, "Error validating access token: the session has expired.")
        self.accounts.check_reach(token, channel.waba_id if channel else waba_id)

    def check_send(self, channel: Channel, body: Any) -> GraphError | None:
        """Why this send is refused at once, or None. A send that passes uses up its rates."""
        if error := problem(body, channel) or self._unknown_file(body):
            return error
        if channel.status != "CONNECTED":
            return GraphError(133010 if channel.status == "DISCONNECTED" else 131031)
        to = str(body.get("to") or body["recipient"])
        if self._over_throughput(channel):
            return GraphError(130429)
        if self._over_pair_rate(channel, to):
            return GraphError(131056)
        if self._world.settings.window_errors == "sync" and self.window_closed(channel, body):
            return GraphError(131047)
        return None

    def _unknown_file(self, body: Json) -> GraphError | None:
        """The refusal of a message with a file that nobody uploaded."""
        kind = str(body.get("type"))
        named = body[kind].get("id") if kind in MEDIA_TYPES else None
        if named is None or self.media.find(named) is not None:
            return None
        return GraphError(131009, f"Media with ID '{named}' does not exist.")

    def window_closed(self, channel: Channel, body: Json) -> bool:
        """Whether 24 hours have passed since the contact last wrote and this is no template."""
        to = str(body.get("to") or body["recipient"])
        if body.get("type") == "template" or (body.get("to") and BSUID.match(to)):
            return False
        contact = self.find_contact(channel, to)
        if contact is None:
            return True
        last = self.thread(channel, contact).last_inbound_at
        return last is None or self._world.now() - last > WINDOW_SECONDS

    def _over_throughput(self, channel: Channel) -> bool:
        limit = self._world.settings.throughput_limit
        if limit is None:
            return False
        now = self._world.now()
        recent = self._throughput.setdefault(channel.phone_number_id, deque())
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= limit:
            return True
        recent.append(now)
        return False

    def _over_pair_rate(self, channel: Channel, to: str) -> bool:
        if not self._world.settings.pair_limit:
            return False
        now, pair = self._world.now(), (channel.phone_number_id, to)
        # The time at which everything sent so far is paid for, at one message per six seconds.
        paid_at = max(self._pairs.get(pair, now), now)
        if paid_at - now > (PAIR_BURST - 1) * PAIR_SECONDS:
            return True
        self._pairs[pair] = paid_at + PAIR_SECONDS
        return False

    def accept(self, channel: Channel, body: Json) -> Accepted:
        """Take a message that passed the checks; it is on its way from now on."""
        to = str(body.get("to") or body["recipient"])
        lost = bool(body.get("to") and BSUID.match(to))  # Cloud API: 200, and never delivered.
        contact = None if lost else self.find_contact(channel, to)
        accepted = Accepted(
            at=self._world.now(),
            phone_number_id=channel.phone_number_id,
            to=to,
            type=str(body.get("type", "text")),
            text=shown_text(body),
            body=body,
            callback_data=body.get("biz_opaque_callback_data"),
            wamid=new_wamid(),
            context=(body.get("context") or {}).get("message_id"),
            number=contact.number if contact else None,
        )
        self.log.append(accepted)
        return accepted

    def response(self, accepted: Accepted) -> Json:
        """The body of a 200: the way the contact was addressed, and the message's id."""
        known = accepted.number or accepted.to
        named = {"wa_id": known} if accepted.body.get("to") else {"user_id": accepted.to}
        message: Json = {"id": accepted.wamid}
        if accepted.type == "template":
            message["message_status"] = "accepted"
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": accepted.to, **named}],
            "messages": [message],
        }

    def show(self, accepted: Accepted) -> tuple[Thread, Bubble] | None:
        """Put an accepted message into the chat; None if nobody will ever see it."""
        if accepted.number is None:
            return None
        contact = self.contact(accepted.number)
        thread = self.thread(self.channel(accepted.phone_number_id), contact)
        bubble = Bubble(
            wamid=accepted.wamid,
            author="business",
            type=accepted.type,
            text=accepted.text,
            at=accepted.at,
            body=accepted.body,
            quoted=accepted.context,
            buttons=shown_buttons(accepted.body, self.channel(accepted.phone_number_id)),
        )
        if accepted.type == "reaction":
            target = thread.find(accepted.body["reaction"]["message_id"])
            if target is not None:
                target.reaction = accepted.body["reaction"]["emoji"] or None
                thread.touch()
            return thread, bubble  # A reaction is no message of its own.
        thread.add(bubble)
        return thread, bubble

    def mark_read(self, channel: Channel, wamid: str, *, typing: bool) -> None:
        """Show the blue ticks, and "typing…" for 25 seconds or until the reply.

        Raises:
            GraphError: 131009, nobody sent such a message to this number.
        """
        thread = self._inbound.get((channel.phone_number_id, wamid))
        if thread is None:
            raise GraphError(131009, "message_id is not a message of this phone number.")
        now = self._world.now()
        thread.read_up_to(wamid)
        thread.typing_until = now + TYPING_SECONDS if typing else 0.0
        thread.touch()
        self.reads.append(ReadMark(now, channel.phone_number_id, wamid, typing))

    def receive(self, channel: Channel, contact: Contact, message: Json, at: float) -> Bubble:
        """Put a message of the contact into the chat; it opens the service window."""
        thread = self.hear(channel, contact, message["id"])
        bubble = Bubble(
            wamid=message["id"],
            author="contact",
            type=message["type"],
            text=shown_text(message),
            at=at,
            body=message,
            ticks=Ticks.SENT,
            quoted=(message.get("context") or {}).get("id"),
        )
        thread.last_inbound_at = max(thread.last_inbound_at or 0.0, at)
        thread.add(bubble)
        return bubble

    def hear(self, channel: Channel, contact: Contact, wamid: str) -> Thread:
        """Know a message of a contact by its id, be it shown as a bubble or not."""
        thread = self.thread(channel, contact)
        self._inbound[channel.phone_number_id, wamid] = thread
        self._bsuids[channel.business_id, contact.bsuid(channel.business_id)] = contact.number
        return thread

    def notice(self, body: Any) -> None:
        """Take the messages of a handmade webhook for sent, so that they can be answered."""
        entries = dicts(body.get("entry")) if isinstance(body, dict) else []
        for change in (change for entry in entries for change in dicts(entry.get("changes"))):
            value = change.get("value")
            if change.get("field") != "messages" or not isinstance(value, dict):
                continue
            metadata = value.get("metadata")
            known = str(metadata.get("phone_number_id")) if isinstance(metadata, dict) else ""
            for message in dicts(value.get("messages")) if known in self.channels else []:
                self._notice(self.channels[known], message)

    def _notice(self, channel: Channel, message: Json) -> None:
        wamid, at = message.get("id"), str(message.get("timestamp"))
        sender = str(message.get("from") or message.get("from_user_id") or "")
        if not isinstance(wamid, str) or not at.isdigit() or not sender:
            return
        contact = self.find_contact(channel, sender)
        if contact is None:  # A BSUID of nobody we know: the number behind it is made up.
            number = "".join(filter(str.isdigit, sender)) or random_digits(11)
            contact = self.contact(number, own_bsuid=sender, number_hidden=True)
        shown = message.get("type") not in ("reaction", "edit", "revoke", "system", None)
        if shown and self.hear(channel, contact, wamid).find(wamid) is None:
            self.receive(channel, contact, message, float(at))

    def pricing(self, accepted: Accepted, *, count: bool = True) -> Json:
        """The `pricing` of a status: free up to the free tier, counted once a message."""
        if accepted.type == "template":
            found = [
                template.category
                for template in self.channel(accepted.phone_number_id).templates
                if template.name == accepted.body["template"]["name"]
            ]
            category = found[0].lower() if found else "utility"
            return _priced(category, free=False)
        used = self._billed.get(accepted.phone_number_id, 0)
        if count:
            self._billed[accepted.phone_number_id] = used + 1
        return _priced("service", free=used < self._world.settings.free_service_messages)


def _priced(category: str, *, free: bool) -> Json:
    return {
        "billable": not free,
        "pricing_model": "PMP",
        "type": "free_customer_service" if free else "regular",
        "category": category,
    }


def new_wamid() -> str:
    """A message id as WhatsApp makes them: opaque, with `=`, `/` and `+` in it now and then."""
    raw = b"\x1d\x0b15550001111\x15\x02\x00\x11\x18\x12" + uuid4().bytes + b"\x00"
    return "wamid." + base64.b64encode(raw).decode()
