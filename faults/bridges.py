"""A human agent answers from their own WhatsApp, and workers die at each step of what is passed on."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx

from faults.crashes import happened
from faults.feed import cookies
from faults.scenario import Broken, Scenario
from faults.site import Site
from frontdesk.simulator import Phone

# Deaths of a worker that has heard a human agent; the other steps are those of any message.
BRIDGE_POINTS = ("before_hear_commit",)
_STEPS = (
    *BRIDGE_POINTS,
    "before_receive_commit",
    "before_settle",
    "after_mark",
    "after_post",
    "after_finish",
)
_OWN = "4917700000009"
_EACH_WAY = 6


async def _dies_relaying(site: Site) -> None:
    """A contact and a human agent write to each other while workers die, and nobody else writes."""
    tenant = site.tenants[0]
    await site.sql("UPDATE agent_version SET config = config || '{\"bridge_enabled\": true}'")
    (cookie,) = await cookies(site.resources, tenant.id, 1)
    own = site.simulator.phone(_OWN, channel=tenant.phone_number_id)
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(base_url=f"{site.web_url}/api/v1", headers=headers) as person:
        code = await _told(person, "POST", "/me/whatsapp/code")
        await own.say(code["code"])
        await site.drain()
        await _told(person, "PUT", "/me/availability", {"presence": "online"})
    contact = site.phone(tenant)
    await contact.say("I want to talk to a human being")
    await site.until(lambda: "You now have" in str(own.replies), 20, "nobody has it on the phone")
    told, shown = len(own.replies), len(contact.replies)
    plan = await site.arm(*_STEPS, times=1)
    for number in range(_EACH_WAY):
        contact.say(f"Question {number}", copies=1 + number % 2)
        own.say(f"Answer {number}", copies=1 + number % 2)
        await asyncio.sleep(0.3)
    await site.drain()
    happened(site, plan)
    _each_once(contact, contact.replies[shown:], [f"Answer {n}" for n in range(_EACH_WAY)])
    name = own.replies[told].partition(" Question")[0]
    _each_once(own, own.replies[told:], [f"{name} Question {n}" for n in range(_EACH_WAY)])
    await site.chat(contacts=6, bursts=1)


def _each_once(phone: Phone, found: Sequence[str], wanted: Sequence[str]) -> None:
    if sorted(found) != sorted(wanted):
        raise Broken(f"{phone.contact.number} got {sorted(found)}, not each of {len(wanted)} once")


async def _told(person: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await person.request(method, path, json=body)
    if not answer.is_success:
        raise Broken(f"{path} was answered {answer.status_code}: {answer.text}")
    return answer.json()


SCENARIOS = (
    Scenario(
        name="worker-dies-relaying",
        point="worker, once at each step of what goes to a human agent's own phone and comes from it",
        left="the raw webhook, claimed; the row for the phone, `pending`, `sending` or `sent`",
        follows="heard again, and known; sent as any message is",
        outcome="passed on once, both ways",
        play=_dies_relaying,
    ),
)
