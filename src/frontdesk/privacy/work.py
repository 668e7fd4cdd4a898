"""Due work of privacy: exports to make and to delete, erasures to carry out."""

from frontdesk.core.work import Due
from frontdesk.privacy import erasures, exports

EXPORT = Due(
    kind=exports.EXPORT, list_ids=exports.list_due, handle=exports.handle_export, at_once=2
)
ERASURE = Due(
    kind=erasures.ERASURE, list_ids=erasures.list_due, handle=erasures.handle_erasure, at_once=2
)
