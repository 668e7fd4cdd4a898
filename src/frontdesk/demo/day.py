"""A scripted day at the shop: the AI and its contacts, and people who step in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import httpx

from frontdesk.demo.outside import Json, Phone, ask_simulator, until, watching
from frontdesk.demo.seed import Team
from frontdesk.demo.seeing import Day, Script, Sight, cost_of, require

# Long enough for an answer nobody wants to show itself: the debounce, a model call and a send.
_QUIET_SECONDS = 1.6
_TICKS = ["sent", "delivered", "read"]


@dataclass
class ShopDay(Day):
    """The day, and what earlier steps have left behind."""

    maya: Phone = field(init=False)
    maya_id: str = ""
    """Maya's conversation, in which most of the day happens."""
    answered_turn_id: str = ""

    def __post_init__(self) -> None:
        self.maya = self.phone("14155550201")


@asynccontextmanager
async def _begin(team: Team, simulator: httpx.AsyncClient) -> AsyncIterator[ShopDay]:
    async with watching(team.admin) as feed:
        yield ShopDay(team, feed, simulator)


async def handshake(day: ShopDay) -> Sight:
    """Meta's handshake is answered; a forged webhook is refused."""
    answer = await ask_simulator(day.simulator, "POST", "/_sim/webhooks/subscribe", json={})
    require(answer["verified"], "the challenge did not come back")
    forged = await ask_simulator(
        day.simulator,
        "POST",
        "/_sim/webhooks",
        json={"payload": {"object": "whatsapp_business_account"}, "signature": "sha256=00"},
    )
    code = forged["attempts"][0]["status"]
    require(code == httpx.codes.UNAUTHORIZED, f"a forged webhook was answered {code}")
    return Sight("challenge returned; forged signature refused with 401")


async def greeting(day: ShopDay) -> Sight:
    """A greeting is answered."""
    await day.maya.change(name="Maya Fields")
    day.maya_id, decision, answer = await day.ask(day.maya, "Hello!")
    chat = await day.maya.view()
    own = next(m for m in chat["messages"] if m["author"] == "contact")
    require(own["ticks"] == "read", "the contact's message was not marked as read")
    return Sight(f"“{answer['text']}”, and blue ticks", cost_of(decision))


async def product_question(day: ShopDay) -> Sight:
    """A product question is answered with the fact."""
    _, decision, answer = await day.ask(day.maya, "How long does shipping take?")
    require("2 to 4 working days" in answer["text"], f"the answer is “{answer['text']}”")
    day.answered_turn_id = str(decision.payload["turn_id"])
    return Sight("“… 2 to 4 working days in the EU …”", cost_of(decision))


async def other_language(day: ShopDay) -> Sight:
    """A question in Spanish is answered in Spanish."""
    phone = day.phone("34600110202")
    await phone.change(name="Carmen Ruiz")
    _, decision, answer = await day.ask(phone, "Hola, ¿cuánto tarda el envío?")
    require("días laborables" in answer["text"], f"the answer is “{answer['text']}”")
    return Sight("“… de 2 a 4 días laborables …”", cost_of(decision))


async def burst(day: ShopDay) -> Sight:
    """A burst of three messages gets one answer."""
    texts = ("I need a present", "for my sister", "do you have gift wrapping?")
    _, decision, answer = await day.ask(day.maya, *texts)
    require("3.50 EUR" in answer["text"], f"the answer is “{answer['text']}”")
    turn = await day.team.admin.get(f"/turns/{decision.payload['turn_id']}")
    covered = turn["to_seq"] - turn["from_seq"] + 1
    require(covered == len(texts), f"the turn covers {covered} messages instead of {len(texts)}")
    await day.nothing_more(day.maya, "after the burst")
    return Sight("one answer for three messages", cost_of(decision))


async def duplicate(day: ShopDay) -> Sight:
    """A webhook delivered again and again is answered once."""
    mark = day.feed.last
    text = "Is there a warranty on the wiring?"
    (wamid,) = await day.maya.write(text=text)
    await day.maya.write(text=text, wamid=wamid, copies=3)
    received = await day.heard(text, after=mark)
    decision = await day.decided(day.maya_id, after=received.seq)
    await day.maya.write(text=text, wamid=wamid, copies=2)
    await day.next_reply(day.maya)
    await day.nothing_more(day.maya, "after the duplicates")
    stored = [m for m in await day.team.admin.messages(day.maya_id) if m["text"] == text]
    require(len(stored) == 1, f"the message is stored {len(stored)} times")
    return Sight("six deliveries, one message, one answer", cost_of(decision))


async def angry_refund(day: ShopDay) -> Sight:
    """An angry contact gets a person, with a packet, and is told once."""
    phone, mark = day.phone("14155550203"), day.feed.last
    await phone.change(name="Victor Stone")
    text = "I want my refund! Three weeks and nothing, this is ridiculous and unacceptable!"
    await phone.write(text=text)
    received = await day.heard(text, after=mark)
    conversation_id = str(received.payload["conversation_id"])
    opened = await day.feed.wait_for(
        "handoff.opened", conversation_id=conversation_id, after=received.seq
    )
    day.expected.append(opened)
    decision = await day.decided(conversation_id, after=received.seq)
    conversation = await day.status(conversation_id, "WITH_HUMAN")
    handoff = await day.team.admin.get(f"/conversations/{conversation_id}/handoff")
    packet = handoff["packet"]
    require(handoff["reason"] == "angry", f"the reason is {handoff['reason']}")
    require(packet["goal"] and packet["reasoning"], f"the packet says too little: {packet}")
    known = {str(m["id"]) for m in await day.team.admin.messages(conversation_id)}
    cited = {fact["message_id"] for fact in packet["facts"]}
    require(cited and cited <= known, "the packet's facts do not lead to their messages")
    await day.next_reply(phone)
    await day.nothing_more(phone, "after the handoff")
    owner = day.team.by_id(conversation["assigned_user_id"]).name
    return Sight(f"{owner} has it, goal “{packet['goal'][:50]}”", cost_of(decision))


async def take_over(day: ShopDay) -> Sight:
    """A human agent takes over a conversation, and the AI is silent from then on."""
    mark, ana = day.feed.last, day.team.human_agents[0]
    await ana.act(day.maya_id, "take-over")
    day.expected.append(
        await day.feed.wait_for("handoff.assigned", conversation_id=day.maya_id, after=mark)
    )
    text = "Can you tell me the size of Alba?"
    await day.maya.write(text=text)
    await day.heard(text, after=mark)
    await asyncio.sleep(_QUIET_SECONDS)
    await day.nothing_more(day.maya, "although a person has the conversation")
    return Sight(f"{ana.name} has it; a question to the AI stays unanswered")


async def human_reply(day: ShopDay) -> Sight:
    """A human agent's reply reaches the phone, and its ticks come back."""
    mark = day.feed.last
    text = "Hi Maya, Ana here. Alba is 38 cm high."
    sent = await day.team.human_agents[0].reply(day.maya_id, text)
    bubble = await day.next_reply(day.maya)
    require(bubble["text"] == text, f"the phone shows “{bubble['text']}”")
    # Statuses that come together are told as the furthest of them.
    await day.feed.wait_for("message.state", message_id=sent["id"], delivery=_TICKS[-1], after=mark)
    seen = [day.feed.find("message.state", message_id=sent["id"], delivery=t) for t in _TICKS]
    ticks = [event for event in seen if event is not None]
    require(ticks == sorted(ticks, key=lambda event: event.seq), "the ticks came in another order")
    day.expected += ticks

    async def read() -> bool:
        messages = await day.team.admin.messages(day.maya_id)
        return any(m["id"] == sent["id"] and m["delivery"] == "read" for m in messages)

    await until(read, "the reply being read, over REST")
    return Sight(f"on the phone; {', '.join(event.payload['delivery'] for event in ticks)}")


async def double_click(day: ShopDay) -> Sight:
    """A reply sent twice with one Idempotency-Key is one message."""
    ana = day.team.human_agents[0]
    text, key = "It takes an E27 bulb.", "the-same-click-0001"
    first, second = await asyncio.gather(
        ana.reply(day.maya_id, text, key=key), ana.reply(day.maya_id, text, key=key)
    )
    require(first["id"] == second["id"], "two messages were made")
    await day.next_reply(day.maya)
    await day.nothing_more(day.maya, "after the double click")
    return Sight("two requests, one message")


async def release(day: ShopDay) -> Sight:
    """Given back, the AI answers what nobody has answered."""
    mark = day.feed.last
    text = "And how can I pay?"
    await day.maya.write(text=text)
    await day.heard(text, after=mark)
    await day.team.human_agents[0].act(day.maya_id, "release")
    ended = await day.feed.wait_for("handoff.ended", conversation_id=day.maya_id, after=mark)
    day.expected.append(ended)
    decision = await day.decided(day.maya_id, after=ended.seq)
    answer = await day.next_reply(day.maya)
    require("credit card" in answer["text"], f"the answer is “{answer['text']}”")
    return Sight("“You can pay by credit card …”", cost_of(decision))


async def close(day: ShopDay) -> Sight:
    """A closed conversation is closed; the contact's next message opens another."""
    mark = day.feed.last
    await day.team.human_agents[0].act(day.maya_id, "close", {"reason": "resolved"})
    closed = await day.status(day.maya_id, "CLOSED")
    require(closed["close_reason"] == "resolved", f"the reason is {closed['close_reason']}")
    day.expected.append(
        await day.feed.wait_for(
            "conversation.changed",
            conversation_id=day.maya_id,
            conversation={"status": "CLOSED"},
            after=mark,
        )
    )
    another, decision, _ = await day.ask(day.maya, "Do you have a discount code?")
    require(another != day.maya_id, "the closed conversation went on")
    return Sight("closed; the next question opened another", cost_of(decision))


async def hidden_number(day: ShopDay) -> Sight:
    """A contact without a phone number is answered by user id."""
    phone = day.phone("14155550204")
    await phone.change(name="Robin", username="robin.reads", number_hidden=True)
    bsuid = (await phone.view())["contact"]["bsuid"]
    _, decision, _ = await day.ask(phone, "Where is your store? What is the address?")
    sends = await ask_simulator(day.simulator, "GET", "/_sim/sends", params={"limit": 1000})
    ours = [send["body"] for send in sends["items"] if send["reaches"] == phone.number]
    require(
        ours and all(body.get("recipient") == bsuid and "to" not in body for body in ours),
        "the answer was not addressed by user id",
    )
    return Sight(f"answered to recipient {bsuid[:8]}…", cost_of(decision))


async def spam(day: ShopDay) -> Sight:
    """Spam gets no answer, and the reason is on record."""
    phone, mark = day.phone("12025550205"), day.feed.last
    text = "Guaranteed profit! Double your money with bitcoin, click here http://win.top"
    await phone.write(text=text)
    received = await day.heard(text, after=mark)
    decision = await day.decided(str(received.payload["conversation_id"]), after=received.seq)
    outcome = decision.payload["outcome"]
    require(outcome == "ignored", f"the outcome is {outcome}")
    await day.nothing_more(phone, "after spam")
    return Sight(f"no answer: {decision.payload['reason']}", cost_of(decision))


async def quiet(day: ShopDay) -> Sight:
    """Some time later, nobody has got an answer too many."""
    await asyncio.sleep(_QUIET_SECONDS)
    for phone in day.awaited:
        await day.nothing_more(phone, "at the end")
    return Sight(f"{len(day.awaited)} phones, {sum(day.awaited.values())} messages")


async def trace(day: ShopDay) -> Sight:
    """A turn explains itself: its stages, its calls, and what it cost."""
    turn = await day.team.admin.get(f"/turns/{day.answered_turn_id}")
    stages = [line["stage"] for line in turn["trace"]]
    wanted = ["load", "triage", "prompt", "reply", "guard", "decide"]
    require([stage for stage in stages if stage in wanted] == wanted, f"the stages are {stages}")
    require(turn["cost_usd"] is not None and Decimal(turn["cost_usd"]) > 0, "it has no cost")
    calls = await day.team.admin.get("/llm-calls", conversation_id=day.maya_id, limit=100)
    features = {call["feature"] for call in calls["items"]}
    require({"triage", "reply"} <= features, f"the recorded calls are for {sorted(features)}")
    return Sight(
        f"{len(stages)} stages, {turn['input_tokens']} + {turn['output_tokens']} tokens",
        Decimal(turn["cost_usd"]),
    )


async def usage(day: ShopDay) -> Sight:
    """The day shows in the usage report."""

    async def look() -> Json:
        report = await day.team.admin.get("/usage", group_by="feature")
        total = report["total"]
        filled = total["calls"] > 0 and total["messages"] > 0 and Decimal(total["amount_usd"]) > 0
        return report if filled else None

    report = await until(look, "calls, messages and an amount in the usage report")
    total = report["total"]
    require(total["unpriced"] == 0, f"{total['unpriced']} entries have no price")
    return Sight(
        f"{total['calls']} model calls, {total['messages']} messages delivered",
        Decimal(total["amount_usd"]),
    )


async def feed_complete(day: ShopDay) -> Sight:
    """The feed delivered every step, in order and without a gap."""
    seqs = [event.seq for event in day.feed.events]
    expected = list(range(day.feed.start + 1, day.feed.start + 1 + len(seqs)))
    require(seqs == expected, f"the feed has gaps or repeats: {_first_difference(seqs, expected)}")
    require(day.feed.resets == 0, "the feed was reset")
    steps = [event.seq for event in day.expected]
    require(len(set(steps)) == len(steps), "one event stood for two steps")
    page = await day.team.admin.get("/feed/events", after=str(day.feed.start), limit=500)
    polled = [(item["seq"], item["kind"]) for item in page["items"]][: len(seqs)]
    streamed = [(event.seq, event.kind) for event in day.feed.events][: len(polled)]
    require(polled == streamed, "polling the feed tells another story than the stream")
    return Sight(f"{len(seqs)} events, {len(steps)} of them awaited, no gap")


def _first_difference(seqs: list[int], expected: list[int]) -> str:
    pairs = zip(seqs, expected, strict=True)
    return next((f"{got} came instead of {due}" for got, due in pairs if got != due), "none")


SHOP_DAY = Script(
    _begin,
    (
        handshake,
        greeting,
        product_question,
        other_language,
        burst,
        duplicate,
        angry_refund,
        take_over,
        human_reply,
        double_click,
        release,
        close,
        hidden_number,
        spam,
        quiet,
        trace,
        usage,
        feed_complete,
    ),
)
