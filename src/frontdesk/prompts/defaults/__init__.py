"""The prompts Frontdesk comes with: their texts, and the variables each is given."""

from dataclasses import dataclass
from importlib.resources import files

BUILT_IN_VERSION = "0.0.0"


@dataclass(frozen=True)
class DefaultPrompt:
    """A built-in prompt.

    Args:
        samples: every variable a text of this name may use, with a value for previews.
        required: variables it must use; without them the agent could not do its work.
    """

    name: str
    description: str
    content: str
    samples: dict[str, str | int | bool]
    required: tuple[str, ...] = ()


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.md").read_text(encoding="utf-8")


# What contacts wrote is never a variable: it goes to models as messages of the user.
DEFAULT_PROMPTS = {
    prompt.name: prompt
    for prompt in (
        DefaultPrompt(
            name="reply",
            description="The system message of every answer.",
            content=_text("reply"),
            samples={
                "company_name": "Lumen & Oak",
                "persona": "You are Olive, who knows every lamp in the shop.",
                "brand_voice": "Warm, clear and brief.",
                "languages": "en, es",
                "language": "en",
                "instructions": "Address customers by their first name.",
                "today": "Saturday, 21 November 2026",
                "facts": "## Shipping\nWe ship within 2 working days.",
                "max_characters": 1_000,
                "open_now": True,
            },
            required=("facts",),
        ),
        DefaultPrompt(
            name="triage",
            description="The system message that sorts incoming messages.",
            content=_text("triage"),
            samples={"company_name": "Lumen & Oak", "languages": "en, es"},
        ),
        DefaultPrompt(
            name="rewrite",
            description="The system message that makes a question stand by itself before a search.",
            content=_text("rewrite"),
            samples={"company_name": "Lumen & Oak"},
        ),
        DefaultPrompt(
            name="rerank",
            description="The system message that puts what a search found into order.",
            content=_text("rerank"),
            samples={"company_name": "Lumen & Oak"},
        ),
        DefaultPrompt(
            name="summary",
            description="The system message that keeps the notes on a long conversation.",
            content=_text("summary"),
            samples={"company_name": "Lumen & Oak"},
        ),
        DefaultPrompt(
            name="closing",
            description="The system message that judges a silence before it closes a conversation.",
            content=_text("closing"),
            samples={"company_name": "Lumen & Oak", "asked_already": False},
        ),
        DefaultPrompt(
            name="handoff",
            description="The system message that writes the packet for a human agent.",
            content=_text("handoff"),
            samples={
                "company_name": "Lumen & Oak",
                "reason": "The contact asked for a person.",
            },
        ),
        DefaultPrompt(
            name="commitment",
            description="The system message that reads promises out of what was sent.",
            content=_text("commitment"),
            samples={"company_name": "Lumen & Oak", "said_on": "Monday, 2026-11-30, 10:15"},
            required=("said_on",),
        ),
        DefaultPrompt(
            name="learn",
            description="The system message that makes articles of what people answered.",
            content=_text("learn"),
            samples={"company_name": "Lumen & Oak"},
        ),
        DefaultPrompt(
            name="copilot_rewrite",
            description="The system message that rewrites a human agent's text.",
            content=_text("copilot_rewrite"),
            samples={
                "company_name": "Lumen & Oak",
                "brand_voice": "Warm, clear and brief.",
                "change": "Make it friendlier.",
            },
            required=("change",),
        ),
        DefaultPrompt(
            name="copilot_translate",
            description="The system message that translates for a human agent.",
            content=_text("copilot_translate"),
            samples={"company_name": "Lumen & Oak", "language": "de"},
            required=("language",),
        ),
        DefaultPrompt(
            name="copilot_summary",
            description="The system message that sums a conversation up for a human agent.",
            content=_text("copilot_summary"),
            samples={"company_name": "Lumen & Oak"},
        ),
        DefaultPrompt(
            name="copilot_explain",
            description="The system message that explains a message to a human agent.",
            content=_text("copilot_explain"),
            samples={
                "company_name": "Lumen & Oak",
                "facts": "## Dimmers\nOur lamps work with trailing-edge dimmers.",
            },
            required=("facts",),
        ),
        DefaultPrompt(
            name="judge",
            description="The system message that judges answers in evaluations.",
            content=_text("judge"),
            samples={
                "company_name": "Lumen & Oak",
                "tone": "Warm and brief.",
                "rubric": "It answers the question and promises nothing.",
            },
            required=("tone", "rubric"),
        ),
        DefaultPrompt(
            name="persona",
            description="The system message that plays a customer in evaluations.",
            content=_text("persona"),
            samples={
                "company_name": "Lumen & Oak",
                "who": "Ada, who has bought a lamp",
                "goal": "Find out how long delivery takes.",
                "mood": "friendly",
                "language": "en",
                "facts": "The order is number 1041.",
            },
            required=("goal", "mood"),
        ),
    )
}
