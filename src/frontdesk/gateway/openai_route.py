"""A route that speaks to OpenAI's clients: problem+json as everywhere, with their error inside."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from frontdesk.core.errors import FrontdeskError

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


class ChatInvalid(FrontdeskError):
    """What was sent is no call that can be made; OpenAI's clients expect 400 here, not 422."""

    status, code, title = 400, "invalid_request", "The request is not valid"


def openai_error(error: FrontdeskError) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = _TYPES.get(
        error.status, "server_error" if error.status >= 500 else "invalid_request_error"
    )
    fields: list[dict[str, str]] = error.details.get("errors", [])
    param = fields[0]["field"] if fields else None
    return {"message": str(error), "type": kind, "code": error.code, "param": param}


class OpenAiRoute(APIRoute):
    """Adds the member `error` to whatever error a route under `/v1` ends with."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with its errors translated."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                fields = [
                    {"field": ".".join(map(str, item["loc"][1:])), "message": item["msg"]}
                    for item in error.errors()
                ]
                told = "; ".join(f"{item['field']}: {item['message']}" for item in fields[:5])
                raise _with_error(ChatInvalid(told, errors=fields)) from None
            except FrontdeskError as error:
                raise _with_error(error) from None

        return translated


def _with_error(error: FrontdeskError) -> FrontdeskError:
    error.details["error"] = openai_error(error)
    return error
