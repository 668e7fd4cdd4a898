"""Notes on a long conversation: what the scripted model writes into them and finds in them."""

import re

from frontdesk.simulator.facts import Fact, split_sentences
from frontdesk.simulator.packet import is_factual, is_promise, read_transcript, shorten
from frontdesk.simulator.world import Json

_BLOCK = re.compile(r"<memory>(.*?)</memory>", re.DOTALL)
_NOTED = re.compile(r"</(?:memory|colleague_note)>")
_ITEM = re.compile(r"^(?:-|\d+\.)\s+(?:\[[^\]]*\]\s+)?(.+)$")


def are_notes(content: str) -> bool:
    """Whether a message of the user is not the contact's but notes on what came before."""
    return _NOTED.search(content) is not None and "<transcript>" not in content


def read_notes(content: str) -> tuple[Fact, ...]:
    """The facts noted, each as a section of its own."""
    block = _BLOCK.search(content)
    facts: list[Fact] = []
    heading = ""
    for line in block.group(1).splitlines() if block else ():
        if line.endswith(":"):
            heading = line[:-1]
        elif heading == "Facts" and (item := _ITEM.match(line)):
            facts.append(Fact("Notes", (item.group(1),)))
    return tuple(facts)


def conversation_summary(content: str) -> Json:
    """What a transcript adds to the notes: only what stands in it, in its own words."""
    lines = read_transcript(content)
    contact = [line for line in lines if line.author == "contact"]
    desk = [line for line in lines if line.author in ("agent", "human_agent")]
    asked = [line for line in contact if "?" in line.text]
    answered_up_to = max((int(line.message_id) for line in desk), default=0)
    return {
        "intent": shorten(asked[-1].text if asked else contact[-1].text) if contact else "",
        "facts": [
            {"text": shorten(sentence, 200), "message": int(line.message_id)}
            for line in contact
            for sentence in split_sentences(line.text)
            if is_factual(sentence) and "?" not in sentence
        ],
        "outdated_facts": [],
        "promises": [
            {"text": shorten(line.text, 160), "message": int(line.message_id)}
            for line in desk
            if is_promise(line.text)
        ],
        "settled_promises": [],
        "open_questions": [
            shorten(line.text) for line in asked if int(line.message_id) > answered_up_to
        ],
    }
