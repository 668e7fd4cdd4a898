"""A day at the desk: three human agents and an admin, each with their own feed, and their contacts.

Who gets a conversation is in `desk_queue.py`, what is written in it in `desk_words.py`.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx

from frontdesk.demo import desk_queue, desk_words
from frontdesk.demo.desk import DeskDay
from frontdesk.demo.outside import watching
from frontdesk.demo.seed import Team
from frontdesk.demo.seeing import Script


@asynccontextmanager
async def _begin(team: Team, simulator: httpx.AsyncClient) -> AsyncIterator[DeskDay]:
    async with AsyncExitStack() as stack:
        feeds = {
            user.id: await stack.enter_async_context(watching(user))
            for user in (team.admin, *team.human_agents)
        }
        yield DeskDay(team, feeds[team.admin.id], simulator, feeds=feeds)


DESK_DAY = Script(
    _begin,
    (
        desk_queue.opening,
        desk_queue.night,
        desk_queue.morning,
        desk_words.saved_reply,
        desk_words.survey,
        desk_queue.sentence_rule,
        desk_queue.full_queue,
        desk_queue.next_in_line,
        desk_queue.lunch,
        desk_words.copilot,
        desk_words.promise,
        desk_queue.collision,
        desk_words.voice_note,
        desk_words.thumbs,
        desk_words.file,
        desk_words.note,
        desk_queue.snooze,
        desk_queue.reassign,
        desk_words.closed_window,
        desk_words.opt_out,
        desk_words.two_in_one,
        desk_words.promise_kept,
        desk_queue.returned,
        desk_queue.evening,
        desk_words.accepted_once,
        desk_queue.feeds,
    ),
)
