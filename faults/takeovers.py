"""People take conversations over while the AI answers, and give some of them back."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

import httpx

from faults.feed import cookies
from faults.scenario import LATER, Broken, Scenario
from faults.site import Site
from frontdesk.simulator import Phone

_CONVERSATIONS = 60
_OVER_SECONDS = 6.0
# Debounce, two calls of the model and the send: a takeover hits any of them, or comes after all.
_MODEL_SECONDS = (0.2, 0.5)
_SEND_SECONDS = (0.1, 0.3)
_LATEST_SECONDS = 2.0


@dataclass(frozen=True)
class Taken:
    """What a takeover was told, and how many answers WhatsApp had accepted for the contact by then."""

    phone: Phone
    person: httpx.AsyncClient
    path: str
    ai_in_flight: bool
    accepted: int


async def _at_random(site: Site) -> None:
    """Each conversation is taken over at another moment, through the web process."""
    site.simulator.configure(
        model_latency_seconds=_MODEL_SECONDS, send_latency_seconds=_SEND_SECONDS
    )
    people = [await _person(site, number) for number in range(len(site.tenants))]
    try:
        taken = await asyncio.gather(
            *(_take_over(site, people, number) for number in range(_CONVERSATIONS))
        )
        await site.drain()
        _nothing_started(site, taken)
        for one in taken[::2]:
            await _post(one.person, f"{one.path}/release")
        await site.drain()
    finally:
        for person in people:
            await person.aclose()
    accepted = _accepted(site)
    if unanswered := sum(accepted[one.phone.contact.number] != 1 for one in taken[::2]):
        raise Broken(f"{unanswered} conversations that were given back were not answered once")


async def _person(site: Site, number: int) -> httpx.AsyncClient:
    (cookie,) = await cookies(site.resources, site.tenants[number].id, 1)
    return httpx.AsyncClient(
        base_url=f"{site.web_url}/api/v1",
        headers={"Cookie": cookie, "Sec-Fetch-Site": "same-origin"},
        timeout=20,
    )


async def _take_over(site: Site, people: list[httpx.AsyncClient], number: int) -> Taken:
    """A contact writes; some time after their conversation is seen somebody takes it over."""
    begins, pause = site.chance.uniform(0, _OVER_SECONDS), site.chance.uniform(0, _LATEST_SECONDS)
    place = number % len(people)
    await asyncio.sleep(begins)
    person, phone = people[place], site.phone(site.tenants[place])
    site.say(phone)
    found: list[Any] = []
    while not found:
        await asyncio.sleep(0.05)
        page = await person.get("/conversations", params={"contact": phone.contact.number})
        found = page.raise_for_status().json()["items"]
    await asyncio.sleep(pause)
    path = f"/conversations/{found[0]['id']}"
    told = await _post(person, f"{path}/take-over")
    accepted = _accepted(site)[phone.contact.number]
    return Taken(phone, person, path, told["ai_in_flight"], accepted)


async def _post(person: httpx.AsyncClient, path: str) -> Any:
    answer = await person.post(path)
    if not answer.is_success:
        raise Broken(f"{path} was answered {answer.status_code}: {answer.text}")
    return answer.json()


def _nothing_started(site: Site, taken: list[Taken]) -> None:
    """See that what was told of the wire was true, and that nothing was sent but that."""
    accepted = _accepted(site)
    for one in taken:
        sent = accepted[one.phone.contact.number]
        if one.ai_in_flight and sent != 1:
            raise Broken(f"an answer was said to be on the wire, and {sent} were sent")
        if not one.ai_in_flight and sent != one.accepted:
            raise Broken(f"{sent - one.accepted} answers started after a takeover")
    if {one.ai_in_flight for one in taken} != {True, False} or not 0 < accepted.total() < len(
        taken
    ):
        raise Broken("the moments were all alike")


def _accepted(site: Site) -> Counter[str]:
    """How many messages WhatsApp has accepted, by the number of the contact."""
    return Counter(entry.number or "" for entry in site.simulator.whatsapp.log)


SCENARIOS = (
    Scenario(
        name="taken-over-at-random",
        point="a person takes over at any moment of an answer, and gives half of them back",
        left="another epoch; on the wire what the takeover was told of",
        follows="no send of the AI starts; what was given back is answered",
        outcome="a person; once by the AI what was on the wire or given back",
        play=_at_random,
        ends=(LATER,),
    ),
)
