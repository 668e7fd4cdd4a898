"""Errors of evaluation."""

from frontdesk.core.errors import Conflict, Invalid, NotFound


class NoSuchDataset(NotFound):
    """There is no such dataset in this tenant, or it never had this version."""

    code, title = "no_such_dataset", "There is no such dataset"


class NoSuchCase(NotFound):
    """There is no such case in the present version of the dataset."""

    code, title = "no_such_case", "There is no such case"


class NoSuchRun(NotFound):
    """There is no such run in this tenant."""

    code, title = "no_such_run", "There is no such run"


class NoSuchProposal(NotFound):
    """There is no such proposal in this tenant."""

    code, title = "no_such_proposal", "There is no such proposal"


class DatasetExists(Conflict):
    """The agent has a dataset of this name."""

    code, title = "dataset_exists", "There is a dataset of this name"


class AlreadyReviewed(Conflict):
    """Somebody has accepted or rejected this proposal."""

    code, title = "already_reviewed", "This proposal has been reviewed"


class RunIsOver(Conflict):
    """The run has ended by itself, or was cancelled before."""

    code, title = "run_is_over", "This run is over"


class NothingToPlay(Conflict):
    """There is no case in the dataset, or no traffic to draw from."""

    code, title = "nothing_to_play", "There is nothing to play"


class FileInvalid(Invalid):
    """The file can't be read as cases; the message says where."""

    code, title = "file_invalid", "The file can't be read"
