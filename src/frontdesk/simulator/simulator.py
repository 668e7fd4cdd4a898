"""The simulator as one object: WhatsApp, the phones, the model, the shop, Stripe, the webhooks."""

from collections.abc import Iterable
from typing import Any

import httpx

from frontdesk.simulator.delivery import Delivery
from frontdesk.simulator.handset import Phone
from frontdesk.simulator.scripting import ScriptedModel
from frontdesk.simulator.shop import Shop
from frontdesk.simulator.stripe import Stripe
from frontdesk.simulator.threads import Channel
from frontdesk.simulator.webhooks import VALID, Posting, Webhooks, whole
from frontdesk.simulator.whatsapp import WhatsApp
from frontdesk.simulator.wire import read_json
from frontdesk.simulator.world import Json, SimulatorSettings, World, random_digits, seeded


class Simulator:
    """The outside world in one process.

    Args:
        settings: how it behaves.
        client: posts the webhooks; give one with an ASGI transport to reach an application
            without a port. By default a client of its own, over TCP.
    """

    def __init__(
        self, settings: SimulatorSettings, client: httpx.AsyncClient | None = None
    ) -> None:
        self.world = World(settings)
        self.webhooks = Webhooks(self.world, client)
        self.whatsapp = WhatsApp(self.world)
        self.delivery = Delivery(self.world, self.whatsapp, self.webhooks)
        self.model = ScriptedModel(self.world)
        self.shop = Shop()
        self.shop.reset()
        self.stripe = Stripe(self.world, client)
        self.url = ""
        """Where it listens, without a slash at the end; empty until it does."""
        self._last: dict[tuple[str, str], Posting] = {}

    @property
    def settings(self) -> SimulatorSettings:
        """The settings in force; change them with `configure`."""
        return self.world.settings

    def configure(self, **changes: Any) -> SimulatorSettings:
        """Change settings while running: `configure(webhook_url=…)`."""
        return self.world.configure(**changes)

    @property
    def openai_url(self) -> str:
        """Base of the OpenAI-compatible model."""
        return f"{self.url}/openai/v1"

    @property
    def groq_url(self) -> str:
        """Base of the same model at Groq's path."""
        return f"{self.url}/groq/openai/v1"

    @property
    def shop_url(self) -> str:
        """Base of the shop's API, for tools."""
        return f"{self.url}/shop"

    @property
    def stripe_url(self) -> str:
        """Base of Stripe's API."""
        return f"{self.url}/stripe"

    def register_channel(self, phone_number_id: str, **known: Any) -> Channel:
        """Make a business number known: waba_id, display_phone_number, token, templates, …"""
        return self.whatsapp.register_channel(phone_number_id, **known)

    def sign_up(
        self, phone_number_id: str | None = None, *, known: Json | None = None, **how: Any
    ) -> tuple[Channel, str]:
        """Go through Embedded Signup as a business: its number, and the code its page is given.

        Args:
            phone_number_id: a known number, or a new one, which is not registered yet.
            known: of the number, as `register_channel` takes it.
            how: `token_days`, `scopes`, `app_id`.
        """
        phone_number_id = phone_number_id or f"1{random_digits(14)}"
        is_new = phone_number_id not in self.whatsapp.channels
        # Meta gives the account with the number; nobody else's may come out the same.
        new = {"status": "PENDING", "waba_id": f"2{random_digits(14)}"} if is_new else {}
        channel = self.register_channel(phone_number_id, **(new | (known or {})))
        return channel, self.whatsapp.accounts.sign_up(channel.waba_id, **how)

    def phone(
        self, number: str = "15550001111", *, channel: str | Channel | None = None, **known: Any
    ) -> Phone:
        """The phone of a contact, with its chat with a business number (the first one).

        `known`: name, username, number_hidden, own_bsuid, online, chat_open, aliases.
        """
        wanted = channel.phone_number_id if isinstance(channel, Channel) else channel
        contact = self.whatsapp.contact(number, **known)
        thread = self.whatsapp.thread(self.whatsapp.channel(wanted), contact)
        return Phone(
            self.world,
            thread,
            whatsapp=self.whatsapp,
            webhooks=self.webhooks,
            delivery=self.delivery,
            last=self._last,
        )

    def post(self, payload: Json | bytes, **how: Any) -> Posting:
        """Post any webhook body; `how`: signature, copies, retry, as `Webhooks.post` takes them.

        Messages in it for a registered number count as sent: the window opens, they can be read.
        """
        self.whatsapp.notice(read_json(payload) if isinstance(payload, bytes) else payload)
        signature = how.pop("signature", VALID)
        about = how.pop("about", "raw")
        return self.webhooks.post(payload, signature=signature, about=about, **how)

    def post_change(self, channel: Channel, field: str, value: Json, **how: Any) -> Posting:
        """Post one change of any field for a number's account: `account_update`, …"""
        return self.post(whole([(channel.waba_id, field, value)]), about=field, **how)

    def post_together(self, bodies: Iterable[Json], **how: Any) -> Posting:
        """Post the entries of several webhook bodies as one, as Meta may batch them."""
        entries = [entry for body in bodies for entry in body["entry"]]
        return self.post({"object": "whatsapp_business_account", "entry": entries}, **how)

    async def settle(self, timeout_seconds: float = 10.0) -> None:
        """Wait until every webhook is delivered or given up and every status posted."""
        await self.world.settle(timeout_seconds)

    @property
    def is_settled(self) -> bool:
        """Whether no webhook and no status is on its way."""
        return not self.world.is_busy

    async def reset(self, settings: SimulatorSettings | None = None) -> None:
        """Forget everything that happened and what was prepared; business numbers stay.

        Args:
            settings: to go back to; None keeps those in force.
        """
        await self.world.cancel_tasks()
        self.world.settings = settings or self.world.settings
        self.world.chance = seeded(self.world.settings.seed)
        self._last.clear()
        self.whatsapp.reset()
        self.delivery.reset()
        self.model.reset()
        self.shop.reset()
        self.stripe.reset()
        self.webhooks.postings.clear()

    async def aclose(self) -> None:
        """Stop all background work."""
        self.world.closing = True
        await self.world.cancel_tasks()
        await self.webhooks.aclose()
        await self.stripe.webhooks.aclose()
