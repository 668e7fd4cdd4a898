"""What privacy tells the feed."""

from typing import ClassVar
from uuid import UUID

from frontdesk.feed import FeedPayload
from frontdesk.privacy.models import ErasureState, ExportState


class ContactErased(FeedPayload):
    """A contact is being erased: let go of what you hold of them, and load it anew."""

    kind: ClassVar[str] = "contact.erased"

    contact_id: UUID


class ErasureChanged(FeedPayload):
    """An erasure has got further."""

    kind: ClassVar[str] = "erasure.changed"

    erasure_id: UUID
    state: ErasureState
    stage: str


class ExportChanged(FeedPayload):
    """An export has got further."""

    kind: ClassVar[str] = "export.changed"

    export_id: UUID
    state: ExportState
    stage: str
