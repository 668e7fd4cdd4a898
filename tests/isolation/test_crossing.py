"""Every operation, every id it takes, every caller: another tenant's id is a missing one.

Generated from the application's own description: `operations.py` reads what each operation takes,
`things.py` knows which of it are ids and where another tenant's real ones come from, `callers.py`
makes everybody who may ask. A new route is crossed by itself; an id of a kind that `things.py` does
not know fails here and says which line to add. Each run prints how many combinations it crossed.
"""

import json
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from tests.isolation.asking import Answer, ask
from tests.isolation.callers import NOBODY, Caller, callers_of
from tests.isolation.conftest import Neighbours
from tests.isolation.operations import Operation, Slot, operations, put
from tests.isolation.things import Kind, fingerprint, id_of, kind_of, marks_of

from frontdesk.core.pages import encode_cursor

AUDIT_LOG = {"list_audit_entries", "fetch_audit_log"}


def request_to(
    operation: Operation, ids: dict[Slot, str | int], slot: Slot | None, value: str | int
) -> dict[str, Any]:
    """A well-formed request with a value in a slot; all else it needs has our own ids in it."""
    path, body = operation.path, operation.body
    query: dict[str, Any] = {}
    headers = {"if-match": "*"}
    for each in operation.slots:
        given = value if each == slot else ids.get(each, each.sample)
        wanted = each == slot or each.is_needed
        if each.where == "path":
            path = path.replace(f"{{{each.name}}}", str(given))
        elif each.where == "query" and wanted:
            query[each.name] = given
        elif each.where == "header" and wanted:
            headers[each.name] = str(given)
        elif each == slot or (each in ids and len(each.place) == 1 and each.name in (body or {})):
            body = put(body, each.place, given)
    return {"path": path, "query": query, "headers": headers, "json_body": body}


def as_told(answer: Answer, value: str | int) -> tuple[int, str]:
    """An answer without what differs between any two requests, and without the id it was given."""
    if answer.code is None:
        return answer.status, answer.text.replace(str(value), "<the id>")
    problem = {**answer.json(), "request_id": ""}
    problem["detail"] = problem["detail"].replace(str(value), "<the id>")
    return answer.status, json.dumps(problem)


def is_refusal(answer: Answer) -> bool:
    return answer.status in (401, 403, 404) and answer.code is not None


async def _lines(admin_sql: asyncpg.Connection, tenant: Any, request_ids: list[str]) -> list[Any]:
    return await admin_sql.fetch(
        "SELECT request_id, subject_id, details FROM audit_entry WHERE tenant_id = $1 "
        "AND action = 'request.refused' AND request_id = ANY($2)",
        tenant,
        request_ids,
    )


async def test_another_tenants_id_is_answered_like_a_missing_one_and_changes_nothing(
    neighbours: Neighbours,
    callers: list[Caller],
    admin_sql: asyncpg.Connection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app, ours, theirs = neighbours.app, neighbours.ours.id, neighbours.theirs.id
    ids = await marks_of(admin_sql, theirs)
    before = await fingerprint(admin_sql, ours, theirs)
    crossed, slots_seen, operations_seen, wrong = 0, 0, 0, []
    for operation in operations(app):
        kinds = [(slot, kind_of(operation, slot)) for slot in operation.slots]
        known: list[tuple[Slot, Kind]] = [(slot, kind) for slot, kind in kinds if kind]
        our_ids: dict[Slot, str | int] = {
            slot: await id_of(admin_sql, kind, ours) for slot, kind in known
        }
        operations_seen += bool(known)
        # Of each that was refused: where, and what a line about it must name.
        asked: dict[str, tuple[str, str]] = {}
        for slot, kind in known:
            slots_seen += 1
            foreign = await id_of(admin_sql, kind, theirs)
            for caller in callers:
                where = f"{operation}, {slot.where} {slot.name}, {caller.name}"
                if caller.is_super_admin and operation.rule and not operation.rule.roles:
                    continue  # No tenant is foreign to whoever looks after all of them.
                told = []
                for value in (foreign, kind.missing):
                    request = request_to(operation, our_ids, slot, value)
                    request_id = uuid4().hex
                    request["headers"] |= {**caller.headers, "x-request-id": request_id}
                    told.append(await ask(app, operation.method, **request))
                    if is_refusal(told[-1]) and caller.is_in_tenant:
                        named = str(value) if told[-1].status == 404 else ""
                        asked[request_id] = (where, named)
                crossed += 1
                answer = told[0]
                seen = [i for i in ids if i in answer.text and i != str(foreign)]
                if neighbours.their_mark in answer.text or (seen and operation.id not in AUDIT_LOG):
                    wrong.append(f"{where}: shows what is theirs: {answer.text[:300]}")
                if not kind.is_place and as_told(answer, foreign) != as_told(told[1], kind.missing):
                    wrong.append(f"{where}: {told[0].text[:200]} but missing: {told[1].text[:200]}")
                if caller.name == NOBODY and operation.rule:
                    fine = answer.status == 401
                else:
                    fine = is_refusal(answer) or (kind.is_place and answer.status == 200)
                if not fine:
                    wrong.append(f"{where}: {answer.status} {answer.text[:200]}")
        if operation.is_unsafe:  # That reading changes nothing is shown by a test of its own.
            after = await fingerprint(admin_sql, ours, theirs)
            if after != before:
                changed = [table for table, value in after.items() if before.get(table) != value]
                wrong.append(f"{operation}: changed {changed}")
                before = after
        lines = {row["request_id"]: row for row in await _lines(admin_sql, ours, [*asked])}
        for request_id, (where, value) in asked.items():
            if value not in str(lines.get(request_id)) or request_id not in lines:
                wrong.append(f"{where}: no line in the audit log")
    with capsys.disabled():
        print(
            f"\ncrossed {crossed} combinations: {slots_seen} ids of {operations_seen} operations, "
            f"{len(callers)} callers"
        )
    assert not wrong, "\n".join(wrong)
    assert crossed > 500


async def test_a_cursor_of_another_tenant_leads_to_ones_own_rows_only(
    neighbours: Neighbours, callers: list[Caller], admin_sql: asyncpg.Connection
) -> None:
    app, ours, theirs = neighbours.app, neighbours.ours.id, neighbours.theirs.id
    ids = await marks_of(admin_sql, theirs)
    their_admin = next(
        caller for caller in await callers_of(app, neighbours.theirs) if caller.name == "ADMIN"
    )
    wrong, followed = [], 0
    for operation in operations(app):
        cursor = next((slot for slot in operation.slots if slot.name == "cursor"), None)
        if cursor is None or (operation.rule and not operation.rule.roles):
            continue
        known = [(slot, kind) for slot in operation.slots if (kind := kind_of(operation, slot))]
        mine, others = [
            {slot: await id_of(admin_sql, kind, tenant) for slot, kind in known}
            for tenant in (ours, theirs)
        ]
        first = request_to(operation, others, None, "")
        first["query"] |= {"limit": 1}
        first["headers"] |= their_admin.headers
        page = (await ask(app, operation.method, **first)).json()
        # A list with one thing in it gives no cursor: it would be made like this.
        cursors = [page["next_cursor"]] if page["next_cursor"] else []
        cursors += [encode_cursor(item["id"]) for item in page["items"] if "id" in item]
        for value in cursors:
            for caller in callers:
                request = request_to(operation, mine, cursor, value)
                request["headers"] |= caller.headers
                answer = await ask(app, operation.method, **request)
                followed += 1
                shown = [] if operation.id in AUDIT_LOG else [i for i in ids if i in answer.text]
                if shown or neighbours.their_mark in answer.text:
                    wrong.append(f"{operation} as {caller.name}: {answer.text[:200]}")
                if answer.status not in (200, 401, 403, 422):
                    wrong.append(f"{operation} as {caller.name}: {answer.status}")
    assert not wrong, "\n".join(wrong)
    assert followed > 100
