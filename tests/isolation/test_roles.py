"""Every operation and every caller: whoever it declares is let in, and nobody else."""

from fastapi import FastAPI
from tests.isolation.asking import Answer, ask
from tests.isolation.callers import NOBODY, Caller, callers_of
from tests.isolation.conftest import Neighbours
from tests.isolation.operations import Operation, operations
from tests.isolation.things import KINDS, MISSING_ID

# They end the session that calls them.
ENDING = {"sign_out", "end_my_other_sessions"}


def _is_closed(answer: Answer) -> bool:
    """Whether it was the declaration that kept the caller out, and not what they asked for."""
    if answer.status == 401:
        return True
    closed = ("This needs the role", "This is for programs")
    role = answer.status == 403 and answer.json()["detail"].startswith(closed)
    return role or answer.code in ("missing_scope", "act_first")


async def _knock(app: FastAPI, operation: Operation, caller: Caller) -> Answer:
    path = operation.path
    for slot in operation.slots:
        if slot.where == "path":
            kind = KINDS.get(slot.name)
            path = path.replace(f"{{{slot.name}}}", str(kind.missing if kind else MISSING_ID))
    # No operation takes a list: whoever gets as far as that is let in, and changes nothing.
    body = [] if operation.body is not None else None
    return await ask(app, operation.method, path, headers=caller.headers, json_body=body)


async def _wrong(app: FastAPI, operation: Operation, callers: list[Caller]) -> list[str]:
    wrong = []
    for caller in callers:
        answer = await _knock(app, operation, caller)
        if _is_closed(answer) is caller.may(operation.rule):
            wrong.append(f"{operation} as {caller.name}: {answer.status} {answer.text[:160]}")
        elif not caller.may(operation.rule):
            expected = 401 if caller.name == NOBODY else 403
            if answer.status != expected:
                wrong.append(f"{operation} as {caller.name}: {answer.status}, not {expected}")
    return wrong


async def test_every_operation_lets_in_whom_it_declares_and_nobody_else(
    neighbours: Neighbours, callers: list[Caller]
) -> None:
    app, ours = neighbours.app, neighbours.ours
    wrong = []
    # Those that end sessions last, each with sessions of its own.
    for operation in sorted(operations(app), key=lambda each: each.id in ENDING):
        if operation.path.startswith("/webhooks/"):
            continue  # Let in by a signature, not by who calls.
        if operation.id in ENDING:
            wrong += await _wrong(app, operation, await callers_of(app, ours))
        else:
            wrong += await _wrong(app, operation, callers)
    assert not wrong, "\n".join(wrong)
