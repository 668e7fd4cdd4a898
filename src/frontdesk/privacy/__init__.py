"""Privacy: exports, erasures and retention, over the tables of every context."""

from frontdesk.privacy.erasures import Relisted, reapply_erasures, start_erasure
from frontdesk.privacy.errors import AlreadyRunning, ExportGone, NoSuchContact
from frontdesk.privacy.schemas import ErasurePublic, ExportPublic, RetentionPublic

__all__ = [
    "AlreadyRunning",
    "ErasurePublic",
    "ExportGone",
    "ExportPublic",
    "NoSuchContact",
    "Relisted",
    "RetentionPublic",
    "reapply_erasures",
    "start_erasure",
]
