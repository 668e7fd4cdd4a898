"""The scripted model as judge of an answer, and as a customer with a goal and a mood. Pure functions."""

import re

from frontdesk.simulator.lexicon import ABUSE, ANGRY, SENTENCES, has
from frontdesk.simulator.world import Json

_ANSWER = re.compile(r"<answer>\n(.*)\n</answer>", re.DOTALL)
_LINE = r"^{}: (.*)$"
_PATIENCE = 3


def judgement(content: str) -> Json:
    """Rude and shouted answers fail; whatever else somebody says in them does not matter."""
    found = _ANSWER.search(content)
    answer = found[1] if found else content
    letters = [character for character in answer if character.isalpha()]
    shouts = len(letters) >= 12 and sum(c.isupper() for c in letters) > 0.7 * len(letters)
    if has(ABUSE, answer) or has(ANGRY, answer) or shouts or "!!" in answer:
        return {"reasons": "It is rude, or it shouts.", "score": 1, "passes": False}
    return {"reasons": "It is polite and to the point.", "score": 5, "passes": True}


def customer_turn(system: str, heard: list[str], said: int) -> Json:
    """What a customer writes next: the goal, once more when it was not met, then nothing.

    Args:
        heard: what the support has answered so far.
        said: how often the customer has written.
    """
    goal = _told(system, "What you want")
    angry = any(word in _told(system, "Your mood").casefold() for word in ("angry", "furious"))
    if heard and not _knows_nothing(heard[-1]):
        return _turn("", "the last answer has it", goal_reached=True)
    if said >= _PATIENCE:
        return _turn("", "it leads to nothing", gives_up=True)
    words = goal if not said else f"I asked: {goal}"
    if angry and said:
        words = f"This is ridiculous! {words}"
    return _turn(words, "the goal is not reached yet")


def _turn(message: str, why: str, *, goal_reached: bool = False, gives_up: bool = False) -> Json:
    return {
        "message": message,
        "goal_reached": goal_reached,
        "gives_up": gives_up,
        "reasoning": f"Scripted model: {why}",
    }


def _told(system: str, name: str) -> str:
    found = re.search(_LINE.format(re.escape(name)), system, re.MULTILINE)
    return found[1].strip() if found else ""


def _knows_nothing(answer: str) -> bool:
    """Whether it is one of the sentences by which the scripted support says that it can't tell."""
    return any(answer.strip() == said["unknown"] for said in SENTENCES.values())
