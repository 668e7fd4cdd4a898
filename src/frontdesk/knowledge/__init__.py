"""Knowledge: the texts, files and pages agents answer from, cut into pieces and searched."""

from frontdesk.knowledge.clusters import (
    GapCluster,
    cluster_gaps,
    conversations_of,
    list_clusters,
)
from frontdesk.knowledge.context import Context, assemble
from frontdesk.knowledge.errors import NoSuchAgentForSource, NoSuchSource
from frontdesk.knowledge.files import add_file
from frontdesk.knowledge.gaps import GapAnswer, answer_gap, note_gap
from frontdesk.knowledge.models import GapState, SourceState
from frontdesk.knowledge.pieces import Piece, list_pieces
from frontdesk.knowledge.privacy import HOLDINGS
from frontdesk.knowledge.questions import leans_on_before, stand_alone
from frontdesk.knowledge.relevance import Fit, Relevance
from frontdesk.knowledge.retrieval import Chunk, Found, coverage
from frontdesk.knowledge.schemas import Body as SourceBody
from frontdesk.knowledge.schemas import PageCreate, SourceCreate, SourcePublic, SourceSummary
from frontdesk.knowledge.schemas import Title as SourceTitle
from frontdesk.knowledge.service import add_page, add_source, get_source, list_sources
from frontdesk.knowledge.snapshots import knows_anything, look_up

__all__ = [
    "HOLDINGS",
    "Chunk",
    "Context",
    "Fit",
    "Found",
    "GapAnswer",
    "GapCluster",
    "GapState",
    "NoSuchAgentForSource",
    "NoSuchSource",
    "PageCreate",
    "Piece",
    "Relevance",
    "SourceBody",
    "SourceCreate",
    "SourcePublic",
    "SourceState",
    "SourceSummary",
    "SourceTitle",
    "add_file",
    "add_page",
    "add_source",
    "answer_gap",
    "assemble",
    "cluster_gaps",
    "conversations_of",
    "coverage",
    "get_source",
    "knows_anything",
    "leans_on_before",
    "list_clusters",
    "list_pieces",
    "list_sources",
    "look_up",
    "note_gap",
    "stand_alone",
]
