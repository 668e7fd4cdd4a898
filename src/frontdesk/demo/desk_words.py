"""Steps of a day at the desk: what people and contacts write, and what becomes of it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from frontdesk.demo.desk import NIGHT, DeskDay, refused
from frontdesk.demo.outside import Json, Refused, ask_simulator, until
from frontdesk.demo.seeing import Sight, cost_of, require

_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
# Within WhatsApp's 24 hours, and past the five minutes that the desk keeps clear of their end.
_LONG_AGO = timedelta(hours=23, minutes=57)


async def saved_reply(day: DeskDay) -> Sight:
    """A saved reply is filled in for each contact, sent, and the conversation closed."""
    text = "Good morning {{contact_first_name}}, this is {{my_name}} of {{business_name}}."
    saved = await day.ana.post("/saved-replies", {"shortcut": "morning", "text": text})
    for name in NIGHT.values():
        first = name.split()[0]
        path = f"/conversations/{day.threads[first]}"
        owner = day.team.by_id((await day.ana.get(path))["assigned_user_id"])
        filled = await owner.get(f"{path}/saved-replies/{saved['id']}")
        require(filled["unknown"] == [], f"not known: {filled['unknown']}")
        hello = f"Good morning {first}, this is {owner.name}"
        require(filled["text"].startswith(hello), f"it says “{filled['text']}”")
        await owner.reply(day.threads[first], filled["text"])
        await day.sees(first, hello)
        await owner.act(day.threads[first], "close", {"reason": "resolved"})
    return Sight("“Good morning Noah, this is …”, on five phones; five closed")


async def survey(day: DeskDay) -> Sight:
    """After the close a contact is asked how it was; the button they tap is counted."""
    await day.sees("Noah", "How did we do?")
    mark, noah = day.feed.last, day.threads["Noah"]
    await day.phones["Noah"].write(type="tap", button="😀 Good")
    told = await day.feed.wait_for("survey.answered", conversation_id=noah, after=mark)
    require(told.payload["score"] == 5, f"the score is {told.payload['score']}")
    found = await day.ana.get(f"/conversations/{noah}/survey")
    require((found["state"], found["handled_by"]) == ("answered", "human_agent"), f"{found}")
    figures = (await day.ana.get(f"/agents/{day.agent_id}/satisfaction"))["surveys"]
    require((figures["answered"], figures["satisfied"]) == (1, 1), f"the figures are {figures}")
    newest = await day.ana.find_conversation("14155550301")
    require(newest["id"] == noah, "the tap opened another conversation")
    return Sight(f"5 of 5 from Noah; {figures['answered']} of {figures['asked']} asked answered")


async def copilot(day: DeskDay) -> Sight:
    """The copilot's draft is told to who asked, edited, sent, and the edit recorded."""
    iris = day.threads["Iris"]
    path = f"/conversations/{iris}"
    asked = await day.ben.post(f"{path}/suggestions", {"task": "draft"})
    await day.feeds[day.ben.id].wait_for("suggestion.finished", suggestion_id=asked["id"])
    draft = await day.ben.get(f"/suggestions/{asked['id']}")
    require(draft["state"] == "done" and draft["text"], f"the draft is {draft}")
    others = [day.feeds[user.id] for user in (day.team.admin, day.ana)]
    require(
        not any(feed.find("suggestion.finished", suggestion_id=asked["id"]) for feed in others),
        "others were told of Ben's draft",
    )
    text = f"{draft['text']} We will refund the 80 EUR by Friday, Iris."
    await day.ben.post(f"{path}/messages", {"text": text, "draft_id": asked["id"]})
    await day.sees("Iris", text)
    outcomes = await day.team.admin.get("/draft-outcomes", source="copilot")
    made = next(each for each in outcomes["items"] if each["draft_id"] == asked["id"])
    require((made["fate"], made["sent"]) == ("edited", text), f"what is recorded is {made}")
    changed = round(100 * made["edit_ratio"])
    require(changed > 0, "nothing was changed")
    cost = Decimal(draft["cost_usd"]) if draft["cost_usd"] else None
    return Sight(f"“{draft['text'][:48]} …”, sent with {changed} % changed", cost)


async def promise(day: DeskDay) -> Sight:
    """What was promised is read out of it and listed, with the day and who said it."""
    iris = day.threads["Iris"]
    await day.feed.wait_for("commitment.opened", conversation_id=iris)

    async def listed() -> Json:
        page = await day.ben.get(f"/conversations/{iris}/commitments")
        return next((each for each in page["items"] if "80 EUR" in each["text"]), None)

    found = await until(listed, "the promise of 80 EUR by Friday")
    day.promise_id = found["id"]
    require((found["state"], found["user_id"]) == ("open", day.ben.id), f"it is {found}")
    require(found["promised_for"], "it is not known by when")
    by = datetime.fromisoformat(found["promised_for"])
    require(by.strftime("%A") == "Friday", f"it is due on {by:%A}")
    return Sight(f"“{found['text']}”, Ben's, due {by:%A, %H:%M}")


async def promise_kept(day: DeskDay) -> Sight:
    """A promise that was kept is no longer open."""
    path = f"/commitments/{day.promise_id}/settle"
    await day.ben.post(path, {"state": "kept"})
    await day.feed.wait_for("commitment.settled", commitment_id=day.promise_id, state="kept")
    kept = await day.ana.get("/commitments", state="kept")
    still = await day.ana.get("/commitments", state="open")
    require(day.promise_id in [each["id"] for each in kept["items"]], "it is not listed as kept")
    require(day.promise_id not in [each["id"] for each in still["items"]], "it is open still")
    await refused(day.ana.post(path, {"state": "cancelled"}), "already_settled")
    return Sight("listed as kept; nobody is reminded of it any more")


async def voice_note(day: DeskDay) -> Sight:
    """A voice note is written down, and answered like a text."""
    vito, received = await day.write(
        "14155550309", "Vito Conti", type="audio", words="How long does shipping take?"
    )
    decision = await day.decided(vito, after=received.seq)
    require(decision.payload["outcome"] == "replied", f"it was {decision.payload['outcome']}")
    await day.sees("Vito", "2 to 4 working days")
    note = await day.newest(vito, "contact")
    require(note["type"] == "audio", f"the message is of type {note['type']}")
    require(note["text"].startswith("How long does shipping take?"), f"it reads “{note['text']}”")
    return Sight(f"“{note['text']}”, and its answer", cost_of(decision))


async def thumbs(day: DeskDay) -> Sight:
    """Thumbs on an answer count: the contact's reaction, and a human agent's own opinion."""
    vito, mark = day.threads["Vito"], day.feed.last
    await day.phones["Vito"].write(type="reaction", emoji="👍")
    told = await day.feed.wait_for("answer.rated", conversation_id=vito, by="contact", after=mark)
    opinion = {"value": "down", "comment": "He lives in Peru."}
    await day.ana.put(f"/messages/{told.payload['message_id']}/rating", opinion)
    page = await day.ana.get("/ratings", conversation_id=vito)
    given = {each["by"]: each["value"] for each in page["items"]}
    require(given == {"contact": "up", "human_agent": "down"}, f"the ratings are {given}")
    return Sight("👍 from Vito, 👎 from Ana, each on record")


async def file(day: DeskDay) -> Sight:
    """A human agent sends a file with a caption; it arrives as a document."""
    paula = day.threads["Paula"]
    path = f"/conversations/{paula}"
    kept = await day.ana.upload(f"{path}/files", "invoice-4711.pdf", _PDF)
    body = {"text": "Here is your invoice.", "media_id": kept["id"]}
    await day.ana.post(f"{path}/messages", body, key="the-invoice-0001")
    bubble = await day.sees("Paula", "Here is your invoice.")
    require(bubble["type"] == "document", f"it is of type {bubble['type']}")
    again = await refused(day.ana.post(f"{path}/messages", body), "media_sent")
    return Sight(f"“{bubble['text']}”; again: {again['title']}")


async def note(day: DeskDay) -> Sight:
    """A note tells the colleague it mentions, and no contact; tags find the conversation again."""
    paula, mark = day.threads["Paula"], day.feed.last
    path = f"/conversations/{paula}"
    text = "Ben, can you take over? She asks about an invoice."
    written = await day.ana.post(f"{path}/notes", {"text": text, "mentions": [day.ben.id]})
    await day.feeds[day.ben.id].wait_for("user.mentioned", note_id=written["id"])
    await day.feed.wait_for("note.written", note_id=written["id"], after=mark)
    told = day.feeds[day.chiara.id].find("user.mentioned", note_id=written["id"])
    require(told is None, "somebody was told who was not mentioned")
    await day.ana.put(f"{path}/tags", {"tags": ["Invoice", "vip"]})
    found = await day.ben.get("/conversations", tag="invoice")
    require([each["id"] for each in found["items"]] == [paula], "the tag does not find it")
    shown = [each["text"] for each in await day.phones["Paula"].replies()]
    require(not any(text in each for each in shown), "the contact reads the note")
    return Sight("Ben is told, Chiara and Paula are not; found by #invoice")


async def closed_window(day: DeskDay) -> Sight:
    """Outside the 24 hours a text is refused with the templates that work, and one is sent."""
    sent_at = (datetime.now(UTC) - _LONG_AGO).timestamp()
    text = "I'd like to talk to a person about my order 4712"
    walt, received = await day.write("14155550310", "Walt Berger", text=text, sent_at=sent_at)
    path = f"/conversations/{walt}"
    owner = await day.given(walt, after=received.seq)
    thread = await owner.conversation(walt)
    require(thread["window_seconds_left"] == 0, f"{thread['window_seconds_left']} s are left")
    problem = await refused(owner.reply(walt, "It is on its way."), "window_closed")
    named = {each["name"]: each for each in problem["templates"]}
    update = named["order_update"]
    values = {"body.1": "Walt", "body.2": "4712"}
    body = {"template_id": update["id"], "parameters": values}
    seen = await owner.post(f"{path}/templates/preview", body)
    await owner.post(f"{path}/templates", body, key="news-for-walt-0001")
    await day.sees("Walt", "order_update")
    sends = await ask_simulator(day.simulator, "GET", "/_sim/sends", params={"limit": 1000})
    (send,) = [each for each in sends["items"] if each["reaches"] == "14155550310"]
    filled = [each["text"] for each in send["body"]["template"]["components"][0]["parameters"]]
    require(filled == list(values.values()), f"WhatsApp was given {filled}")
    return Sight(f"refused, {len(named)} would work; “{seen['text']}”, ${seen['price_usd']}")


async def opt_out(day: DeskDay) -> Sight:
    """Who asks to stop gets no offer and no survey; it is on record."""
    await day.write("14155550311", "Sam Ortiz", text="How can I pay?")
    await day.sees("Sam", "credit card")
    sam, received = await day.write("14155550311", "Sam Ortiz", text="STOP")
    await day.decided(sam, after=received.seq)
    listed = await day.ana.get("/opt-outs")
    require([each["name"] for each in listed["items"]] == ["Sam Ortiz"], f"it lists {listed}")
    templates = {each["name"]: each["id"] for each in await day.ana.get("/templates")}
    offer = {"template_id": templates["spring_offer"]}
    await refused(day.ana.post(f"/conversations/{sam}/templates/preview", offer), "opted_out")
    before = len(await day.phones["Sam"].replies())
    await day.ana.act(sam, "close", {"reason": "opted out"})

    async def settled() -> Json:
        try:
            found = await day.ana.get(f"/conversations/{sam}/survey")
        except Refused:
            return None  # Not looked at yet.
        return found if found["state"] != "due" else None

    skipped = await until(settled, "what became of Sam's survey")
    require(skipped["skipped_reason"] == "opted_out", f"it is {skipped}")
    after = len(await day.phones["Sam"].replies())
    require(after == before, "Sam was written to")
    return Sight("an offer is refused, the survey is skipped, nothing is sent")


async def two_in_one(day: DeskDay) -> Sight:
    """Two contacts of one person are merged, and taken apart again as they were."""
    other, received = await day.write(
        "14155550312", "iris.b", number_hidden=True, text="Do you have gift wrapping?"
    )
    decision = await day.decided(other, after=received.seq)
    kept, merged = [
        (await day.ana.conversation(conversation_id))["contact"]["id"]
        for conversation_id in (day.threads["Iris"], other)
    ]
    before = await day.ana.get(f"/contacts/{kept}")
    card = await day.ana.post(f"/contacts/{kept}/merge", {"contact_id": merged})
    both = {day.threads["Iris"], other}
    require({each["id"] for each in card["conversations"]} == both, f"the card is {card}")
    seen = await day.ben.get("/search", q="iris.b")
    people = [hit["contact"]["id"] for hit in seen["items"] if hit["kind"] == "contact"]
    require(people == [kept], "search does not show the whole person")
    apart = await day.ana.delete(f"/contacts/{merged}/merge")
    require(apart["id"] == merged, "it does not stand alone again")
    require(await day.ana.get(f"/contacts/{kept}") == before, "it is not as it was")
    return Sight(f"one card with {len(both)} conversations, then two again", cost_of(decision))


async def accepted_once(day: DeskDay) -> Sight:
    """WhatsApp accepted every message that the desk shows as sent, each once, and no other."""
    accepted: dict[str, Counter[str]] = {}
    sends = await ask_simulator(day.simulator, "GET", "/_sim/sends", params={"limit": 1000})
    for send in sends["items"]:
        accepted.setdefault(send["reaches"], Counter())[send["type"]] += 1
    for name, phone in day.phones.items():
        messages = await day.team.admin.messages(day.threads[name])
        shown = Counter(each["type"] for each in messages if each["delivery"])
        told = accepted.pop(phone.number, Counter())
        require(told == shown, f"{name}: WhatsApp accepted {dict(told)}, shown are {dict(shown)}")
    require(not accepted, f"others were written to: {sorted(accepted)}")
    kinds = Counter(send["type"] for send in sends["items"])
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return Sight(f"{len(sends['items'])} messages: {listed}")
