"""The pipeline: one message in, one answer out. It owns the flow and no tables."""

from frontdesk.pipeline.answer import answer, think
from frontdesk.pipeline.dead_letters import (
    discard_letter,
    get_letter,
    list_letters,
    replay_letter,
)
from frontdesk.pipeline.dead_webhooks import find_number
from frontdesk.pipeline.deliver import deliver, give_back
from frontdesk.pipeline.drill_report import DrillReport
from frontdesk.pipeline.drilling import drills_of, read_drill, start_drill, stop_drill
from frontdesk.pipeline.escalate import PACKET_DEADLINE_SECONDS
from frontdesk.pipeline.explain_schemas import ExplanationPublic
from frontdesk.pipeline.explaining import explain_any
from frontdesk.pipeline.language import read_language
from frontdesk.pipeline.letters import OPERATOR, Caller, Change, Kind, Letter, NoSuchLetter
from frontdesk.pipeline.on_paper import PaperLine, on_paper, with_memory
from frontdesk.pipeline.receive import receive
from frontdesk.pipeline.replay import get_replay, start_replay
from frontdesk.pipeline.schemas import ReplayCreate, ReplayPublic
from frontdesk.pipeline.turn import Outcome, OutcomeKind, Turn
from frontdesk.pipeline.warming import warm

__all__ = [
    "OPERATOR",
    "PACKET_DEADLINE_SECONDS",
    "Caller",
    "Change",
    "DrillReport",
    "ExplanationPublic",
    "Kind",
    "Letter",
    "NoSuchLetter",
    "Outcome",
    "OutcomeKind",
    "PaperLine",
    "ReplayCreate",
    "ReplayPublic",
    "Turn",
    "answer",
    "deliver",
    "discard_letter",
    "drills_of",
    "explain_any",
    "find_number",
    "get_letter",
    "get_replay",
    "give_back",
    "list_letters",
    "on_paper",
    "read_drill",
    "read_language",
    "receive",
    "replay_letter",
    "start_drill",
    "start_replay",
    "stop_drill",
    "think",
    "warm",
    "with_memory",
]
