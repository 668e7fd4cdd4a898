"""The handoff packet: what a human agent needs to go on without asking anything twice."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from frontdesk.conversation import Memory, Summary


class PacketFact(BaseModel):
    """Something the contact said that matters, and where."""

    text: str
    message_id: str


class HandoffPacket(BaseModel):
    """What the contact wants, what is known and was tried, and what to do next."""

    goal: str = Field(description="What the contact wants to reach, in one sentence.")
    summary: str = Field(description="The conversation so far in two or three sentences.")
    facts: list[PacketFact] = Field(description="Facts the contact gave, each with its message.")
    mood: str = Field(description="How the contact feels, in a word or two.")
    tried: list[str] = Field(description="What the agent said or tried.")
    reasoning: str = Field(description="Why the agent handed over.")
    confidence: float = Field(description="How sure you are of this packet, 0 to 1.")
    promises: list[str] = Field(description="What has been promised to the contact.")
    suggested_next_action: str = Field(description="What the human agent should do first.")
    draft_reply: str = Field(description="A reply the human agent could send.")
    question_meanwhile: str = Field(
        description="What the human agent will need and the contact has not said, asked of the contact "
        "in one short question; empty when nothing is missing."
    )


class Packet(BaseModel):
    """A packet as stored: `written_by` says whether a model wrote it or only facts were gathered."""

    written_by: str
    goal: str = ""
    summary: str = ""
    facts: list[PacketFact] = []
    mood: str = ""
    tried: list[str] = []
    reasoning: str = ""
    confidence: float | None = None
    promises: list[str] = []
    suggested_next_action: str = ""
    draft_reply: str = ""
    # What the contact was asked to say while they wait; empty when they were asked nothing.
    question_meanwhile: str = ""
    # Each call of a tool in the turn, as `name(arguments): status. What came of it`.
    tool_steps: list[str] = []
    # What wrote it, so that what becomes of its draft can be told by them.
    prompt_version: str | None = None
    call_ids: list[UUID] = []

    def storable(self) -> dict[str, Any]:
        """The packet as JSON."""
        return self.model_dump(mode="json")

    def with_promises(self, promises: Sequence[str]) -> "Packet":
        """The packet with these among its promises, each once."""
        known = {promise.casefold() for promise in self.promises}
        new = [promise for promise in promises if promise.casefold() not in known]
        return self.model_copy(update={"promises": [*self.promises, *new]})


def plain_packet(
    *,
    contact_lines: list[tuple[str, str]],
    agent_lines: list[str],
    reasoning: str,
    confidence: float | None = None,
    suggested_next_action: str | None = None,
    memory: Memory | None = None,
) -> Packet:
    """A packet made without a model: the last messages and the rule, nothing invented.

    Args:
        contact_lines: (message id, text) of the contact's last messages, oldest first.
        memory: of what was said before them.
    """
    summary = memory.summary if memory else Summary()
    last = [line for line in contact_lines if line[1]][-6:]
    return Packet(
        written_by="rules",
        goal=last[-1][1][:300] if last else "",
        summary=" / ".join(text for _, text in last)[:600],
        facts=[
            *(PacketFact(text=f.text, message_id=str(f.message_id)) for f in summary.facts),
            *(PacketFact(text=text[:300], message_id=message_id) for message_id, text in last),
        ],
        promises=[promise.text for promise in summary.promises],
        tried=[line[:300] for line in agent_lines[-3:]],
        reasoning=reasoning,
        confidence=confidence,
        suggested_next_action=suggested_next_action or "Read the last messages and answer.",
    )
