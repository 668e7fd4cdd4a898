"""Knowledge: the texts agents answer from, cut into pieces and searched by words and letters."""

from frontdesk.knowledge.errors import NoSuchAgentForSource, NoSuchSource
from frontdesk.knowledge.models import SourceState
from frontdesk.knowledge.retrieval import Chunk, coverage, search
from frontdesk.knowledge.schemas import SourceCreate, SourcePublic, SourceSummary
from frontdesk.knowledge.service import add_source, knows_anything
from frontdesk.knowledge.snapshots import look_up

__all__ = [
    "Chunk",
    "NoSuchAgentForSource",
    "NoSuchSource",
    "SourceCreate",
    "SourcePublic",
    "SourceState",
    "SourceSummary",
    "add_source",
    "coverage",
    "knows_anything",
    "look_up",
    "search",
]
