"""A tenant hides contact details from its human agents: in every answer, and as soon as it says so."""

from tests.desk import Desk
from tests.feed.live import serving, watching
from tests.security.looking import known_ids, read_everything

NUMBER, USERNAME = "4915550001234", "maya.lights"
OTHER_NUMBER, EMAIL = "+49 151 23456789", "maya.private@mail.example"
HIDDEN = (NUMBER, USERNAME, OTHER_NUMBER, EMAIL)


async def _written_to(desk: Desk) -> str:
    """A conversation handed to people, in which a contact told how else to reach them."""
    await desk.say(
        f"My number is {OTHER_NUMBER}, my mail {EMAIL}.",
        "I want to talk to a human, please",
        number=NUMBER,
        username=USERNAME,
    )
    return str((await desk.conversation(NUMBER))["id"])


async def _hide(desk: Desk, hidden: bool = True) -> None:
    admin = await desk.admin()
    await admin.put("/contact-policy", {"masked_for_human_agents": hidden})


async def test_no_answer_to_a_human_agent_shows_what_the_tenant_hides(desk: Desk) -> None:
    conversation_id = await _written_to(desk)
    admin, ana = await desk.admin(), await desk.ana()
    ids = await known_ids(desk, conversation_id)
    await ana.put("/contact-policy", {"masked_for_human_agents": False}, status=403)
    contact = (await ana.get(f"/conversations/{conversation_id}"))["contact"]
    assert (contact["wa_id"], contact["username"]) == (NUMBER, USERNAME)

    telling = {
        path for path, text in (await read_everything(desk, ana, ids)).items() if _tells(text)
    }
    assert len(telling) >= 5, "there is something to hide"
    await _hide(desk)
    masked = await read_everything(desk, ana, ids)
    assert masked.keys() >= telling
    assert [path for path, text in masked.items() if _tells(text)] == []
    assert "•••1234" in masked["/api/v1/conversations"]
    whole = await read_everything(desk, admin, ids)
    assert all(_tells(whole[path]) for path in telling)
    # Colleagues, the desk's own number and what its agent says are no contact's.
    assert ana.email in masked["/api/v1/me"]
    assert "•••" not in masked["/api/v1/channels"]
    # Nor does an answer to what they do, or a search, tell more than the inbox.
    taken = await ana.http.post(f"/api/v1/conversations/{conversation_id}/take-over")
    assert "•••1234" in taken.text
    assert not _tells(taken.text)
    assert (await ana.get("/conversations", contact=NUMBER))["items"] == []
    assert len((await admin.get("/conversations", contact=NUMBER))["items"]) == 1
    entries = await admin.get("/audit-entries", action="tenant.contacts_masked")
    assert [entry["user_id"] for entry in entries["items"]] == [str(admin.id)]


async def test_an_open_feed_keeps_to_the_policy_from_its_change_on(desk: Desk) -> None:
    ana = await desk.ana()
    async with (
        serving(desk.app) as url,
        watching(url, dict(ana.http.cookies)) as watcher,
    ):
        assert (await watcher.next()).kind == "hello"
        for hidden in (False, True, False):
            await _hide(desk, hidden)
            await desk.say(f"My number is {OTHER_NUMBER}.", number=NUMBER)
            while (event := await watcher.next()).kind != "message.received":
                pass
            shown = "•••6789" if hidden else OTHER_NUMBER
            assert event.data["message"]["text"] == f"My number is {shown}."


def _tells(text: str) -> bool:
    return any(detail in text for detail in HIDDEN)
