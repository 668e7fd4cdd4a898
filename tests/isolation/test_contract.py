"""The whole description, fuzzed as each role: no 5xx, and no answer that it does not declare.

A few cases of each operation run with the suite, the same each time. `make fuzz`, each night, goes
deeper, with other cases each time.
"""

import asyncio
import json
import os
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import NotSet
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.conftest import LateApp
from tests.desk import Desk
from tests.isolation.asking import Answer, ask
from tests.isolation.callers import NOBODY, SUPER_ADMIN, Caller, callers_of
from tests.isolation.operations import Operation, operations
from tests.isolation.things import kind_of

from frontdesk.core.callers import Scope
from frontdesk.core.resources import Resources
from frontdesk.simulator import Simulator

CASES = int(os.environ.get("FUZZ_CASES", "0"))
# So many operations are asked in one tenant: at night they take long, and a sign-in ends in time.
OPERATIONS_PER_TENANT = 10 if CASES else 1_000
ROLES = ("ADMIN", "HUMAN_AGENT", SUPER_ADMIN, NOBODY, f"key {Scope.CONFIG_WRITE}")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
# What may end a session or keep people out comes last.
LATE = ("/api/v1/users", "/api/v1/tenants", "/api/v1/sign-in-policy", "/api/v1/me", "/api/v1/auth")
# Not the address of anybody else: what is guessed from there slows nobody down.
HOST = "10.66.0.1"


async def _ids(desk: Desk, admin_sql: Any, operation: Operation) -> dict[str, str]:
    """Ids of the tenant's own for an operation's path, as far as it has some."""
    if operation.rule and not operation.rule.roles:
        return {}
    found = {}
    for slot in operation.slots:
        kind = kind_of(operation, slot) if slot.where == "path" else None
        if kind and (value := await admin_sql.fetchval(kind.query, desk.id)) is not None:
            found[slot.name] = str(value)
    return found


async def _send(app: FastAPI, case: Any, caller: Caller, ids: dict[str, str]) -> Answer | None:
    """The answer to a case; None when no client could send it."""
    values = {**{name: str(v) for name, v in (case.path_parameters or {}).items()}, **ids}
    if any(value in ("", ".", "..") or set(value) & set("/?#{}") for value in values.values()):
        return None  # Another path altogether.
    path = case.path
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    body = case.body
    headers = {name: str(value) for name, value in (case.headers or {}).items()}
    if isinstance(body, NotSet):
        body = None
    else:
        headers["content-type"] = case.media_type or "application/json"
        body = body if isinstance(body, bytes) else json.dumps(body, default=str).encode()
    query = {
        name: v if isinstance(v, list) else str(v)
        for name, v in (case.query or {}).items()
        if not isinstance(v, dict)
    }
    try:
        sent = {"query": query, "headers": headers | caller.headers, "body": body}
        return await ask(app, case.method, path, **sent, host=HOST)
    except UnicodeEncodeError:
        return None


def _complaint(case: Any, answer: Answer) -> str | None:
    """What is not as described, or None."""
    headers: dict[str, list[str]] = {}
    # OpenAPI 3.1 has no words for the events of a stream.
    streams = answer.header("content-type").startswith("text/event-stream")
    checks = CHECKS[:-1] if streams else CHECKS
    for name, value in answer.headers:
        headers.setdefault(name, []).append(value)
    request = requests.Request(case.method, "http://testserver/").prepare()
    response = schemathesis.Response(answer.status, headers, answer.body, request, 0.0, False)
    try:
        case.validate_response(response, checks=checks)
    except FailureGroup as complaint:
        return "; ".join(str(reason).replace("\n", " ") for reason in complaint.exceptions)
    return None


@pytest.mark.timeout(0 if CASES else 300)
async def test_every_answer_to_anything_is_one_that_is_declared(
    open_app: FastAPI,
    resources: Resources,
    world: tuple[Simulator, LateApp],
    admin_sql: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    described = schemathesis.openapi.from_dict(open_app.openapi())
    known = {(each.method, each.path): each for each in operations(open_app)}
    fuzzed = [each.ok() for each in described.get_all_operations()]
    fuzzed.sort(
        key=lambda each: next((i for i, p in enumerate(LATE, 1) if each.path.startswith(p)), 0)
    )
    complaints: dict[str, str] = {}
    asked = 0
    for number, target in enumerate(fuzzed):
        if number % OPERATIONS_PER_TENANT == 0:
            desk = await Desk.make(open_app, resources, None, world[0])
            callers = [each for each in await callers_of(open_app, desk) if each.name in ROLES]
        operation = known[target.method.upper(), target.path]
        ids = await _ids(desk, admin_sql, operation)
        for mode in GenerationMode:
            for turn, case in enumerate(await asyncio.to_thread(_cases, target, mode)):
                # What is malformed is so for all; whoever may most gets furthest with it.
                who = callers if mode is GenerationMode.POSITIVE else callers[:2]
                for caller in who:
                    answer = await _send(open_app, case, caller, ids if turn % 2 == 0 else {})
                    if answer is None:
                        continue
                    asked += 1
                    if complaint := _complaint(case, answer):
                        where = f"{operation} as {caller.name}: {answer.status}"
                        told = f"{complaint} {answer.text[:200]} to {_asked(case)}"
                        complaints.setdefault(where, told)
    with capsys.disabled():
        print(f"\nasked {asked} things of {len(fuzzed)} operations as {len(callers)} callers")
    assert not complaints, "\n".join(f"{where}: {what}" for where, what in complaints.items())


def _asked(case: Any) -> str:
    """What was asked, for whoever wants to ask it again."""
    return f"{case.path_parameters} ?{case.query} {case.headers} {case.body!r}"[:1_000]


def _cases(target: Any, mode: GenerationMode) -> list[Any]:
    """Requests that fit the description, or just don't."""
    cases: list[Any] = []

    @hypothesis.settings(
        max_examples=CASES or (2 if mode is GenerationMode.POSITIVE else 1),
        derandomize=not CASES,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(target.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        cases.append(case)

    try:
        collect()
    except hypothesis.errors.Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # It takes nothing that could be malformed.
    return cases
