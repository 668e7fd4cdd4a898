"""Reading all that can be read: every GET of the API, with ids that exist."""

from typing import Any

from fastapi.routing import APIRoute, iter_route_contexts
from tests.desk import Desk, Person


class _Known(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001"


async def known_ids(desk: Desk, conversation_id: str) -> dict[str, Any]:
    """Ids of the things of this tenant, by the names paths give them."""
    admin = await desk.admin()
    messages = await admin.get(f"/conversations/{conversation_id}/messages")
    turns = await admin.get(f"/conversations/{conversation_id}/turns")
    calls = await admin.get("/llm-calls")
    conversation = await admin.get(f"/conversations/{conversation_id}")
    return {
        "conversation_id": conversation_id,
        "message_id": messages["items"][0]["id"],
        "turn_id": turns[0]["id"],
        "call_id": calls["items"][0]["id"],
        "contact_id": conversation["contact"]["id"],
        "agent_id": desk.agent_id,
        "channel_id": desk.channel_id,
        "user_id": desk.people[1].id,
    }


async def read_everything(desk: Desk, who: Person, ids: dict[str, Any]) -> dict[str, str]:
    """What each path that can be read answers to them, but the stream, which never ends."""
    answers = {}
    for context in iter_route_contexts(desk.app.routes):
        path = context.path_format
        if (
            isinstance(context.original_route, APIRoute)
            and "GET" in (context.methods or ())
            and path.startswith("/api/")
            and path != "/api/v1/feed"
        ):
            answer = await who.http.get(path.format_map(_Known(ids)), params={"after": "0"})
            if answer.is_success:
                answers[path] = answer.text
    return answers
