"""The outside world for the demo and for tests, over HTTP only.

A fake WhatsApp Cloud API with phones that write and read, a scripted model behind the addresses of
OpenAI and Groq, and a fake Stripe. It imports nothing else of Frontdesk, so that what passes against
it passes because of what crossed the wire.

    async with running(SimulatorSettings(app_secret="s", webhook_url=url)) as simulator:
        phone = simulator.phone("15550001111")
        phone.say("When do you ship?")
        reply = await phone.wait_for_reply()
"""

from frontdesk.simulator.accounts import APP_ID
from frontdesk.simulator.faults import (
    ModelFault,
    ModelFaultKind,
    SendFault,
    SendFaultKind,
    StripeFault,
    StripeFaultKind,
    plan_fault,
    read_wish,
)
from frontdesk.simulator.handset import NoReply, Phone
from frontdesk.simulator.phone import PhoneError, chat, send
from frontdesk.simulator.scripting import Billed, ModelRequest
from frontdesk.simulator.server import running, serve
from frontdesk.simulator.simulator import Simulator
from frontdesk.simulator.stripe import Stripe
from frontdesk.simulator.stripe_webhooks import sign_stripe
from frontdesk.simulator.threads import Bubble, Channel, Contact, Template, Ticks
from frontdesk.simulator.webhooks import Posting, escape, sign
from frontdesk.simulator.whatsapp import Accepted
from frontdesk.simulator.world import SimulatorSettings

__all__ = [
    "APP_ID",
    "Accepted",
    "Billed",
    "Bubble",
    "Channel",
    "Contact",
    "ModelFault",
    "ModelFaultKind",
    "ModelRequest",
    "NoReply",
    "Phone",
    "PhoneError",
    "Posting",
    "SendFault",
    "SendFaultKind",
    "Simulator",
    "SimulatorSettings",
    "Stripe",
    "StripeFault",
    "StripeFaultKind",
    "Template",
    "Ticks",
    "chat",
    "escape",
    "plan_fault",
    "read_wish",
    "running",
    "send",
    "serve",
    "sign",
    "sign_stripe",
]
