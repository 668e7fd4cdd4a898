"""What can't be promised, measured; and what is given up on purpose."""

import asyncio

from faults.scenario import Broken, Scenario
from faults.site import MOST_IN_BURST, Site
from frontdesk.simulator import SendFault, SendFaultKind

_ATTEMPTS = 6  # WORKER__MAX_ATTEMPTS by default.


async def _answer_and_status_lost(site: Site) -> None:
    """WhatsApp takes a fifth of the messages; of these neither answer nor status ever comes."""
    fault = SendFault(SendFaultKind.HANG_AND_LOSE_STATUS, seconds=3)
    site.simulator.whatsapp.faults.share(fault, 0.2)
    await site.chat(contacts=24)
    # Those who write while the outcome is unknown prove the channel alive, and are served well.
    await site.until(lambda: _has_unknown(site), 60, "no send became unknown")
    await asyncio.sleep(3)
    # An answer is to a burst.
    site.most_twice = MOST_IN_BURST * site.simulator.whatsapp.faults.taken[fault.kind]
    site.simulator.whatsapp.faults.clear()


async def _has_unknown(site: Site) -> bool:
    return bool(await site.sql("SELECT 1 FROM outbound WHERE state = 'unknown'"))


async def _poison_conversation(site: Site) -> None:
    """One contact's burst kills each worker that claims it, and others write all the while."""
    phone = site.phone()
    site.say(phone)
    await site.drain()
    (row,) = await site.sql("SELECT id FROM conversation")
    plan = await site.arm("after_claim", times=_ATTEMPTS, only=row["id"])
    site.say(phone)
    for deaths in range(1, _ATTEMPTS + 1):
        await site.chat(contacts=3, bursts=1, over_seconds=1)
        await site.drain(enough=lambda n=deaths: len(plan.deaths()) >= n)
    await site.drain()
    if not plan.is_fulfilled:
        raise Broken(f"it killed {len(plan.deaths())} workers, not {_ATTEMPTS}")


async def _poison_webhook(site: Site) -> None:
    """Bodies nobody can read come between the others', signed as they should be."""
    for body in (b"{", b"[[1]]", b'{"entry": 7}', b"\xff\xfe"):
        site.simulator.post(body)
    await site.chat()
    await site.drain()
    rows = await site.sql("SELECT 1 FROM webhook_event WHERE state = 'dead'")
    if not rows:
        raise Broken("no webhook was put aside as dead")


SCENARIOS = (
    Scenario(
        name="conversation-kills-workers",
        point="a conversation that kills its worker each time",
        left="attempts, counted at the claim",
        follows="after 6 a person gets it",
        outcome="a person; others once",
        play=_poison_conversation,
        ends=("a person has it, stuck",),
        most_to_person=1,
    ),
    Scenario(
        name="webhook-cannot-be-read",
        point="a webhook that can't be read",
        left="the raw webhook, `dead`",
        follows="[runbooks](runbooks/README.md)",
        outcome="others once",
        play=_poison_webhook,
    ),
    Scenario(
        name="residual-case",
        point="WhatsApp took it; answer and status are lost while other webhooks flow",
        left="`unknown`",
        follows="the channel is proven alive: sent again",
        outcome="**twice: the residual case**",
        play=_answer_and_status_lost,
        residual=True,
        settings={"WHATSAPP__SEND_TIMEOUT_SECONDS": "1"},
    ),
)
