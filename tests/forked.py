"""Runs `frontdesk` as a process of its own without paying for its start each time.

One process has imported everything; for each run it forks a child with the environment, folder and
input of that run, and nothing else of the tests'.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1] / "src"

_PARENT = """
import gc, importlib, json, os, pkgutil, sys, tempfile
gc.set_threshold(50_000)
import frontdesk.main, frontdesk.worker
from frontdesk.cli import __path__ as folders, app

for module in pkgutil.iter_modules(folders, "frontdesk.cli."):
    importlib.import_module(module.name)
# A child that looked through it for garbage would have to copy it all.
gc.collect()
gc.freeze()

def run(told):
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    sys.argv[1:] = told["arguments"]
    try:
        app(prog_name="frontdesk")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0

for line in sys.stdin.buffer:
    told = json.loads(line)
    files = [tempfile.TemporaryFile() for _ in range(3)]
    files[0].write(told["input"].encode())
    files[0].seek(0)
    if not (child := os.fork()):
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin = open(0, closefd=False)
        code = 1
        try:
            code = run(told)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    texts = []
    for file in files[1:]:
        file.seek(0)
        texts.append(file.read().decode())
    code = os.waitstatus_to_exitcode(status)
    print(json.dumps([code, *texts]), flush=True)
"""


class _Parent:
    def __init__(self) -> None:
        self._alone = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PARENT],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.kill)

    def run(self, **told: Any) -> Any:
        with self._alone:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


_parents: list[_Parent] = []


def frontdesk(
    *arguments: str, environment: dict[str, str], folder: Path | str = "/", give: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run the command in an environment that holds nothing but what a test gives."""
    if not _parents:
        _parents.append(_Parent())
    code, stdout, stderr = _parents[0].run(
        arguments=arguments,
        environment={"PATH": os.environ["PATH"], **environment},
        folder=str(folder),
        input=give,
    )
    return subprocess.CompletedProcess(arguments, code, stdout, stderr)


def one_by_one(
    environment: dict[str, str], *commands: list[str], folder: Path | str = "/"
) -> list[dict[str, Any]]:
    """Run commands one after the other: code, stdout, stderr."""
    done = [frontdesk(*c, environment=environment, folder=folder) for c in commands]
    return [{"code": d.returncode, "stdout": d.stdout, "stderr": d.stderr} for d in done]
