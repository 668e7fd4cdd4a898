"""Playing the stories: phones write through signed webhooks, human agents act over REST."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from frontdesk.demo.errors import DemoError
from frontdesk.demo.outside import Phone, until
from frontdesk.demo.places import Folder
from frontdesk.demo.seed import Team
from frontdesk.demo.stories import STORIES, Act, Say, Show, Story
from frontdesk.demo.world import PHONE_NUMBER_ID, Plan

# A scripted model answers any number at once; a real one has limits a minute.
_AT_ONCE, _AT_ONCE_WITH_REAL_MODEL = 6, 2
_PATIENCE_SECONDS, _PATIENCE_WITH_REAL_MODEL_SECONDS = 20.0, 60.0
# A user can be asked for a conversation before the webhook that opens it is read.
_OPENING_SECONDS = 10.0


async def play_all(
    folder: Folder, plan: Plan, team: Team, progress: Callable[[int, int], None]
) -> list[str]:
    """Play every story not played yet, and tell which went another way than written.

    Args:
        progress: called with how many of how many stories have been played.
    """
    left = [story for story in STORIES if story.name not in folder.state.told]
    done = len(STORIES) - len(left)
    progress(done, len(STORIES))
    astray: list[str] = []
    places = asyncio.Semaphore(_AT_ONCE_WITH_REAL_MODEL if plan.models else _AT_ONCE)
    async with httpx.AsyncClient(
        base_url=plan.simulator_url, timeout=60, trust_env=False
    ) as simulator:

        async def play(story: Story) -> None:
            nonlocal done
            async with places:
                try:
                    await _Teller(story, simulator, team, patient=bool(plan.models)).tell()
                except (DemoError, httpx.HTTPError) as error:
                    # One story less is a smaller loss than a demo that does not come up.
                    astray.append(f"{story.name}: {error}")
            folder.state.told.append(story.name)
            folder.save_state()
            done += 1
            progress(done, len(STORIES))

        await asyncio.gather(*(play(story) for story in left if not story.stays))
        for story in (story for story in left if story.stays):
            await play(story)
    return astray


class _Teller:
    """Plays one story, step by step."""

    def __init__(
        self, story: Story, simulator: httpx.AsyncClient, team: Team, *, patient: bool
    ) -> None:
        self._story = story
        self._team = team
        self._phone = Phone(simulator, story.number, PHONE_NUMBER_ID)
        self._patience = _PATIENCE_WITH_REAL_MODEL_SECONDS if patient else _PATIENCE_SECONDS
        self._contact = story.number
        self._written = 0

    async def tell(self) -> None:
        """Play all steps; the first that goes another way than written ends the story."""
        person = await self._phone.change(
            name=self._story.name, number_hidden=self._story.number_hidden
        )
        if self._story.number_hidden:
            chat = await self._phone.view()
            self._contact = str(chat["contact"]["bsuid"])
            assert person["number_hidden"]
        for step in self._story.steps:
            match step:
                case Say(texts):
                    for text in texts:
                        await self._write(type="text", text=text)
                    await self._outcome()
                case Show(what, caption):
                    more = {"caption": caption} if caption else {}
                    await self._write(type=what, **more)
                    await self._outcome()
                case Act():
                    await self._act(step)

    async def _write(self, **message: Any) -> None:
        self._written += len(await self._phone.write(**message))

    async def _outcome(self) -> None:
        """Wait until the desk has done what it does about the contact's last words."""

        async def settled() -> Any:
            found = await self._team.admin.find_conversation(self._contact)
            if found is None or (found["unanswered"] and found["status"] == "ACTIVE"):
                return None
            # Taken is not read: what was settled before is not an outcome of the last words.
            messages = await self._team.admin.messages(str(found["id"]))
            return sum(message["direction"] == "in" for message in messages) >= self._written

        await until(settled, "an outcome", seconds=self._patience, slow=True)

    async def _act(self, step: Act) -> None:
        conversation = await self._conversation()
        user = self._team.by_id(conversation["assigned_user_id"])
        conversation_id = str(conversation["id"])
        if step.what == "reply":
            text = step.text.format(me=user.name.split()[0])
            await user.reply(conversation_id, text)
        elif step.what == "close":
            await user.act(conversation_id, "close", {"reason": step.text})
        else:
            await user.act(conversation_id, step.what)

    async def _conversation(self) -> Any:
        async def look() -> Any:
            return await self._team.admin.find_conversation(self._contact)

        return await until(look, "the conversation", seconds=_OPENING_SECONDS, slow=True)
