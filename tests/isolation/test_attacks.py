"""What is tried on every operation at once: forged forms, stowaway fields, SQL, false hosts."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.identity.onboarding.mailbox import Post
from tests.isolation.asking import ORIGIN, ask
from tests.isolation.callers import ACTING, SUPER_ADMIN, Caller
from tests.isolation.conftest import Neighbours
from tests.isolation.operations import Operation, Resolver, operations, put
from tests.isolation.test_crossing import request_to
from tests.isolation.things import fingerprint, id_of, kind_of

# What no client may set anywhere: whose it is, who did it, what it costs, how it stands.
NEVER_SET = {
    "id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "tenant_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "user_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "created_by": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "acting_id": "0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001",
    "role": "ADMIN",
    "is_super_admin": True,
    "cost_usd": "0",
    "price_usd": "0",
    "amount_usd": "0",
    "created_at": "2020-01-01T00:00:00Z",
    "state": "done",
    "password_hash": "x",
    "__proto__": {"role": "ADMIN"},
}
SQL = (
    "' OR '1'='1",
    "x'; DROP TABLE membership; --",
    "x') UNION SELECT password_hash FROM app_user --",
    "%' OR tenant_id IS NOT NULL --",
    "id; SELECT pg_sleep(5)",
    "\x00",
)


def _by_name(callers: list[Caller], *names: str) -> list[Caller]:
    return [caller for caller in callers if caller.name in names]


def _whoever_may(callers: list[Caller], operation: Operation) -> Caller:
    """The one with the most rights of those it lets in: an admin, if it does."""
    ranked = _by_name(callers, "ADMIN") + callers
    return next(caller for caller in ranked if caller.may(operation.rule))


@pytest.fixture
async def nothing_changes(
    neighbours: Neighbours, callers: list[Caller], admin_sql: asyncpg.Connection
) -> AsyncIterator[None]:
    """The rows of both tenants are the same after the test as before it, once all are signed in."""
    tenants = (neighbours.ours.id, neighbours.theirs.id)
    before = await fingerprint(admin_sql, *tenants)
    yield
    after = await fingerprint(admin_sql, *tenants)
    assert [table for table in after if after[table] != before[table]] == []


@pytest.fixture
async def our_ids(neighbours: Neighbours, admin_sql: asyncpg.Connection) -> Any:
    """Fills an operation's ids with our own."""

    async def fill(operation: Operation) -> dict[Any, Any]:
        kinds = [(slot, kind_of(operation, slot)) for slot in operation.slots]
        ours = neighbours.ours.id
        return {slot: await id_of(admin_sql, kind, ours) for slot, kind in kinds if kind}

    return fill


@pytest.mark.usefixtures("nothing_changes")
async def test_reading_never_changes_anything(
    neighbours: Neighbours, callers: list[Caller], our_ids: Any
) -> None:
    read, crashed = 0, []
    for operation in operations(neighbours.app):
        if operation.is_unsafe:
            continue
        ids = await our_ids(operation)
        for caller in _by_name(callers, "ADMIN", "HUMAN_AGENT", SUPER_ADMIN, ACTING):
            request = request_to(operation, ids, None, "")
            request["headers"] |= caller.headers
            answer = await ask(neighbours.app, "GET", **request)
            read += answer.status == 200
            if answer.status >= 500:
                crashed.append(f"{operation} as {caller.name}: {answer.status}")
    assert not crashed
    assert read > 100


@pytest.mark.usefixtures("nothing_changes")
async def test_no_page_of_another_site_can_change_anything_anywhere(
    neighbours: Neighbours, callers: list[Caller], our_ids: Any
) -> None:
    elsewhere: list[dict[str, str]] = [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
        {"origin": ORIGIN, "sec-fetch-site": "same-site"},
        {"origin": ORIGIN, "sec-fetch-site": "none"},
        {"origin": f"{ORIGIN}.evil.example"},
        {},
    ]
    wrong, refused = [], 0
    for operation in operations(neighbours.app):
        headers = _whoever_may(callers, operation).headers
        if not operation.is_unsafe or not operation.path.startswith("/api/"):
            continue  # Signed, or let in by a key: no page of another site can send either.
        cookie = {"cookie": headers["cookie"]}
        request = request_to(operation, await our_ids(operation), None, "")
        body = json.dumps(request.pop("json_body")).encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        sent = [(marks, form, 403) for marks in elsewhere]
        # And what does come from our own page is not read unless it is JSON.
        types = ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "")
        takes_files = operation.path.endswith("/files")
        sent += [
            ({"origin": ORIGIN}, {"content-type": kind}, 415)
            for kind in types
            if not (takes_files and kind.startswith("multipart"))
        ]
        for marks, kind, status in sent:
            request["headers"] = {**cookie, **marks, **kind}
            answer = await ask(neighbours.app, operation.method, **request, body=body)
            refused += 1
            code = "cross_site_request" if status == 403 else "unsupported_media_type"
            if (answer.status, answer.code) != (status, code):
                wrong.append(f"{operation} {marks} {kind}: {answer.status} {answer.code}")
    assert not wrong, "\n".join(wrong)
    assert refused > 500


@pytest.mark.usefixtures("nothing_changes")
async def test_nobody_sets_whose_it_is_what_it_costs_or_how_it_stands(
    neighbours: Neighbours, callers: list[Caller], our_ids: Any
) -> None:
    resolve = Resolver(neighbours.app.openapi())
    wrong, tried = [], 0
    for operation in operations(neighbours.app):
        if operation.body_schema is None:
            continue
        headers = _whoever_may(callers, operation).headers
        declared = {slot.place for slot in operation.slots if slot.where == "body"}
        ids = await our_ids(operation)
        for place in resolve.objects(operation.body_schema):
            stowaways = {
                name: value for name, value in NEVER_SET.items() if (*place, name) not in declared
            }
            request = request_to(operation, ids, None, "")
            for name, value in stowaways.items():
                request["json_body"] = put(request["json_body"], (*place, name), value)
            request["headers"] |= headers
            answer = await ask(neighbours.app, operation.method, **request)
            tried += len(stowaways)
            # What is shaped like OpenAI's API names the first five of them only, with 400.
            told = answer.json()
            refused = {
                error["field"].rpartition(".")[2]
                for error in told.get("errors", ())
                if "Extra" in error["message"]
            } or set(re.findall(r"(\w+): Extra inputs", told["detail"]))
            missed = set(stowaways) - refused
            if answer.status not in (400, 422) or (missed and "errors" in told) or not refused:
                wrong.append(f"{operation} {place}: {answer.status}, took {answer.text[:300]}")
    assert not wrong, "\n".join(wrong)
    assert tried > 400


@pytest.mark.usefixtures("nothing_changes")
async def test_sql_in_a_filter_a_sort_order_or_a_path_is_text(
    neighbours: Neighbours, callers: list[Caller], our_ids: Any
) -> None:
    wrong, tried = [], 0
    for operation in operations(neighbours.app):
        if operation.is_unsafe:
            continue
        caller, ids = _whoever_may(callers, operation), await our_ids(operation)
        for slot in operation.slots:
            if slot.where not in ("path", "query"):
                continue
            for text in SQL:
                request = request_to(operation, ids, slot, text)
                # And a tenant that nobody asked for, where a careless filter would take it.
                request["query"] |= {"tenant_id": str(neighbours.theirs.id)}
                request["headers"] |= caller.headers
                answer = await ask(neighbours.app, operation.method, **request)
                tried += 1
                leaks = neighbours.their_mark in answer.text or "argon2" in answer.text
                if answer.status >= 500 or leaks:
                    wrong.append(f"{operation} {slot.name}={text}: {answer.status} {answer.text}")
    assert not wrong, "\n".join(wrong)
    assert tried > 400


async def test_a_false_host_is_told_nowhere_and_leads_nobody_astray(
    neighbours: Neighbours, callers: list[Caller], our_ids: Any
) -> None:
    false = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil"}
    for operation in operations(neighbours.app):
        if operation.is_unsafe:
            continue
        request = request_to(operation, await our_ids(operation), None, "")
        request["headers"] |= {**_whoever_may(callers, operation).headers, **false}
        answer = await ask(neighbours.app, "GET", **request)
        assert "evil" not in answer.text + str(answer.headers), operation
    (admin,) = _by_name(callers, "ADMIN")
    body = {"email": "astray@example.com", "role": "HUMAN_AGENT"}
    headers = {**admin.headers, **false}
    answer = await ask(neighbours.app, "POST", "/api/v1/invites", headers=headers, json_body=body)
    assert answer.status == 201, answer.text
    assert "evil" not in answer.text
    resources = neighbours.app.state.resources
    post = Post(resources, Path(resources.settings.mail.outbox_folder))
    (letter,) = await post.to("astray@example.com")
    assert "evil" not in str(letter)
    assert resources.settings.web.public_url in letter.get_content()
