"""A contact's phone, as a test or the control API holds it in the hand."""

from typing import Any

from frontdesk.simulator.delivery import Delivery
from frontdesk.simulator.media import Media, picture, voice_note
from frontdesk.simulator.threads import Bubble, Channel, Contact, Thread, Ticks
from frontdesk.simulator.webhooks import VALID, Posting, Webhooks, envelope
from frontdesk.simulator.whatsapp import WhatsApp, new_wamid
from frontdesk.simulator.world import Json, World


class NoReply(AssertionError):
    """The business did not answer in time."""


class Phone:
    """One contact's chat with one business number.

    Whatever is written returns a `Posting` at once; awaiting it waits until the desk took it.
    """

    def __init__(
        self,
        world: World,
        thread: Thread,
        *,
        whatsapp: WhatsApp,
        webhooks: Webhooks,
        delivery: Delivery,
        last: dict[tuple[str, str], Posting],
    ) -> None:
        self._world = world
        self._whatsapp = whatsapp
        self._webhooks = webhooks
        self._delivery = delivery
        self._last = last
        self.thread = thread

    @property
    def contact(self) -> Contact:
        """The person who holds the phone."""
        return self.thread.contact

    @property
    def channel(self) -> Channel:
        """The business number written to."""
        return self.thread.channel

    @property
    def messages(self) -> list[Bubble]:
        """The whole chat, oldest first."""
        return self.thread.bubbles

    @property
    def replies(self) -> list[str]:
        """The texts the business wrote, oldest first."""
        return [bubble.text for bubble in self.thread.replies]

    @property
    def typing(self) -> bool:
        """Whether the phone shows that the business is typing."""
        return self.thread.typing_until > self._world.now()

    @property
    def bsuid(self) -> str:
        """The contact's id for this business."""
        return self.contact.bsuid(self.channel.business_id)

    # Writing

    def say(
        self, text: str, *, quote: str | None = None, sent_at: float | None = None, **post: Any
    ) -> Posting:
        """Write a text; `quote` names the message it answers, `sent_at` backdates it.

        `post`: wamid, copies, signature, retry, as `write` takes them.
        """
        return self.write(
            {"type": "text", "text": {"body": text}}, quote=quote, sent_at=sent_at, **post
        )

    def say_together(self, *texts: str, **post: Any) -> Posting:
        """Write several texts that arrive in one webhook."""
        return self.write(*({"type": "text", "text": {"body": text}} for text in texts), **post)

    def send_image(
        self,
        caption: str | None = None,
        *,
        shows: str = "",
        content: bytes | None = None,
        mime_type: str = "image/png",
        **post: Any,
    ) -> Posting:
        """Send a picture that shows this; its bytes can be fetched through the media endpoints."""
        named = {"caption": caption} if caption else {}
        media = self._whatsapp.media.add(content or picture(shows), mime_type)
        return self._send_media("image", media, named, post)

    def send_audio(
        self,
        words: str = "",
        *,
        content: bytes | None = None,
        mime_type: str = "audio/ogg; codecs=opus",
        voice: bool = True,
        **post: Any,
    ) -> Posting:
        """Send a voice message that says `words` (or an attached file with `voice=False`)."""
        media = self._whatsapp.media.add(content or voice_note(words), mime_type)
        return self._send_media("audio", media, {"voice": voice}, post)

    def send_document(
        self,
        filename: str,
        content: bytes,
        *,
        mime_type: str = "application/pdf",
        caption: str | None = None,
        **post: Any,
    ) -> Posting:
        """Send a file."""
        media = self._whatsapp.media.add(content, mime_type, filename)
        named = {"filename": filename, **({"caption": caption} if caption else {})}
        return self._send_media("document", media, named, post)

    def _send_media(
        self, kind: str, media: Media, more: dict[str, Any], post: dict[str, Any]
    ) -> Posting:
        part = self._whatsapp.media.webhook(media, **more)
        return self.write({"type": kind, kind: part}, **post)

    def send_location(
        self, latitude: float = 52.52, longitude: float = 13.405, name: str = "", **post: Any
    ) -> Posting:
        """Share a place."""
        place: Json = {"latitude": latitude, "longitude": longitude}
        if name:
            place["name"] = name
        return self.write({"type": "location", "location": place}, **post)

    def share_number(self, **post: Any) -> Posting:
        """Share one's own number as a contact card, as asked for by `request_contact_info`."""
        card = {
            "name": {"formatted_name": self.contact.name, "first_name": self.contact.name},
            "phones": [
                {"phone": f"+{self.contact.number}", "wa_id": self.contact.number, "type": "CELL"}
            ],
            "origin": "contact_request",
        }
        return self.write({"type": "contacts", "contacts": [card]}, **post)

    def tap(self, button: str, **post: Any) -> Posting:
        """Tap a button or list row, by title or id, of the newest message that has it.

        Raises:
            LookupError: no message of the business shows such a button.
        """
        for bubble in reversed(self.thread.bubbles):
            for button_id, title in bubble.buttons:
                if button in (button_id, title):
                    post.setdefault("quote", bubble.wamid)
                    if bubble.type == "template":
                        tapped = {"payload": button_id, "text": title}
                        return self.write({"type": "button", "button": tapped}, **post)
                    kind = "list_reply" if "sections" in str(bubble.body) else "button_reply"
                    reply = {"type": kind, kind: {"id": button_id, "title": title}}
                    return self.write({"type": "interactive", "interactive": reply}, **post)
        raise LookupError(f"no button {button!r} is on the screen")

    def react(self, emoji: str = "👍", wamid: str | None = None, **post: Any) -> Posting:
        """React to a message of the business (the newest); an empty emoji takes it back."""
        target = wamid or self.thread.replies[-1].wamid
        reaction: Json = {"message_id": target}
        if emoji:
            reaction["emoji"] = emoji
        if bubble := self.thread.find(target):
            bubble.reaction = emoji or None
        return self.write({"type": "reaction", "reaction": reaction}, shown=False, **post)

    def edit(self, wamid: str, text: str, **post: Any) -> Posting:
        """Edit an earlier message (the desk sees this only on coexistence numbers)."""
        if bubble := self.thread.find(wamid):
            bubble.text, bubble.edited = text, True
        inner = {"context": {"id": "M0"}, "type": "text", "text": {"body": text}}
        edit = {"original_message_id": wamid, "message": inner}
        return self.write({"type": "edit", "edit": edit}, shown=False, **post)

    def revoke(self, wamid: str, **post: Any) -> Posting:
        """Delete an earlier message for everyone."""
        if bubble := self.thread.find(wamid):
            bubble.text, bubble.revoked = "", True
        revoke = {"type": "revoke", "revoke": {"original_message_id": wamid}}
        return self.write(revoke, shown=False, **post)

    def write(
        self,
        *messages: Json,
        quote: str | None = None,
        sent_at: float | None = None,
        wamid: str | None = None,
        shown: bool = True,
        copies: int = 1,
        signature: str | None = VALID,
        retry: bool = True,
    ) -> Posting:
        """Post message objects, each completed with sender, id and time unless it has them.

        Args:
            messages: `{"type": …, <type>: …}`; several go into one webhook.
            quote: the message they answer.
            sent_at: Unix seconds, to backdate; the service window counts from there.
            wamid: of the first message; give it again to send the same message again.
            shown: whether they appear as bubbles in the chat (a reaction does not).
            copies: how often the same webhook is posted, side by side.
            signature: `VALID`, None for no header, or the header's value.
            retry: whether an answer other than 200 is tried again.
        """
        at = self._world.now() if sent_at is None else sent_at
        ids = [wamid or new_wamid(), *(new_wamid() for _ in messages[1:])]
        complete = [
            self._complete(message, id_, at, quote)
            for message, id_ in zip(messages, ids, strict=True)
        ]
        for message in complete:
            self._whatsapp.hear(self.channel, self.contact, message["id"])
        fresh = [
            self._whatsapp.receive(self.channel, self.contact, message, at)
            for message in complete
            if shown and self.thread.find(message["id"]) is None
        ]
        if not shown:
            self.thread.touch()
        profile = self.contact.profile(self.channel.business_id)
        key = (self.channel.phone_number_id, self.contact.number)
        posting = self._webhooks.post(
            envelope(self.channel, contacts=[profile], messages=complete),
            signature=signature,
            copies=copies,
            retry=retry,
            wamids=tuple(message["id"] for message in complete),
            about="message",
            after=self._last.get(key) if self._world.settings.inbound_in_order else None,
        )
        self._last[key] = posting
        self._world.spawn(self._tick_when_taken(posting, fresh))
        return posting

    def _complete(self, message: Json, wamid: str, at: float, quote: str | None) -> Json:
        head: Json = {} if self.contact.number_hidden else {"from": self.contact.number}
        head |= {"from_user_id": self.bsuid, "id": wamid, "timestamp": str(int(at))}
        if quote is not None:
            head["context"] = {"from": self.channel.display_phone_number, "id": quote}
        return {**head, **message}

    async def _tick_when_taken(self, posting: Posting, bubbles: list[Bubble]) -> None:
        await posting
        if posting.delivered:
            for bubble in bubbles:
                self.thread.tick(bubble, Ticks.DELIVERED)

    # Reading

    async def wait_for_reply(self, timeout_seconds: float = 10.0) -> Bubble:
        """The next message of the business that was not returned before.

        Raises:
            NoReply: none came in time.
        """
        thread = self.thread
        waited = thread.replies_taken
        if not await thread.wait_until(lambda: len(thread.replies) > waited, timeout_seconds):
            raise NoReply(f"no reply to {self.contact.number} within {timeout_seconds} s")
        thread.replies_taken += 1
        return thread.replies[waited]

    async def wait_for_ticks(
        self, wamid: str, ticks: Ticks | str, timeout_seconds: float = 10.0
    ) -> None:
        """Wait until a message of either side has come this far; raises NoReply otherwise."""
        order = [Ticks.PENDING, Ticks.SENT, Ticks.DELIVERED, Ticks.READ, Ticks.FAILED]

        def arrived() -> bool:
            bubble = self.thread.find(wamid)
            return bubble is not None and order.index(bubble.ticks) >= order.index(Ticks(ticks))

        if not await self.thread.wait_until(arrived, timeout_seconds):
            raise NoReply(f"{wamid} is not {ticks} within {timeout_seconds} s")

    def go_offline(self) -> None:
        """Let messages to this phone wait."""
        self.contact.online = False

    def come_online(self) -> None:
        """Receive what has waited."""
        self.contact.online = True
        self._delivery.come_online(self.contact.number)
        self.thread.touch()

    def close_chat(self) -> None:
        """Let messages be delivered, not read."""
        self.contact.chat_open = False

    def open_chat(self) -> None:
        """Read what was delivered."""
        self.contact.chat_open = True
        self._delivery.open_chat(self.thread)
