"""What contacts wrote, kept over a restart: the simulator forgets, and a phone that has not written
has no service window, so that nobody could answer a conversation from before.

Each message is posted again under its own id. The desk knows it and does nothing, as it must with
any webhook that comes twice; the phone has its window back.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from frontdesk.demo.errors import DemoError
from frontdesk.demo.outside import Phone, ask_simulator
from frontdesk.demo.places import Folder, write_private
from frontdesk.demo.world import PHONE_NUMBER_ID, Plan

_SAVE_EVERY_SECONDS = 5.0
_MESSAGES_KEPT = 5
_PERSON = ("name", "username", "number_hidden")


async def keep_for_ever(folder: Folder, plan: Plan) -> None:
    """Write the phones down every few seconds and once more when cancelled."""
    async with httpx.AsyncClient(
        base_url=plan.simulator_url, timeout=10, trust_env=False
    ) as simulator:
        before = ""
        while True:
            try:
                await asyncio.sleep(_SAVE_EVERY_SECONDS)
                before = await _keep(folder, simulator, before)
            except asyncio.CancelledError:
                await _keep(folder, simulator, before)
                raise


async def _keep(folder: Folder, simulator: httpx.AsyncClient, before: str) -> str:
    try:
        threads = (await ask_simulator(simulator, "GET", "/_sim/threads"))["items"]
        if (now := json.dumps(threads)) == before:
            return before
        phones = [await _kept(simulator, thread["number"]) for thread in threads]
    except (DemoError, httpx.HTTPError):
        return before  # The simulator is starting again; the last save is still there.
    write_private(_path(folder), phones)
    return now


async def _kept(simulator: httpx.AsyncClient, number: str) -> Any:
    chat = await Phone(simulator, number, PHONE_NUMBER_ID).view()
    own = [message for message in chat["messages"] if message["author"] == "contact"]
    return {
        "number": number,
        "person": {name: chat["contact"][name] for name in _PERSON},
        "messages": [
            {"wamid": message["wamid"], "text": message["text"], "sent_at": message["at"]}
            for message in own[-_MESSAGES_KEPT:]
        ],
    }


async def restore(folder: Folder, plan: Plan) -> None:
    """Give the simulator's phones back what they had written before the last stop."""
    try:
        phones = json.loads(_path(folder).read_text())
    except (OSError, ValueError):
        return
    async with httpx.AsyncClient(
        base_url=plan.simulator_url, timeout=30, trust_env=False
    ) as simulator:
        await asyncio.gather(*(_restore(simulator, kept) for kept in phones))


async def _restore(simulator: httpx.AsyncClient, kept: Any) -> None:
    phone = Phone(simulator, kept["number"], PHONE_NUMBER_ID)
    await phone.change(**{name: value for name, value in kept["person"].items() if value})
    for message in kept["messages"]:
        # As a text whatever it was: the desk has the message already and reads no more than its id.
        await phone.write(**{"type": "text", **message, "text": message["text"] or "…"})


def _path(folder: Folder) -> Path:
    return folder.path / "phones.json"
