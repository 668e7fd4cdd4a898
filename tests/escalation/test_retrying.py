"""Messages that failed say why, and are sent again where that may succeed."""

import pytest
from tests.desk import Desk

from frontdesk.messaging import retry_problem
from frontdesk.simulator import SendFault, SendFaultKind


@pytest.mark.parametrize(
    ("state", "code", "file", "says"),
    [
        ("failed", None, None, None),
        ("failed", 131000, None, None),
        ("failed", 131026, "stored", None),  # The contact may have come to WhatsApp meanwhile.
        ("failed", 131047, None, None),  # The contact may have written meanwhile.
        ("failed", 131009, None, "refused again"),
        ("failed", 131050, None, "refused again"),
        ("failed", 999999, None, None),
        ("failed", None, "deleted", "file"),
        ("unknown", None, None, "unknown"),
        ("needs_attention", None, None, "needs_attention"),
        ("sent", None, None, "sent"),
        ("pending", 130429, None, "pending"),
    ],
)
def test_only_what_may_succeed_is_sent_again(
    state: str, code: int | None, file: str | None, says: str | None
) -> None:
    problem = retry_problem(state, code, file)
    assert problem is None if says is None else says in (problem or "")


async def test_a_human_agent_sends_again_what_failed_and_may_succeed(desk: Desk) -> None:
    await desk.say("I want to talk to a person")
    thread = f"/conversations/{(await desk.conversation())['id']}"
    ana, ben = await desk.ana(), await desk.ben()
    await ana.post(f"{thread}/take-over")
    for code, text in ((131026, "Hello."), (131009, "Hello again.")):
        desk.simulator.whatsapp.faults.next(SendFault(SendFaultKind.ERROR, code=code))
        await ana.post(f"{thread}/messages", {"text": text})
        await desk.work_until_idle()
    refused, failed = (await ana.get(f"{thread}/messages", limit=2))["items"]
    assert [(m["state"], m["can_retry"]) for m in (failed, refused)] == [
        ("failed", True),
        ("failed", False),
    ]
    assert "not on WhatsApp" in failed["error"]
    hopeless = await ana.post(f"/messages/{refused['id']}/retry", status=409)
    assert hopeless["code"] == "retry_hopeless"
    await ben.post(f"/messages/{failed['id']}/retry", status=403)
    again = await ana.post(f"/messages/{failed['id']}/retry", status=202)
    assert (again["state"], again["error"], again["can_retry"]) == ("pending", None, False)
    await desk.work_until_idle()
    assert desk.phone().replies[-1] == "Hello."
    told = await ana.post(f"/messages/{failed['id']}/retry", status=409)
    assert told["detail"] == "The message is sent."
