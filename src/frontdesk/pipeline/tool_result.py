"""What came of a call of a tool."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What came of a call; the model sees it too."""

    OK = "ok"
    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENTS = "invalid_arguments"
    NOT_FOUND = "not_found"
    FAILED = "failed"  # It said no, or something we can't use.
    TIMED_OUT = "timed_out"
    REQUIRES_HUMAN = "requires_human"  # Nothing a model does will change it.


@dataclass(frozen=True)
class Result:
    """What a call gave, or why it gave nothing."""

    status: Status
    data: Any = None
    message: str = ""
    http_status: int | None = None
    # What of the data stands in the tenant's knowledge.
    known: str = ""
