"""Errors of privacy."""

from frontdesk.core.errors import Conflict, NotFound, NothingYet


class NoSuchContact(NotFound):
    """There is no such contact in this tenant."""

    code, title = "contact_not_found", "There is no such contact"


class AlreadyRunning(Conflict):
    """One export of a tenant, and one erasure of a contact, is made at a time."""

    code, title = "already_running", "One is being made already"


class ExportGone(NothingYet):
    """The file is not there: not made yet, expired and deleted, or its making failed."""

    code, title = "export_not_there", "There is no file of this export"
