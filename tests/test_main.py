"""The edge of the web process: what holds for every request, whatever the route."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from openapi_spec_validator import validate
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from frontdesk.core.api import install_error_handlers
from frontdesk.core.asgi import CrossSiteRequest, Edge, check_origin, origin_of
from frontdesk.core.errors import Unavailable
from frontdesk.core.metrics import Metrics
from frontdesk.core.resources import Resources
from frontdesk.core.settings import Settings
from frontdesk.main import create_app

OURS = "https://desk.example.com"


class Note(BaseModel):
    """A small body."""

    note: str = ""


class _Held:
    metrics = Metrics()


@pytest.fixture
def edge() -> FastAPI:
    """A few routes of no context behind the edge."""
    app = FastAPI()
    app.state.resources = _Held()
    app.add_middleware(
        Edge,
        public_url=OURS,
        json_body_bytes=1000,
        file_paths=re.compile(r"/api/v1/things/[^/]+/files"),
    )
    install_error_handlers(app)

    @app.post("/api/v1/notes")
    async def write(body: Note) -> int:
        return len(body.note)

    @app.post("/api/v1/bell", status_code=204)
    async def ring() -> None:
        return None

    @app.post("/api/v1/things/{thing_id}/files")
    async def upload(thing_id: str) -> str:
        return thing_id

    @app.get("/api/v1/crash")
    async def crash() -> None:
        raise RuntimeError("SELECT secret FROM somewhere")

    @app.get("/api/v1/half")
    async def half() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise RuntimeError

        return StreamingResponse(parts())

    @app.get("/api/v1/picture")
    async def picture() -> Response:
        own = {"Cache-Control": "private, max-age=60", "Content-Security-Policy": "sandbox"}
        return Response(b"...", media_type="image/png", headers=own)

    @app.post("/webhooks/whatsapp")
    async def webhook() -> str:
        return "ok"

    return app


@pytest.fixture
async def browser(edge: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on our own page."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(edge), base_url=OURS, headers={"Origin": OURS}
    ) as client:
        yield client


@pytest.fixture
async def client(settings: Settings, resources: Resources) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole application, signed in to nothing."""
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(create_app(settings, resources)),
        base_url="http://testserver",
        headers={"Origin": "http://testserver"},
    ) as opened:
        yield opened


async def test_a_request_keeps_its_id_or_gets_one(browser: httpx.AsyncClient) -> None:
    given = await browser.post("/api/v1/bell", headers={"X-Request-ID": "order-66.retry_1"})
    assert given.headers["x-request-id"] == "order-66.retry_1"
    made = [(await browser.post("/api/v1/bell")).headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    for bad in ("short", "x" * 65, "has spaces in it", "forged\tline", "naïve-request"):
        answer = await browser.post("/api/v1/bell", headers={"X-Request-ID": bad.encode()})
        assert answer.headers["x-request-id"] != bad
        assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    ("method", "sec_fetch_site", "origin", "fine"),
    [
        ("POST", "same-origin", None, True),
        ("POST", "same-origin", OURS, True),
        ("POST", None, OURS, True),
        ("POST", None, None, False),
        ("POST", None, "https://evil.example", False),
        ("POST", None, "null", False),
        ("POST", None, OURS + ".evil.example", False),
        ("POST", None, "http://desk.example.com", False),
        ("POST", "cross-site", OURS, False),
        ("POST", "same-site", None, False),
        ("POST", "none", None, False),
        ("PUT", None, None, False),
        ("PATCH", "cross-site", None, False),
        ("DELETE", None, "https://evil.example", False),
        ("GET", None, None, True),
        ("GET", "none", None, True),
        ("GET", "same-origin", None, True),
        ("GET", "cross-site", None, False),
        ("GET", "same-site", None, False),
        ("GET", None, "https://evil.example", False),
        ("HEAD", "cross-site", None, False),
    ],
)
def test_another_site_can_not_act_with_our_cookie(
    method: str, sec_fetch_site: str | None, origin: str | None, fine: bool
) -> None:
    if fine:
        check_origin(method, sec_fetch_site, origin, OURS)
    else:
        with pytest.raises(CrossSiteRequest):
            check_origin(method, sec_fetch_site, origin, OURS)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_listed_site_may_do_what_ours_may_and_no_other(method: str) -> None:
    theirs = ("https://console.example.com",)
    check_origin(method, "same-site", *theirs, OURS, theirs)
    check_origin(method, None, *theirs, OURS, theirs)
    for origin in ("https://other.example.com", "https://console.example.com.evil.example", "null"):
        with pytest.raises(CrossSiteRequest):
            check_origin(method, "same-site", origin, OURS, theirs)


async def test_only_listed_sites_are_told_that_they_may_read(
    settings: Settings, resources: Resources
) -> None:
    theirs, ask = "https://console.example.com", {"Access-Control-Request-Method": "POST"}
    web = settings.web.model_copy(update={"allowed_origins": (theirs,)})
    listing = create_app(settings.model_copy(update={"web": web}), resources)
    for app, origin, told in [
        (listing, theirs, theirs),
        (listing, "https://evil.example", None),
        (create_app(settings, resources), theirs, None),
    ]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            asked = await client.options("/api/v1/me", headers={"Origin": origin, **ask})
            read = await client.get("/api/v1/me", headers={"Origin": origin})
        # A refusal can be read too: that it is not signed in, or that it is another site.
        for answer in (asked, read):
            assert answer.headers.get("access-control-allow-origin") == told
        assert read.status_code == (401 if told else 403)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Desk.Example.com/", OURS),
        ("https://desk.example.com:443/app", OURS),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


async def test_a_form_of_another_site_is_refused_before_any_route(edge: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(edge), base_url=OURS) as client:
        for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            answer = await client.post("/api/v1/bell", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")
            assert answer.headers["content-type"] == "application/problem+json"
        # Meta is no browser; its signature says who it is.
        assert (await client.post("/webhooks/whatsapp")).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonx", 415),
        ("", 415),
    ],
)
async def test_only_json_is_read(
    browser: httpx.AsyncClient, content_type: str, status: int
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = await browser.post("/api/v1/notes", content=b'{"note": "x"}', headers=headers)
    assert answer.status_code == status
    if status == 415:
        assert answer.json()["code"] == "unsupported_media_type"


async def test_no_body_needs_no_type_and_files_check_themselves(
    browser: httpx.AsyncClient,
) -> None:
    assert (await browser.post("/api/v1/bell")).status_code == 204
    answer = await browser.post("/api/v1/things/7/files", files={"file": b"x" * 5000})
    assert answer.json() == "7"


async def test_a_body_over_the_limit_is_refused_whatever_it_declares(
    browser: httpx.AsyncClient,
) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        yield b'{"note": "'
        for _ in range(count):
            yield b"x" * 100
        yield b'"}'

    headers = {"Content-Type": "application/json"}
    declared = await browser.post("/api/v1/notes", json={"note": "x" * 1000})
    streamed = await browser.post("/api/v1/notes", content=chunks(1000), headers=headers)
    for answer in (declared, streamed):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    fits = await browser.post("/api/v1/notes", content=chunks(9), headers=headers)
    assert fits.json() == 900
    form = await browser.post("/api/v1/notes", content=chunks(1))
    assert form.status_code == 415


async def test_answers_tell_browsers_to_be_careful(browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/api/v1/notes", json={"note": "x"})
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["permissions-policy"].startswith("camera=()")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert "access-control-allow-origin" not in answer.headers
    refused = await browser.get("/api/v1/nowhere")
    assert refused.headers["x-content-type-options"] == "nosniff"


async def test_what_a_route_says_itself_is_kept(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/api/v1/picture")
    assert answer.headers.get_list("cache-control") == ["private, max-age=60"]
    assert answer.headers.get_list("content-security-policy") == ["sandbox"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_half_an_answer_ends_with_the_connection(browser: httpx.AsyncClient) -> None:
    with pytest.raises(RuntimeError):
        await browser.get("/api/v1/half")


async def test_a_crash_says_nothing_but_its_request_id(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/api/v1/crash", headers={"X-Request-ID": "request-1"})
    assert answer.status_code == 500
    assert answer.json() == {
        "type": "about:blank",
        "title": "Something went wrong on our side",
        "status": 500,
        "detail": "Something went wrong on our side",
        "code": "internal_error",
        "request_id": "request-1",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b'{"note": "\xff"}',
        b'{"note": "\\ud83d"}',
        b'{"\\ud83d": 1}',
        b"[" * 900,
        b"9" * 900,
        b'{"note": NaN}',
        b"\x00",
    ],
)
async def test_a_body_nobody_can_read_is_the_senders_mistake(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(
        "/api/v1/auth/sign-in", content=body, headers={"Content-Type": "application/json"}
    )
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_unknown_places_and_methods_are_problems_too(client: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("GET", "/api/v1/users/", 404),
        ("DELETE", "/api/v1/me", 405),
    ):
        answer = await client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


# Of the API, what is open to whoever is not signed in yet.
PUBLIC = {
    "/auth/sign-in",
    "/auth/mfa",
    "/auth/mfa/enrolment",
    "/auth/mfa/enrolment/confirm",
    "/auth/forgot-password",
    "/auth/reset-password",
    "/invites/open",
    "/invites/accept",
}


async def test_the_description_is_valid_and_every_operation_is_described(
    client: httpx.AsyncClient,
) -> None:
    schema = (await client.get("/openapi.json")).json()
    validate(schema)
    tags = {tag["name"] for tag in schema["tags"]}
    assert all(tag["description"] for tag in schema["tags"])
    operation_ids: list[str] = []
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            operation_ids.append(operation["operationId"])
            assert operation["summary"], where
            assert operation["description"], where
            assert set(operation["tags"]) <= tags, where
            for status, response in operation["responses"].items():
                if path.startswith("/api/") and status >= "400":
                    assert set(response["content"]) == {"application/problem+json"}, where
                    content = response["content"]["application/problem+json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, where
            if path.startswith("/api/"):
                assert {"401", "422", "429", "503"} <= set(operation["responses"]), where
            public = path.removeprefix("/api/v1") in PUBLIC or not path.startswith(
                ("/api/", "/v1/")
            )
            assert ("security" not in operation) is public, where
    assert len(set(operation_ids)) == len(operation_ids)
    assert not [name for name in operation_ids if "_api_v1_" in name], "named by no `Router`"
    assert "HTTPValidationError" not in json.dumps(schema)


async def test_the_docs_page_may_load_what_it_needs_and_only_it(client: httpx.AsyncClient) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    assert "https://cdn.jsdelivr.net" in page.headers["content-security-policy"]
    assert "jsdelivr" not in (await client.get("/livez")).headers["content-security-policy"]


async def test_docs_are_served_only_where_asked_for(
    settings: Settings, resources: Resources
) -> None:
    web = settings.web.model_copy(update={"docs": False})
    app = create_app(settings.model_copy(update={"web": web}), resources)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver"
    ) as client:
        for path in ("/docs", "/redoc", "/openapi.json"):
            assert (await client.get(path)).status_code == 404


async def test_it_opens_what_it_needs_at_the_start_and_closes_it(settings: Settings) -> None:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        opened: Any = app.state.resources
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://testserver"
        ) as client:
            assert (await client.get("/readyz")).json()["checks"]["database"]["ok"] is True
    with pytest.raises(Unavailable):
        async with opened.db.system():
            pass
