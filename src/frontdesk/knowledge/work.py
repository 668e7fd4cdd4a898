"""Due work of knowledge."""

from frontdesk.core.work import Due
from frontdesk.knowledge import service

INGEST = Due(
    kind=service.SOURCE,
    list_ids=service.list_due_sources,
    handle=service.ingest_source,
    at_once=2,
)
