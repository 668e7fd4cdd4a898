"""Due work of knowledge."""

from frontdesk.core.work import Due
from frontdesk.knowledge import ingesting
from frontdesk.knowledge.snapshots import SOURCE

INGEST = Due(
    kind=SOURCE,
    list_ids=ingesting.list_due_sources,
    handle=ingesting.ingest_source,
    at_once=2,
)
