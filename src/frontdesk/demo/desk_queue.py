"""Steps of a day at the desk: whose a conversation is, from the night's queue to the evening's views."""

import asyncio
from datetime import UTC, datetime, timedelta

from frontdesk.demo.desk import NIGHT, SHORTEST_WAIT, DeskDay, refused
from frontdesk.demo.outside import Feed, Json, User, ask_simulator, until
from frontdesk.demo.seeing import Sight, cost_of, require
from frontdesk.demo.shop import CONFIG
from frontdesk.demo.world import PHONE_NUMBER_ID

_RULE = {
    "when": [
        {"sign": "mentions", "words": {"en": ["refund"], "es": ["reembolso"]}},
        {"sign": "amount_over", "amount": 50, "currency": "EUR"},
    ],
    "team": "Billing",
    "priority": "high",
}
_TEMPLATES = [
    {"name": "order_update", "body": "Hello {{1}}, there is news about your order {{2}}."},
    {"name": "spring_offer", "body": "Lamps at half price!", "category": "MARKETING"},
]
_SNOOZE = timedelta(seconds=2)
_AWAY_SECONDS = 60  # The shortest that a policy takes.
_VIEWS = ("mine", "unassigned", "ai", "all", "snoozed", "closed")


async def opening(day: DeskDay) -> Sight:
    """An admin sets the desk up: a rule that reads as a sentence, a team, templates, ears."""
    admin = day.team.admin
    day.agent_id = (await admin.get("/agents"))["items"][0]["id"]
    path = f"/agents/{day.agent_id}"
    config = CONFIG | {
        "escalation_rules": [_RULE],
        "hears_voice_notes": True,
        "survey_enabled": True,
        "survey_every_days": 0,
        # Whatever the hour at which the day is played, and for one who wrote a day ago.
        "business_hours": None,
        "auto_close_minutes": None,
    }
    await admin.put(f"{path}/config", config, version=await admin.etag(path))
    routes = {"transcription": {"models": ["groq/whisper-large-v3-turbo"]}}
    version = await admin.etag("/models/routing")
    await admin.put("/models/routing", {"routes": routes}, version=version)
    made = await admin.post("/teams", {"name": "Billing", "skills": ["refunds"]})
    day.team_id = made["id"]
    await admin.put(f"/teams/{day.team_id}/members/{day.ben.id}", None)
    await admin.put(
        "/assignment-policy",
        {"return_after_minutes": None, "return_to": "alert", "away_return_minutes": 1},
    )
    known = {"phone_number_id": PHONE_NUMBER_ID, "templates": _TEMPLATES}
    await ask_simulator(day.simulator, "POST", "/_sim/channels", json=known)
    mark = day.feed.last
    await admin.post("/templates/sync")
    await day.feed.wait_for("templates.changed", after=mark)
    names = {each["name"] for each in await admin.get("/templates", sendable=True)}
    require(names == {each["name"] for each in _TEMPLATES}, f"the templates are {names}")
    tried = await admin.post(f"{path}/rules/test", {"text": "I want my 80 EUR refunded"})
    fired = tried["looks"][0]["fired"]
    require(fired and not fired["is_built_in"], f"the rule does not fire: {tried}")
    return Sight(fired["rule"])


async def night(day: DeskDay) -> Sight:
    """While nobody is there, five contacts ask for a person and are told so; they wait."""
    for user in day.team.human_agents:
        await day.is_there(user, "away")
    for number, name in NIGHT.items():
        await day.write(number, name, text="Can I talk to a person, please?")
    for name in day.phones:
        await day.sees(name, "Nobody is here right now")

    async def waiting() -> bool:
        return len(await day.ana.get("/handoffs")) == len(NIGHT)

    await until(waiting, "a queue of five")
    views = await day.ana.get("/views")
    require(views["unassigned"] == len(NIGHT), f"the views say {views}")
    return Sight("five told that nobody is here right now; five in the queue")


async def morning(day: DeskDay) -> Sight:
    """Two human agents come online, and the queue is theirs at once, up to their limits."""
    mark, limits = day.feed.last, {day.ana.id: 3, day.ben.id: 2}
    began = asyncio.get_running_loop().time()
    await asyncio.gather(
        day.is_there(day.ana, "online", 3),
        day.is_there(day.ben, "online", 2),
    )
    for conversation_id in day.threads.values():
        await day.given(conversation_id, after=mark)
    took = asyncio.get_running_loop().time() - began
    require(await day.ana.get("/handoffs") == [], "somebody waits still")
    people = await day.ana.get("/availability")
    held = {each["user_id"]: each["open_conversations"] for each in people}
    require({who: held[who] for who in limits} == limits, f"they hold {held}")
    return Sight(f"three for Ana, two for Ben, {took:.1f} s after they came")


async def sentence_rule(day: DeskDay) -> Sight:
    """A refund over 50 EUR goes to the team that the sentence names, with facts and a draft."""
    await day.is_there(day.ben, "online", 1)
    text = "I want a refund of 80 EUR for order 4711, please. The glass of my lamp is broken."
    conversation_id, received = await day.write("14155550306", "Iris Bauer", text=text)
    owner = await day.given(conversation_id, after=received.seq)
    require(owner is day.ben, f"{owner.name} has it, who is not of the team")
    decision = await day.decided(conversation_id, after=received.seq)
    handoff = await day.ben.get(f"/conversations/{conversation_id}/handoff")
    require("refund" in handoff["rule"], f"the rule is “{handoff['rule']}”")
    require(handoff["team_ids"] == [day.team_id], f"it is for the teams {handoff['team_ids']}")
    require(handoff["priority"] == "high", f"the priority is {handoff['priority']}")
    packet = handoff["packet"]
    message = await day.newest(conversation_id, "contact")
    facts = [fact for fact in packet["facts"] if fact["message_id"] == message["id"]]
    require(any("80 EUR" in fact["text"] for fact in facts), f"the facts are {packet['facts']}")
    require(packet["draft_reply"] and packet["goal"], f"the packet says too little: {packet}")
    return Sight(f"Ben, of Billing, has it: “{facts[0]['text'][:44]} …”", cost_of(decision))


async def full_queue(day: DeskDay) -> Sight:
    """When all are busy, a contact is told their place and about how long it takes."""
    await day.is_there(day.ana, "online", 1)
    first, received = await day.write(
        "14155550307", "Paula Vega", text="A colleague of yours, please: can I talk to a person?"
    )
    owner = await day.given(first, after=received.seq)
    require(owner is day.ana, f"{owner.name} has it, who has no room")
    await day.sees("Paula", "passing you on to a colleague")
    await day.write("14155550308", "Quinn Moore", text="I'd like to talk to a person")
    told = await day.sees("Quinn", "number 1 in the queue")
    wait = f"about {SHORTEST_WAIT} minutes"
    require(wait in told["text"], f"no word of the wait: “{told['text']}”")
    await day.write("14155550308", "Quinn Moore", text="My order is 5822")
    return Sight(f"“… {told['text'][told['text'].index('You are number') :]}”")


async def next_in_line(day: DeskDay) -> Sight:
    """The third human agent comes online and has who waits."""
    mark, quinn = day.feed.last, day.threads["Quinn"]
    await day.is_there(day.chiara, "online", 2)
    owner = await day.given(quinn, after=mark)
    require(owner is day.chiara, f"{owner.name} has it")
    thread = await day.chiara.messages(quinn)
    said = [message["text"] for message in thread if message["author"] == "contact"]
    require(said[-1] == "My order is 5822", f"of Quinn she reads {said}")
    return Sight("Chiara has Quinn's conversation, with what was written while waiting")


async def lunch(day: DeskDay) -> Sight:
    """She goes away, and what she has stays hers for the minute that the policy allows."""
    mark = day.feed.last
    await day.is_there(day.chiara, "away")
    wanted = {"user_id": day.chiara.id, "presence": "away"}
    left = await day.feed.wait_for("availability.changed", availability=wanted, after=mark)
    day.left_at = left.at
    thread = await day.ana.conversation(day.threads["Quinn"])
    require(thread["assigned_user_id"] == day.chiara.id, "it was taken from her at once")
    await day.is_there(day.ana, "online", 5)
    await day.is_there(day.ben, "online", 5)
    return Sight("Quinn's conversation is hers still; Ana and Ben take up to five")


async def collision(day: DeskDay) -> Sight:
    """Who types in a colleague's conversation is seen, and a second answer is held back."""
    iris = day.threads["Iris"]
    path = f"/conversations/{iris}"
    await day.ana.post(f"{path}/watch", {"doing": "typing"})
    await day.feeds[day.ben.id].wait_for(
        "conversation.watched", conversation_id=iris, user_id=day.ana.id, doing="typing"
    )
    viewers = (await day.ben.conversation(iris))["viewers"]
    require({"user_id": day.ana.id, "doing": "typing"} in viewers, f"there are {viewers}")
    await refused(day.ana.reply(iris, "I can help, too."), "not_yours")
    seen = await day.newest(iris, "contact")
    late = {"text": "We are looking into it.", "seen_message_id": seen["id"]}
    problem = await refused(day.team.admin.post(f"{path}/messages", late), "colleague_answered")
    require(problem["user_id"] == day.ben.id, f"it was {problem['user_id']} who answered")
    await day.ana.post(f"{path}/watch", {"doing": "left"})
    return Sight(f"Ben sees Ana type; Nora is told: Ben answered {problem['seconds_ago']} s ago")


async def snooze(day: DeskDay) -> Sight:
    """A snoozed conversation is out of the way, and back when its time has come."""
    paula, mark = day.threads["Paula"], day.feed.last
    until_then = datetime.now(UTC) + _SNOOZE
    await day.ana.put(f"/conversations/{paula}/snooze", {"until": until_then.isoformat()})
    hidden = await day.ana.get("/conversations", view="mine")
    require(paula not in _ids(hidden), "it is in the way still")
    listed = await day.ana.get("/conversations", view="snoozed")
    require(_ids(listed) == [paula], f"snoozed are {_ids(listed)}")
    woken = await day.feed.wait_for("conversation.woken", conversation_id=paula, after=mark)
    require(woken.payload["by"] == "system", f"it was woken by {woken.payload['by']}")
    back = await day.ana.get("/conversations", view="mine")
    require(paula in _ids(back), "it is not back")
    late = (datetime.now(UTC) - until_then).total_seconds()
    return Sight(f"snoozed for {_SNOOZE.seconds} s, back {max(late, 0):.1f} s after its time")


async def reassign(day: DeskDay) -> Sight:
    """A conversation is given to a colleague who is there, and to nobody who is not."""
    paula, mark = day.threads["Paula"], day.feed.last
    path = f"/conversations/{paula}/assignment"
    await refused(day.ana.put(path, {"user_id": day.chiara.id}), "no_room")
    given = await day.ana.put(path, {"user_id": day.ben.id})
    require(given["conversation"]["assigned_user_id"] == day.ben.id, "it is not Ben's")
    owner = await day.given(paula, after=mark)
    require(owner is day.ben, f"the feed says that {owner.name} has it")
    mine = await day.ben.get("/conversations", view="mine")
    require(paula in _ids(mine), "Ben does not find it among his")
    return Sight("refused for Chiara, who is away; Ben has it")


async def returned(day: DeskDay) -> Sight:
    """What somebody who is away had comes back in time, and goes to who is there."""
    quinn = day.threads["Quinn"]
    back = await day.feed.wait_for(
        "handoff.returned", conversation_id=quinn, why="away", seconds=_AWAY_SECONDS + 15
    )
    require(back.payload["from_user_id"] == day.chiara.id, "it was not Chiara's")
    owner = await day.given(quinn, after=back.seq)
    require(owner in (day.ana, day.ben), f"{owner.name} has it")
    replies = await day.phones["Quinn"].replies()
    require(len(replies) == 1, f"Quinn, who waits, was told {len(replies)} times that it takes")
    return Sight(f"back {back.at - day.left_at:.0f} s after she left; {owner.name} has it now")


async def evening(day: DeskDay) -> Sight:
    """What is unread is counted for each, and each view holds what it counts."""
    paula, received = await day.write(
        "14155550307", "Paula Vega", text="And when will it arrive, roughly?"
    )
    path = f"/conversations/{paula}/read-mark"
    message_id = received.payload["message"]["id"]
    read = await day.ana.put(path, {"message_id": message_id})
    require(read["unread"] == 0, f"{read['unread']} are unread for Ana who has read all")
    unread = (await day.ben.conversation(paula))["unread"]
    require(unread >= 1, "nothing is unread for Ben who has read nothing")
    counts: dict[str, Json] = {}
    for user in day.team.human_agents:
        counts[user.name] = await user.get("/views")
        for view in _VIEWS:
            listed = await user.get("/conversations", view=view, limit=100)
            found, counted = len(listed["items"]), counts[user.name][view]
            require(found == counted, f"{view} of {user.name} counts {counted} and lists {found}")
    mine = ", ".join(f"{name.split()[0]} {counts[name]['mine']}" for name in counts)
    all_of = counts[day.ana.name]
    return Sight(
        f"unread for Ben {unread}, for Ana 0; mine: {mine}; with the AI {all_of['ai']}, "
        f"closed {all_of['closed']}"
    )


async def feeds(day: DeskDay) -> Sight:
    """Each one's feed told its story in order, as asking for it anew does."""
    told = []
    for user in (day.team.admin, *day.team.human_agents):
        feed = day.feeds[user.id]
        seqs = [event.seq for event in feed.events]
        require(seqs == sorted(set(seqs)), f"the feed of {user.name} repeats or goes back")
        require(feed.resets == 0, f"the feed of {user.name} was reset")
        polled = await _poll(user, feed)
        streamed = [(event.seq, event.kind) for event in feed.events]
        require(polled[: len(streamed)] == streamed, f"{user.name} was told another story")
        told.append(f"{user.name.split()[0]} {len(seqs)}")
    return Sight(f"events: {', '.join(told)}")


async def _poll(user: User, feed: Feed) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    after = feed.start
    while True:
        page = await user.get("/feed/events", after=str(after), limit=500)
        found += [(item["seq"], item["kind"]) for item in page["items"]]
        if not page["items"]:
            return found
        after = page["items"][-1]["seq"]


def _ids(page: Json) -> list[str]:
    return [each["id"] for each in page["items"]]
