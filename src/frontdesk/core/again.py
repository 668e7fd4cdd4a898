"""A request whose transaction Postgres ended for the sake of another one is run again."""

import asyncio
import random
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontdesk.core.work import CLASH_PAUSE_SECONDS, CLASHES

# Set in a request's scope by the error handler.
CLASHED = "frontdesk.clashed"
_CHANGES_NOTHING = ("GET", "HEAD", "OPTIONS")


class Again:
    """Runs a request that changes something up to three times when it clashes with others.

    All of the try before is undone, so the next one is the same request again. Its body, which is
    at most `LIMITS__JSON_BODY_BYTES` long, is kept for that; the last try's answer is the answer.
    Paths that take files are run once.
    """

    def __init__(self, app: ASGIApp, file_paths: re.Pattern[str]) -> None:
        self._app = app
        self._file_paths = file_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, and again while its answer is that it clashed."""
        if (
            scope["type"] != "http"
            or scope["method"] in _CHANGES_NOTHING
            # What is sent as a file is not kept in memory to be heard twice.
            or self._file_paths.fullmatch(scope["path"])
        ):
            await self._app(scope, receive, send)
            return
        heard: list[Message] = []
        for _ in range(CLASHES - 1):
            if not await self._clashes(scope, heard, receive, send):
                return
            await asyncio.sleep(random.uniform(*CLASH_PAUSE_SECONDS))  # noqa: S311  # No secret.
        await self._app(scope, _replaying(heard, receive), send)

    async def _clashes(
        self, scope: Scope, heard: list[Message], receive: Receive, send: Send
    ) -> bool:
        """Run the application; True when it clashed, and then nothing was sent."""
        own_scope = dict(scope)
        clashed = False

        async def send_unless_clashed(message: Message) -> None:
            nonlocal clashed
            clashed = clashed or bool(own_scope.get(CLASHED))
            if not clashed:
                if (route := own_scope.get("route")) is not None:
                    scope["route"] = route  # What is counted and traced is counted under it.
                await send(message)

        await self._app(own_scope, _replaying(heard, receive), send_unless_clashed)
        return clashed


def _replaying(heard: list[Message], receive: Receive) -> Receive:
    """Gives what has been heard before, then listens on."""
    place = 0

    async def hear() -> Message:
        nonlocal place
        if place == len(heard):
            heard.append(await receive())
        place += 1
        return heard[place - 1]

    return hear
