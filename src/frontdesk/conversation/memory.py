"""What is remembered of a conversation once its older messages are no longer shown to models.

A row per long conversation: a summary, and the last message it speaks of. Everything after that
message is shown as it was written. The row is also the work of bringing it up to date
(`summarising.py`). `version` goes up with every write: it is the fence of a slow worker, and of one
that has read what its sender took back meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from frontdesk.core.db import Transaction
from frontdesk.core.json import dumps
from frontdesk.core.text import excerpt

MEMORY = "conversation.memory"
# So many of the newest messages are always shown word for word.
VERBATIM_MESSAGES = 6
MOST_FACTS, MOST_PROMISES, MOST_QUESTIONS = 30, 10, 5
LONGEST_ITEM = 200
# Ours to delimit data with; what a contact wrote must not end it.
_BRACKETS = str.maketrans({"<": "‹", ">": "›"})


class Remembered(BaseModel):
    """Something that was said, and the message it was said in."""

    model_config = ConfigDict(frozen=True)

    text: str
    message_id: UUID


class Summary(BaseModel):
    """What a conversation's older messages come to."""

    model_config = ConfigDict(frozen=True)

    intent: str = ""
    facts: tuple[Remembered, ...] = ()
    promises: tuple[Remembered, ...] = ()
    open_questions: tuple[str, ...] = ()

    def as_data(self, *, numbered: bool = False, with_ids: bool = False) -> str:
        """The summary between `<memory>` marks: data for a prompt, never a system message.

        Args:
            numbered: number facts and promises, from 1, so that an answer can name them.
            with_ids: put each one's message id in brackets before it.
        """
        lines = [f"Wants: {self.intent}"] if self.intent else []
        for heading, items in (("Facts", self.facts), ("Promised", self.promises)):
            lines += [f"{heading}:"] if items else []
            for number, item in enumerate(items, start=1):
                mark = f"{number}." if numbered else "-"
                lines.append(
                    f"{mark} [{item.message_id}] {item.text}" if with_ids else f"{mark} {item.text}"
                )
        lines += ["Open questions:"] if self.open_questions else []
        lines += [f"- {question}" for question in self.open_questions]
        told = "\n".join(lines).translate(_BRACKETS)
        return f"<memory>\n{told}\n</memory>"


@dataclass(frozen=True)
class Memory:
    """A conversation's summary, and the last message it speaks of (None: of none yet)."""

    summary: Summary
    through_id: UUID | None


@dataclass(frozen=True)
class Noticed:
    """What a model found in newer messages, its numbers already told apart from inventions."""

    intent: str
    facts: Sequence[Remembered]
    outdated_facts: Iterable[int]
    promises: Sequence[Remembered]
    settled_promises: Iterable[int]
    open_questions: Sequence[str]


def merge(before: Summary, noticed: Noticed) -> Summary:
    """The summary brought up to date.

    What was known stays unless it is named as outdated: a model that rewrote everything each time
    would lose a little each time. Over the limit the oldest goes.
    """
    return Summary(
        intent=excerpt(noticed.intent, LONGEST_ITEM) or before.intent,
        facts=_extended(before.facts, noticed.outdated_facts, noticed.facts, MOST_FACTS),
        promises=_extended(
            before.promises, noticed.settled_promises, noticed.promises, MOST_PROMISES
        ),
        open_questions=tuple(
            excerpt(question, LONGEST_ITEM) for question in noticed.open_questions[:MOST_QUESTIONS]
        ),
    )


def _extended(
    before: Sequence[Remembered], dropped: Iterable[int], new: Sequence[Remembered], most: int
) -> tuple[Remembered, ...]:
    gone = set(dropped)
    kept = [item for number, item in enumerate(before, start=1) if number not in gone]
    known = {item.text.casefold() for item in kept}
    for item in new:
        text = excerpt(item.text, LONGEST_ITEM)
        if text and text.casefold() not in known:
            known.add(text.casefold())
            kept.append(Remembered(text=text, message_id=item.message_id))
    return tuple(kept[-most:])


async def find_memory(tx: Transaction, conversation_id: UUID) -> Memory | None:
    """What is remembered of a conversation; None when nothing is."""
    row = await tx.sql.fetchrow(
        "SELECT summary::text AS summary, through_id FROM conversation_memory "
        "WHERE conversation_id = $1 AND summary IS NOT NULL",
        conversation_id,
    )
    if row is None:
        return None
    return Memory(Summary.model_validate_json(row["summary"]), row["through_id"])


async def summarise_soon(tx: Transaction, conversation_id: UUID) -> None:
    """Make it due that what stands before the newest messages is added to the summary."""
    await tx.sql.execute(
        "INSERT INTO conversation_memory AS m (conversation_id, due_at) VALUES ($1, now()) "
        "ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET due_at = coalesce(m.due_at, now())",
        conversation_id,
    )
    tx.ring(MEMORY, conversation_id)


async def remember(tx: Transaction, conversation_id: UUID, facts: Sequence[Remembered]) -> None:
    """Add facts to what is remembered; the conversation's lock is held."""
    if not facts:
        return
    memory = await find_memory(tx, conversation_id)
    before = memory.summary if memory else Summary()
    summary = before.model_copy(update={"facts": _extended(before.facts, (), facts, MOST_FACTS)})
    await store_summary(tx, conversation_id, summary)


async def store_summary(tx: Transaction, conversation_id: UUID, summary: Summary) -> int:
    """Keep a summary that no model made, and its version; the conversation's lock is held."""
    version: int = await tx.sql.fetchval(
        "INSERT INTO conversation_memory AS m (conversation_id, summary) VALUES ($1, $2) "
        "ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET summary = $2, "
        "version = m.version + 1, due_at = CASE WHEN m.due_at IS NOT NULL THEN now() END "
        "RETURNING version",
        conversation_id,
        dumps(summary),
    )
    return version


_FORGET = """
UPDATE conversation_memory SET version = version + 1, attempts = 0,
    summary = CASE WHEN told.hit THEN NULL ELSE summary END,
    through_id = CASE WHEN told.hit THEN NULL ELSE through_id END,
    due_at = CASE WHEN told.hit OR due_at IS NOT NULL THEN now() END
FROM (SELECT conversation_id AS id, coalesce(
        through_id >= $2 OR strpos(summary::text, $2::text) > 0, false) AS hit
    FROM conversation_memory WHERE conversation_id = $1) AS told
WHERE conversation_id = told.id
RETURNING due_at IS NOT NULL
"""


async def forget_message(tx: Transaction, conversation_id: UUID, message_id: UUID) -> None:
    """Let no summary hold what a message said before it was changed or taken back.

    A summary that speaks of it goes as a whole, since a model wrote it, and is made anew from the
    messages as they are now. One that is being written at this moment is not kept.
    """
    if await tx.sql.fetchval(_FORGET, conversation_id, message_id):
        tx.ring(MEMORY, conversation_id)
