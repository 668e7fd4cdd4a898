"""Kinds of text that configurations are made of."""

from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

from frontdesk.core.text import clean


def _clean(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


# Cleaned before its length is looked at: what Postgres would refuse counts for nothing.
Text = Annotated[str, BeforeValidator(_clean), StringConstraints(strip_whitespace=True)]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]
Word = Annotated[Text, StringConstraints(min_length=1, max_length=80)]
