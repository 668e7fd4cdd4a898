"""What a burst means without its words being on any list: anger, the wish for a person, abuse.

A small multilingual model that runs here (the extra `local-embeddings`) puts texts of all languages
side by side; a logistic regression on a few English sentences then tells the kinds apart. Some tens of
milliseconds of CPU a burst, no call, no cost. Off unless `LLM__LOCAL_CLASSIFIERS` is set.
"""

import asyncio
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from frontdesk.core.resources import Resources
from frontdesk.gateway import LocalModel

# From here on a turn acts on it without asking a model. Set on few sentences, which also helped to
# choose the neutral ones below: of 37 honest ones in 8 languages none came above 0.62, and 21 of 37
# that meant something reached it. Measure again on messages of your own.
SURE = 0.7
# What a message is about stands at its beginning; a long one would take half a second.
_READ_CHARACTERS = 400
# How strongly weights are pulled to zero, and how they are learnt: by plain descent.
_PENALTY, _STEPS, _RATE = 0.003, 400, 4.0

_NEUTRAL = (
    "Hello, do you ship to Portugal?",
    "How long does delivery take?",
    "What time do you open on Saturday?",
    "Where is my order A-10427?",
    "Can I return a lamp that I bought last week?",
    "The lamp arrived broken, can I get a replacement?",
    "Thanks a lot, that was very helpful!",
    "Which bulb fits the green desk lamp?",
    "Please send me the invoice for my order.",
    "I would like to change my delivery address.",
    "Do you have it in blue?",
    "How much is the small one?",
    "Can I pay by bank transfer?",
    "I forgot my password, how do I reset it?",
    "My parcel has not come yet, could you check it please?",
    "Is the discount still valid?",
    "Good morning!",
    "Yes, please.",
    "I want to talk about my last order.",
    "Who made this lamp?",
    "Can I pick it up in person at your shop?",
    "Do you sell gifts for a colleague?",
    "How do I contact customs about the parcel?",
    "I am waiting for the courier, when does he come?",
    "No, the other one.",
    "My name is Wilhelmina.",
    "I need two chairs for the office.",
    "It does not fit, the cable is too short.",
    "Are you hiring people?",
    "What is your phone number?",
    "Please forget what I wrote before.",
    "I am a little sad about the colour.",
    "This is a gift from a friend of mine.",
    "My dog chewed the cable.",
)
_KINDS = {
    "anger": (
        "This is outrageous, I have been waiting for three weeks!",
        "I am furious, nobody answers me.",
        "This is the worst service I have ever had.",
        "You have ruined my birthday, I am so angry.",
        "Unacceptable! I want my money back right now!",
        "I am sick and tired of your excuses.",
        "What a disgrace, I will never buy from you again.",
        "How dare you charge me twice!",
        "I have had enough of this nonsense.",
        "This is a scam, I will report you.",
        "Third time it arrives broken, are you kidding me?",
        "You never do what you promise, it is infuriating.",
        "I am extremely disappointed and upset.",
        "Stop lying to me!",
    ),
    "wants_person": (
        "I want to talk to a real person.",
        "Can a human help me, please?",
        "Let me speak with somebody from your team.",
        "Connect me with an agent.",
        "I do not want to chat with a bot.",
        "Is there anybody real there?",
        "Please give me someone to call me.",
        "I need to speak to a manager.",
        "Stop the robot, get me an employee.",
        "Could one of your colleagues take over?",
        "Put me through to customer service.",
        "Am I talking to a machine? I prefer a human being.",
    ),
    "abuse": (
        "You are a stupid idiot.",
        "Go to hell, you piece of garbage.",
        "Shut up, moron.",
        "Fuck you, you bastards.",
        "You disgusting pig.",
        "You are all worthless scum.",
        "I hope you die.",
        "Kiss my ass, loser.",
        "You filthy dog.",
        "Dumb bitch.",
        "Screw you and your mother.",
        "You brainless clown, get lost.",
        "Shut your mouth, asshole.",
    ),
}


@dataclass(frozen=True)
class Feelings:
    """How surely a burst is of each kind, 0 to 1."""

    anger: float = 0
    wants_person: float = 0
    abuse: float = 0

    def as_trace(self) -> list[dict[str, Any]]:
        """What is sure enough to count, as a turn's trace tells it."""
        return [
            {"signal": name, "value": round(score, 2), "source": "embedding"}
            for name, score in vars(self).items()
            if score >= SURE
        ]


NO_FEELINGS = Feelings()


async def read_feelings(resources: Resources, text: str) -> Feelings:
    """What a burst's text means; nothing when the classifiers are off or there is nothing to read."""
    if not resources.settings.llm.local_classifiers or not any(c.isalpha() for c in text):
        return NO_FEELINGS
    return await asyncio.to_thread(resources.keep(Classifiers).read, text)


async def warm_classifiers(resources: Resources) -> None:
    """Load and train them before the first message, when they are on; takes a few seconds."""
    await read_feelings(resources, "Good morning")


class Classifiers:
    """The model and what it has learnt, once per process. Threads may share it."""

    def __init__(self, resources: Resources) -> None:
        self._model = resources.keep(LocalModel)

    def read(self, text: str) -> Feelings:
        """How surely a text is of each kind."""
        import numpy as np

        middle, weights, biases = self._learnt
        place = _centred(self._model.questions([text[:_READ_CHARACTERS]]), middle)[0]
        scores = 1 / (1 + np.exp(-(weights @ place + biases)))
        return Feelings(**dict(zip(_KINDS, map(float, scores), strict=True)))

    @cached_property
    def _learnt(self) -> tuple[Any, Any, Any]:
        import numpy as np

        anchors = self._model.questions(
            [*_NEUTRAL, *(text for texts in _KINDS.values() for text in texts)]
        )
        kinds = np.repeat(["", *_KINDS], [len(_NEUTRAL), *map(len, _KINDS.values())])
        middle = anchors.mean(axis=0)
        places = _centred(anchors, middle)
        learnt = [_regression(places, (kinds == kind).astype(float)) for kind in _KINDS]
        return (
            middle,
            np.array([weights for weights, _ in learnt]),
            np.array([b for _, b in learnt]),
        )


def _centred(vectors: Any, middle: Any) -> Any:
    """E5's vectors all point one way; what tells them apart is what is left without it."""
    import numpy as np

    moved = vectors - middle
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def _regression(places: Any, is_kind: Any) -> tuple[Any, float]:
    """Weights and bias of a logistic regression in which both sides count the same."""
    import numpy as np

    share = is_kind.mean()
    counts = np.where(is_kind == 1, 0.5 / share, 0.5 / (1 - share)) / len(is_kind)
    weights, bias = np.zeros(places.shape[1]), 0.0
    for _ in range(_STEPS):
        missed = (1 / (1 + np.exp(-(places @ weights + bias))) - is_kind) * counts
        weights -= _RATE * (places.T @ missed + _PENALTY * weights)
        bias -= _RATE * missed.sum()
    return weights, bias
