"""Due work of knowledge."""

from frontdesk.core.work import Due
from frontdesk.knowledge import ingesting, service

INGEST = Due(
    kind=service.SOURCE,
    list_ids=ingesting.list_due_sources,
    handle=ingesting.ingest_source,
    at_once=2,
)
