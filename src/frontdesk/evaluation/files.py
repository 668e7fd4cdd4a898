"""Datasets as files of a repository: a line of JSON a case, or a list in YAML."""

import json
from collections.abc import Sequence
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from frontdesk.evaluation.case_schemas import CaseBody, as_plain
from frontdesk.evaluation.errors import FileInvalid

Format = Literal["jsonl", "yaml"]


def read_cases(form: Format, content: str) -> list[CaseBody]:
    """The cases of a file; raises `FileInvalid`, which says where it is wrong."""
    cases = []
    for place, value in _lines(content) if form == "jsonl" else _items(content):
        try:
            cases.append(CaseBody.model_validate(value))
        except ValidationError as error:
            (first, *_) = error.errors(include_url=False, include_input=False)
            where = ".".join(map(str, first["loc"]))
            raise FileInvalid(f"{place}: {where}: {first['msg']}.") from None
    return cases


def write_cases(form: Format, cases: Sequence[CaseBody]) -> str:
    """The cases as a file, which `read_cases` reads."""
    plain = [as_plain(case) for case in cases]
    if form == "jsonl":
        return "".join(f"{json.dumps(case, ensure_ascii=False)}\n" for case in plain)
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=100)


def _lines(content: str) -> list[tuple[str, Any]]:
    found = []
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            try:
                found.append((f"Line {number}", json.loads(line)))
            except ValueError as error:
                raise FileInvalid(f"Line {number} is no JSON: {error}.") from None
    return found


def _items(content: str) -> list[tuple[str, Any]]:
    try:
        # Aliases can make a few lines into millions.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(content)):
            raise FileInvalid("It uses an alias.")
        listed = yaml.safe_load(content)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileInvalid(f"It is no YAML: {error}.") from None
    if not isinstance(listed, list):
        raise FileInvalid("It is no list of cases.")
    return [(f"Case {number}", item) for number, item in enumerate(listed, start=1)]
