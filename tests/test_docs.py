"""What README and docs name must exist: files, make targets, commands, API operations, settings."""

import re
from functools import cache
from pathlib import Path

import pytest
import typer.main
from tests.test_deploy_files import ROOT, SEALING_KEY, make_targets, setting_names

from frontdesk.cli import app as commands
from frontdesk.core.settings import load_settings
from frontdesk.main import create_app

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
# A path ends where no path goes on; `$ID`, `ID` and `{conversation_id}` stand for a value.
PATH = r"/api/v1/[\w$\{\}/-]+"


@cache
def operations() -> set[tuple[str, str]]:
    settings = load_settings(
        None,
        database={"url": "postgresql://frontdesk_app@127.0.0.1/frontdesk"},
        redis={"url": "redis://127.0.0.1"},
        security={
            "session_secret": "a-secret-of-tests-and-nothing-else",
            "encryption_keys": SEALING_KEY,
        },
        whatsapp={"app_secrets": "x", "verify_token": "x"},
    )
    paths = create_app(settings).openapi()["paths"]
    return {(method.upper(), shape(path)) for path, found in paths.items() for method in found}


def shape(path: str) -> str:
    """The path with every value, whatever it is called, as `*`."""
    return re.sub(r"\{\w+\}|\$\w+|(?<=/)[A-Z_]+(?=/|$)", "*", path.rstrip("/"))


def calls(text: str) -> set[tuple[str, str]]:
    """Every operation that is written as a method with a path, or as a call with curl."""
    found = {(m, shape(p)) for m, p in re.findall(rf"\b(GET|POST|PUT|PATCH|DELETE) ({PATH})", text)}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if re.match(r"\s*(curl|desk) ", line) and (path := re.search(PATH, line)):
            given = re.search(r"-X (\w+)", line)
            posts = re.search(r" -d\b", line)
            found.add((given[1] if given else "POST" if posts else "GET", shape(path[0])))
    return found


@every_page
def test_every_relative_link_leads_somewhere(page: Path):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in link or (page.parent / link).exists(), link


@every_page
def test_every_make_target_and_command_exists(page: Path):
    text = page.read_text()
    for target in re.findall(r"(?:^|`)\s*make ([a-z-]+)", text, re.MULTILINE):
        assert target in make_targets(), target
    known = typer.main.get_command(commands).commands  # type: ignore[attr-defined]  # A group.
    for name in re.findall(r"(?:^|`|/bin/|exec web )frontdesk ([a-z]+)", text, re.MULTILINE):
        assert name in known, name


@every_page
def test_every_operation_of_the_api_exists(page: Path):
    text = page.read_text()
    assert calls(text) <= operations()
    named = {shape(path) for path in re.findall(PATH, text)}
    assert named <= {path for _, path in operations()}


@every_page
def test_every_setting_exists(page: Path):
    assert set(re.findall(r"\b[A-Z]+__[A-Z_]+\b", page.read_text())) <= setting_names()


def test_the_pages_name_operations_at_all():
    assert len(calls((ROOT / "docs/api.md").read_text())) > 20


def test_every_line_of_the_security_checklist_names_tests_that_exist():
    checklist = (ROOT / "docs" / "security.md").read_text().partition("## The checklist")[2]
    lines = re.findall(r"^(\d+)\. (.*)$", checklist, re.MULTILINE)
    assert [int(number) for number, _ in lines] == list(range(1, 49))
    for number, line in lines:
        excused = "Not yet" in line or "Does not apply" in line
        assert "`tests/" in line or excused, f"line {number} names no test"
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", checklist):
        source = (ROOT / path).read_text()
        assert re.search(rf"^(?:async )?def {name}\(", source, re.MULTILINE), f"{path}::{name}"
