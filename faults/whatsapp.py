"""WhatsApp that refuses, throttles, hangs, forgets what it took, or tells it late."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from uuid import uuid4

from pydantic import SecretStr

from faults.scenario import LATER, Broken, Scenario
from faults.site import Site
from frontdesk.messaging import resume_by_admin
from frontdesk.messaging.channels import replace_access_token
from frontdesk.simulator import SendFault, SendFaultKind

NEW_TOKEN = "EAAB-faults-new"  # No secret: the simulator's.
# A send without an answer is given up soon, where the length of that wait proves nothing.
_SOON = {"WHATSAPP__SEND_TIMEOUT_SECONDS": "1"}
# How many sends meet a fault of which each needs a wait of its own to be cleared up.
_HIT = 6
# Longer than it takes to give up a send, and to write that down.
_SLOW_STATUS_SECONDS = (2.0, 2.5)
_PACE_PER_SECOND = 2
_QUARTER_HOUR = 900.0
# The first open send of each conversation; what waits behind it comes after it.
_FIRST = """
SELECT DISTINCT ON (conversation_id) due_at FROM outbound
WHERE state IN ('pending', 'sending', 'unknown') ORDER BY conversation_id, created_at, seq, id
"""
_THROTTLED = SendFault(SendFaultKind.ERROR, code=130429)


def _a_share(*faults: SendFault, each: float) -> Callable[[Site], Awaitable[None]]:
    async def play(site: Site) -> None:
        """A send each and a share of all others meet the faults."""
        plan = site.simulator.whatsapp.faults
        for fault in faults:
            plan.next(fault)
            plan.share(fault, each)
        await site.chat()
        await _wait_out(site)
        _happened(site, faults)

    return play


def _some(*faults: SendFault, unknown: bool = False) -> Callable[[Site], Awaitable[None]]:
    async def play(site: Site) -> None:
        """Some of the first sends meet the faults in turn, others between them do not.

        Where their outcome is to be unknown, statuses take so long that they are seen to be.
        """
        if unknown:
            site.simulator.configure(status_delay_seconds=_SLOW_STATUS_SECONDS)
        _hit_some(site, faults)
        await site.chat()
        if all(fault.graph_body for fault in faults):
            await _wait_out(site)
        await site.drain()
        _happened(site, faults)
        if unknown:
            await site.became_unknown(_HIT)

    return play


def _hit_some(site: Site, faults: Sequence[SendFault]) -> None:
    for number in range(_HIT):
        site.simulator.whatsapp.faults.sequence([faults[number % len(faults)], None])


def _happened(site: Site, faults: Sequence[SendFault]) -> None:
    missing = set(faults) - set(site.simulator.whatsapp.faults.met)
    if missing:
        raise Broken(f"no send met {', '.join(sorted(map(str, missing)))}")


async def _late(site: Site) -> None:
    """Answers to sends are lost, and their statuses take seconds."""
    site.simulator.configure(status_delay_seconds=(3.0, 4.0))
    lost = (SendFault(SendFaultKind.DROP_AFTER),)
    _hit_some(site, lost)
    await site.chat()
    await site.until(lambda: _all_accepted(site), 30, "not everything was sent")
    await site.simulator.settle(30)
    _happened(site, lost)
    await site.became_unknown(_HIT)


async def _all_accepted(site: Site) -> bool:
    """Whether everything is received and decided, and no send is under way."""
    return await _all_decided(site) and not await site.sql(
        "SELECT 1 FROM outbound WHERE state IN ('pending', 'sending')"
    )


async def _all_decided(site: Site) -> bool:
    """Whether every message has been received and its burst has its turn."""
    received = await site.sql("SELECT 1 FROM message WHERE direction = 'in'")
    undecided = await site.sql(
        "SELECT 1 FROM conversation WHERE status = 'ACTIVE' AND inbound_seq > handled_seq"
    )
    return len(received) == len(site.written) and not undecided


async def _token_refused(site: Site) -> None:
    """One tenant's token is refused until an admin gives a new one; the others' are not."""
    tenant, *others = site.tenants
    whatsapp = site.simulator.whatsapp
    whatsapp.register_channel(tenant.phone_number_id, token=NEW_TOKEN)
    await site.chat()
    await site.until(
        lambda: site.sql(
            "SELECT 1 FROM channel WHERE id = $1 AND status = 'PAUSED'", tenant.channel_id
        ),
        20,
        "the channel was not paused",
    )
    await site.until(lambda: _is_done(site, [t.channel_id for t in others]), 30, "others wait too")
    refused = await site.sql(
        "SELECT 1 FROM outbound WHERE channel_id = $1 AND state <> 'pending'", tenant.channel_id
    )
    if refused:
        raise Broken(f"{len(refused)} sends of the paused channel do not wait")
    async with site.resources.db.transaction(tenant.id) as session:
        await replace_access_token(
            session, site.resources, tenant.channel_id, SecretStr(NEW_TOKEN), user_id=uuid4()
        )
        await resume_by_admin(session, tenant.channel_id, None, user_id=None)
    await site.drain()
    whatsapp.register_channel(tenant.phone_number_id, token=None)


async def _is_done(site: Site, channel_ids: Sequence[object]) -> bool:
    rows = await site.sql(
        "SELECT 1 FROM outbound WHERE channel_id = ANY($1) "
        "AND state IN ('pending', 'sending', 'unknown')",
        list(channel_ids),
    )
    return not rows


async def _throttled_for_long(site: Site) -> None:
    """Every send is refused for a quarter of an hour; then they go out at the channel's pace."""
    plan = site.simulator.whatsapp.faults
    plan.share(_THROTTLED, 1.0)
    await site.chat(contacts=15)
    await _pass(site, _QUARTER_HOUR)
    if site.simulator.whatsapp.log:
        raise Broken("something was accepted during the outage")
    plan.clear()
    await _wait_out(site)
    _paced(site)


async def _out_of_order_for_long(site: Site) -> None:
    """WhatsApp answers for a quarter of an hour that it is out of service."""
    plan = site.simulator.whatsapp.faults
    down = SendFault(SendFaultKind.SERVER_ERROR, code=131016, http_status=503, graph_body=True)
    plan.share(down, 1.0)
    await site.chat()
    await _pass(site, _QUARTER_HOUR)
    plan.clear()
    await _wait_out(site)


async def _pass(site: Site, seconds: float) -> None:
    """Let the time of an outage pass, with every attempt that falls into it."""
    left = seconds
    while left > 0 and (pause := await _pause(site)):
        left -= await _skip(site, min(pause, left))


async def _wait_out(site: Site) -> None:
    """Let the pauses pass that refused sends make, until none is left."""
    while pause := await _pause(site):
        await _skip(site, pause)


async def _pause(site: Site) -> float:
    """Seconds until each send that was refused has been tried again; 0 when none waits."""
    await site.until(lambda: _at_rest(site), 30, "sends do not come to rest")
    rows = await site.sql(
        f"SELECT max(extract(epoch FROM due_at - now()))::float8 AS seconds FROM ({_FIRST}) AS first"
    )
    return rows[0]["seconds"] or 0.0


async def _skip(site: Site, seconds: float) -> float:
    await site.until(lambda: site.clock.skip(seconds), 20, "rows stay locked")
    return seconds


async def _at_rest(site: Site) -> bool:
    """Whether everything is decided, and the first send of each conversation waits to be retried."""
    return await _all_decided(site) and not await site.sql(
        f"SELECT 1 FROM ({_FIRST}) AS first WHERE due_at < now() + interval '2 seconds'"
    )


def _paced(site: Site) -> None:
    """See that no number got more sends in a second than what it had saved up and its share."""
    times: dict[str, list[float]] = defaultdict(list)
    for accepted in site.simulator.whatsapp.log:
        times[accepted.phone_number_id].append(accepted.at)
    for number, sent_at in times.items():
        sent_at.sort()
        for index, at in enumerate(sent_at):
            crowd = sum(at <= other < at + 1 for other in sent_at[index:])
            if crowd > 2 * _PACE_PER_SECOND + 1:
                raise Broken(f"{crowd} sends in a second from {number}")


async def _window_closes(site: Site) -> None:
    """Sends are refused for so long that the 24-hour windows close meanwhile."""
    plan = site.simulator.whatsapp.faults
    plan.share(_THROTTLED, 1.0)
    await site.chat(contacts=6, bursts=1)
    await site.until(lambda: _at_rest(site), 30, "sends do not come to rest")
    await site.sql("UPDATE conversation SET last_inbound_at = last_inbound_at - interval '1 day'")
    plan.clear()
    await site.drain()
    if site.simulator.whatsapp.log:
        raise Broken("a message was sent after the window had closed")


SCENARIOS = (
    Scenario(
        name="whatsapp-throttles",
        point="WhatsApp throttles: 429, with and without words of its own, or a throttle code",
        left="`pending`",
        follows="sent again after 1, 4, 16, 64 … s, for half an hour",
        outcome="once, late",
        play=_a_share(
            _THROTTLED,
            SendFault(SendFaultKind.ERROR, code=80007),
            SendFault(SendFaultKind.ERROR, code=4, http_status=429),
            SendFault(SendFaultKind.SERVER_ERROR, http_status=429),
            each=0.08,
        ),
    ),
    Scenario(
        name="whatsapp-pair-rate",
        point="WhatsApp refuses: too many messages to this contact",
        left="`pending`",
        follows="the same; other contacts do not wait",
        outcome="once, late",
        play=_a_share(SendFault(SendFaultKind.ERROR, code=131056), each=0.3),
    ),
    Scenario(
        name="whatsapp-throttles-for-long",
        point="WhatsApp throttles everything for a quarter of an hour",
        left="`pending`",
        follows="sent in order and at the number's own pace once it ends",
        outcome="once, late",
        play=_throttled_for_long,
        settings={"WHATSAPP__MAX_PER_SECOND": str(_PACE_PER_SECOND)},
    ),
    Scenario(
        name="whatsapp-5xx-with-words",
        point="WhatsApp answers 5xx in its own words",
        left="`pending`",
        follows="sent again in the same steps, for half an hour at least",
        outcome="once, late",
        play=_some(
            SendFault(SendFaultKind.SERVER_ERROR, code=131000, graph_body=True),
            SendFault(SendFaultKind.SERVER_ERROR, code=131016, http_status=503, graph_body=True),
            SendFault(SendFaultKind.SERVER_ERROR, code=2, http_status=503, graph_body=True),
        ),
    ),
    Scenario(
        name="whatsapp-out-for-long",
        point="WhatsApp answers for a quarter of an hour that it is out of service",
        left="`pending`",
        follows="sent again at most every 256 s, until the 24-hour window closes",
        outcome="once, late",
        play=_out_of_order_for_long,
    ),
    Scenario(
        name="whatsapp-5xx-not-accepted",
        point="WhatsApp answers 5xx without words of its own, and did not take it",
        left="`unknown`",
        follows="no status, and the channel is proven alive: sent again",
        outcome="once, about 60 s late",
        play=_some(SendFault(SendFaultKind.SERVER_ERROR, http_status=502), unknown=True),
    ),
    Scenario(
        name="whatsapp-5xx-accepted",
        point="WhatsApp takes it, then answers 5xx",
        left="`unknown`",
        follows="its status settles it",
        outcome="once",
        play=_some(SendFault(SendFaultKind.ACCEPT_THEN_ERROR), unknown=True),
    ),
    Scenario(
        name="whatsapp-hangs-not-accepted",
        point="WhatsApp hangs, and did not take it",
        left="`unknown`",
        follows="no status, and the channel is proven alive: sent again",
        outcome="once, about 60 s late",
        play=_some(SendFault(SendFaultKind.HANG_BEFORE), unknown=True),
        settings=_SOON,
    ),
    Scenario(
        name="whatsapp-hangs-accepted",
        point="WhatsApp takes it, then hangs",
        left="`unknown`",
        follows="its status settles it",
        outcome="once",
        play=_some(SendFault(SendFaultKind.HANG_AFTER), unknown=True),
        settings=_SOON,
    ),
    Scenario(
        name="whatsapp-cuts-connections",
        point="the connection is cut, before or after WhatsApp took it",
        left="`unknown`",
        follows="a status settles it, or it is sent again on evidence",
        outcome="once, perhaps late",
        play=_some(
            SendFault(SendFaultKind.DROP_BEFORE), SendFault(SendFaultKind.DROP_AFTER), unknown=True
        ),
    ),
    Scenario(
        name="whatsapp-loses-statuses",
        point="WhatsApp takes it and answers; its statuses are lost",
        left="`sent`",
        follows="–",
        outcome="once",
        play=_a_share(SendFault(SendFaultKind.LOSE_STATUS), each=0.4),
    ),
    Scenario(
        name="whatsapp-confuses-statuses",
        point="statuses come twice, backwards, or before the answer",
        left="`sent`",
        follows="ticks only move forwards",
        outcome="once",
        play=_a_share(
            SendFault(SendFaultKind.DOUBLE_STATUS),
            SendFault(SendFaultKind.REVERSE_STATUS),
            SendFault(SendFaultKind.EARLY_STATUS),
            each=0.3,
        ),
    ),
    Scenario(
        name="whatsapp-statuses-are-late",
        point="the answer is lost, and the status seconds late",
        left="`unknown`",
        follows="the status settles it",
        outcome="once",
        play=_late,
    ),
    Scenario(
        name="whatsapp-refuses-the-token",
        point="WhatsApp refuses a tenant's token",
        left="the channel paused, its rows `pending`",
        follows="an admin gives a new token and resumes; other tenants notice nothing",
        outcome="once, late",
        play=_token_refused,
    ),
    Scenario(
        name="whatsapp-window-closes",
        point="the 24-hour window closes before it could be sent",
        left="`failed`",
        follows="the conversation goes to a person",
        outcome="a person",
        play=_window_closes,
        ends=("a person has it, the reply failed", LATER),
    ),
    Scenario(
        name="whatsapp-refuses-for-good",
        point="WhatsApp refuses for good",
        left="`failed`",
        follows="the conversation goes to a person",
        outcome="a person",
        play=_some(
            SendFault(SendFaultKind.ERROR, code=131009),
            SendFault(SendFaultKind.ERROR, code=131047),
            SendFault(SendFaultKind.FAILED, code=131026),
        ),
        ends=("a person has it, the reply failed", LATER),
    ),
)
