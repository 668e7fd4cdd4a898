"""Opening the shop: tenant, team, agent, knowledge and channel, all of it as an admin would do it."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from frontdesk.demo.errors import DemoError
from frontdesk.demo.outside import User, until
from frontdesk.demo.places import Secrets
from frontdesk.demo.shop import ADMIN, AGENT, CONFIG, FACTS, HUMAN_AGENTS, TENANT, Login
from frontdesk.demo.supervisor import Supervisor
from frontdesk.demo.world import DISPLAY_NUMBER, PHONE_NUMBER_ID, WABA_ID, Plan


@dataclass(frozen=True)
class Team:
    """Everybody who works at the shop, signed in."""

    admin: User
    human_agents: tuple[User, ...]

    def by_id(self, user_id: str | None) -> User:
        """The human agent with this id; the first one for nobody."""
        people = (*self.human_agents, self.admin)
        return next((user for user in people if user.id == user_id), people[0])


async def open_shop(supervisor: Supervisor, plan: Plan, secrets: Secrets) -> None:
    """Make sure the shop is there, ready to answer; what is there already stays as it is."""
    made = json.loads(
        await supervisor.run(
            *("init", "--json", "--tenant", TENANT, "--agent", AGENT),
            *("--email", ADMIN.email, "--name", ADMIN.name),
            environment={"FRONTDESK_INIT_PASSWORD": secrets.password},
        )
    )
    agent_id = made["agent"]["id"]
    admin = await User.sign_in(plan.web_url, ADMIN.email, secrets.password)
    try:
        await _hire(admin, plan, secrets)
        await _configure(admin, agent_id)
        await _teach(admin, agent_id)
        await _connect(admin, agent_id, secrets)
    finally:
        await admin.close()


@asynccontextmanager
async def signed_in(plan: Plan, secrets: Secrets) -> AsyncIterator[Team]:
    """The team, each with a session of their own."""
    async with AsyncExitStack() as stack:
        users = []
        for login in (ADMIN, *HUMAN_AGENTS):
            users.append(await User.sign_in(plan.web_url, login.email, secrets.password))
            stack.push_async_callback(users[-1].close)
        yield Team(users[0], tuple(users[1:]))


async def _hire(admin: User, plan: Plan, secrets: Secrets) -> None:
    members = await admin.get("/users", limit=100)
    known = {member["email"] for member in members["items"]}
    for login in HUMAN_AGENTS:
        if login.email in known:
            continue
        await admin.post(
            "/users",
            {
                "email": login.email,
                "name": login.name,
                "role": login.role,
                "password": secrets.password,
            },
        )
        await _come_in(login, plan, secrets)


async def _come_in(login: Login, plan: Plan, secrets: Secrets) -> None:
    user = await User.sign_in(plan.web_url, login.email, secrets.password)
    try:
        await user.put(
            "/me/availability",
            {"presence": login.presence, "max_conversations": login.max_conversations},
        )
    finally:
        await user.close()


async def _configure(admin: User, agent_id: str) -> None:
    agent = await admin.get(f"/agents/{agent_id}")
    if agent["version"] == 1:
        version = await admin.etag(f"/agents/{agent_id}")
        await admin.put(f"/agents/{agent_id}/config", CONFIG, version=version)


async def _teach(admin: User, agent_id: str) -> None:
    known = {source["title"] for source in await _sources(admin, agent_id)}
    for title, text in FACTS:
        if title not in known:
            await admin.post(
                "/knowledge/sources", {"agent_id": agent_id, "title": title, "body": text}
            )

    async def all_learnt() -> bool:
        sources = await _sources(admin, agent_id)
        return all(source["state"] != "queued" for source in sources)

    await until(all_learnt, "the agent's knowledge", seconds=60, slow=True)


async def _sources(admin: User, agent_id: str) -> list[Any]:
    page = await admin.get("/knowledge/sources", agent_id=agent_id, limit=100)
    return list(page["items"])


async def _connect(admin: User, agent_id: str, secrets: Secrets) -> None:
    channels = await admin.get("/channels")
    if any(channel["phone_number_id"] == PHONE_NUMBER_ID for channel in channels):
        return
    made = await admin.post(
        "/channels",
        {
            "name": "Shop number",
            "agent_id": agent_id,
            "phone_number_id": PHONE_NUMBER_ID,
            "waba_id": WABA_ID,
            "display_phone_number": DISPLAY_NUMBER,
            "access_token": secrets.access_token,
        },
    )

    async def connected() -> bool:
        channel = await admin.get(f"/channels/{made['id']}")
        if channel["status"] == "FAILED":
            raise DemoError(f"The number could not be connected: {channel['status_reason']}")
        return bool(channel["status"] == "CONNECTED")

    await until(connected, "the shop's number", seconds=60, slow=True)
