"""The pipeline: one message in, one answer out. It owns the flow and no tables."""

from frontdesk.pipeline.answer import answer, think
from frontdesk.pipeline.deliver import deliver
from frontdesk.pipeline.escalate import PACKET_DEADLINE_SECONDS
from frontdesk.pipeline.language import warm
from frontdesk.pipeline.receive import receive
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Trace, Turn

__all__ = [
    "PACKET_DEADLINE_SECONDS",
    "Outcome",
    "OutcomeKind",
    "Trace",
    "Turn",
    "answer",
    "deliver",
    "receive",
    "think",
    "warm",
]
