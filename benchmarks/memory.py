"""The memory rows: what a turn of a long conversation costs, against showing models all of it.

Nothing is timed. One contact writes a hundred messages, each with a new fact in it, and each is
answered; the tokens are counted in what was really sent to models, calls for summaries included.
The floor is the same turn with the whole thread in its prompt and no summaries.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson

from benchmarks.processes import Failed
from benchmarks.report import Row
from benchmarks.stage import Stage, load_on
from frontdesk.gateway import count_message_tokens, count_tokens

# Must and aim by messages of a thread; every second one is the contact's. In a short thread there is
# nothing to save.
LIMITS = {10: (1.05, 1.0), 40: (1.0, 0.9), 100: (0.7, 0.63), 200: (0.5, 0.45)}
LENGTHS = tuple(LIMITS)
# A summary is made every five turns or so: what a turn costs is counted over so many of them.
WINDOW_TURNS = 10


@dataclass(frozen=True)
class Turn:
    """What one turn sent to models, in tokens, and what it cost."""

    tokens: float
    usd: float


def measure(stage: Stage, *, tell: Callable[[str], None]) -> list[Row]:
    """One conversation of the greatest length, and what its turns came to at each length."""
    product = stage.start_product(
        debounce_seconds=0.02, LIMITS__CONTACT_MESSAGES_PER_MINUTE="10000"
    )
    load_on(
        stage.outside,
        product,
        do="tell",
        messages=LENGTHS[-1] // 2,
        redis_url=stage.ground.redis.url,
    )
    ours, naive = _turns(stage)
    for process in product.processes:
        stage.ground.end(process)
    tell(f"memory: a conversation of {LENGTHS[-1]} messages")
    rows = []
    for length in LENGTHS:
        mine, all_of_it = _at(ours, length), _at(naive, length)
        must, aim = LIMITS[length]
        rows += [
            Row(
                f"tokens a turn sends, after {length} messages", "tokens",
                [mine.tokens], [all_of_it.tokens], must=must, aim=aim,
            ),
            Row(
                f"cost of a turn, after {length} messages", "µUSD",
                [mine.usd], [all_of_it.usd], must=must * 1.1, aim=must,
            ),
        ]  # fmt: skip
    # The notes hold a number of facts; every message has brought one, so they are full by then.
    grown, before = _at(ours, LENGTHS[-1]), _at(ours, LENGTHS[2])
    rows.append(
        Row(
            f"tokens a turn sends, after {LENGTHS[-1]} messages and after {LENGTHS[2]}", "tokens",
            [grown.tokens], [before.tokens], must=1.1, aim=1.05,
        )
    )  # fmt: skip
    return rows


def _turns(stage: Stage) -> tuple[list[Turn], list[Turn]]:
    """Each turn of the longest conversation: as it was, and with all of the thread in its prompt."""
    conversation = stage.sql.fetch(
        "SELECT conversation_id FROM turn GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    )[0][0]
    said = stage.sql.fetch(
        f"SELECT direction, text FROM message WHERE conversation_id = '{conversation}' "
        "ORDER BY created_at, id"
    )
    calls = stage.sql.fetch(
        "SELECT feature, messages, response FROM llm_call "
        f"WHERE conversation_id = '{conversation}' ORDER BY created_at, id"
    )
    price_in, price_out = _prices(stage)
    if sum(call["feature"] == "reply" for call in calls) != LENGTHS[-1] // 2:
        raise Failed("Not every message of the long conversation was answered in one call.")
    ours: list[list[Turn]] = []
    naive: list[list[Turn]] = []
    for call in calls:
        if call["feature"] == "triage":
            ours.append([])
            naive.append([])
        messages = orjson.loads(call["messages"])
        output = count_tokens(call["response"])

        def turn(sent: Any, output: int = output) -> Turn:
            tokens = count_message_tokens(sent)
            return Turn(tokens, float(tokens * price_in + output * price_out) * 1e6)

        ours[-1].append(turn(messages))
        if call["feature"] == "reply":
            thread = [
                {"role": "user" if m["direction"] == "in" else "assistant", "content": m["text"]}
                for m in said[: 2 * len(naive) - 1]
            ]
            naive[-1].append(turn([messages[0], *thread]))
        elif call["feature"] != "summary":
            naive[-1].append(turn(messages))
    return [_sum(parts) for parts in ours], [_sum(parts) for parts in naive]


def _prices(stage: Stage) -> tuple[Decimal, Decimal]:
    """USD a token, in and out, of the model that answered."""
    row = stage.sql.fetch(
        "SELECT p.input_usd_per_million AS asked, p.output_usd_per_million AS told FROM price p "
        "JOIN llm_call c ON c.model_asked = p.model LIMIT 1"
    )[0]
    return row["asked"] / 1_000_000, row["told"] / 1_000_000


def _sum(parts: list[Turn]) -> Turn:
    return Turn(sum(part.tokens for part in parts), sum(part.usd for part in parts))


def _at(turns: list[Turn], length: int) -> Turn:
    """An average turn of the last few up to this length."""
    last = turns[max(0, length // 2 - WINDOW_TURNS) : length // 2]
    whole = _sum(last)
    return Turn(whole.tokens / len(last), whole.usd / len(last))
