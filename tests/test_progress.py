"""What a terminal is shown besides: how far long work is, and the colour of a state."""

import io
import sys

import pytest
import typer

from frontdesk.cli.progress import progress
from frontdesk.cli.telling import coloured


class Terminal(io.StringIO):
    """What stands behind standard error when somebody looks."""

    def isatty(self) -> bool:
        return True


def work() -> None:
    with progress("counting") as tell:
        for done in (1, 1, 2):
            tell(done, 4)
        tell(7, None)


def test_on_a_terminal_one_line_moves_and_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    work()
    lines = terminal.getvalue().split("\r\x1b[K")
    assert [line.split()[-3:] for line in lines[1:3]] == [["1", "of", "4"], ["2", "of", "4"]]
    assert lines[3:] == ["counting  7", ""], "and what is told twice is written once"
    assert "\n" not in terminal.getvalue()


def test_in_a_pipe_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", pipe := io.StringIO())
    work()
    assert pipe.getvalue() == ""


def test_the_line_goes_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        with progress("counting") as tell:
            tell(1, 2)
            raise KeyError

    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with pytest.raises(KeyError):
        fail()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_state_has_its_colour_on_a_terminal_only() -> None:
    typer.echo(coloured("failed", 8), file=(terminal := Terminal()))
    typer.echo(coloured("failed", 8), file=(pipe := io.StringIO()))
    assert terminal.getvalue() == "\x1b[31mfailed  \x1b[0m\n"
    assert pipe.getvalue() == "failed  \n"
