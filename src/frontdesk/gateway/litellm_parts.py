"""Two parts of LiteLLM in our own shape: how it sends, and what it notes of a call.

Only the adapter imports this, as it loads LiteLLM, and before anything else of it.
"""

import os
from copy import copy
from datetime import UTC, datetime
from functools import lru_cache
from json import dumps
from typing import Any

import httpx

from frontdesk.core.http import HttpClient

# Read by LiteLLM at import: no fetch of its price map, no prints, and room for our calls in flight
# (its default is 500 connections to one host).
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "AIOHTTP_CONNECTOR_LIMIT": "4000",
    "AIOHTTP_CONNECTOR_LIMIT_PER_HOST": "2000",
}
for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

from litellm.litellm_core_utils.litellm_logging import Logging  # noqa: E402
from litellm.llms.custom_httpx.http_handler import (  # noqa: E402
    AsyncHTTPHandler,
    MaskedHTTPStatusError,
    mask_sensitive_info,
)

# More than a worker has under way at once.
_MAX_CONNECTIONS = 2_000
# Providers keep connections for minutes, and a new one costs a quiet worker's call its handshake.
_IDLE_SECONDS = 60
# Far more than any answer; one without an end is not to fill the memory.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


class SendsOnce(AsyncHTTPHandler):
    """LiteLLM's HTTP client for providers whose dialect it speaks itself, by way of ours.

    Its own sends a request again when the connection is reset, though the provider may have
    answered, and charged for, the first; and it takes a fifth of a call's CPU.
    """

    def __init__(self) -> None:  # Without the base's, which opens a client of its own.
        self._http = HttpClient(most_connections=_MAX_CONNECTIONS, idle_seconds=_IDLE_SECONDS)

    async def post(
        self,
        url: str,
        data: str | bytes | None = None,
        json: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        timeout: float = 600,  # noqa: ASYNC109  # LiteLLM's name.
        **_: Any,
    ) -> httpx.Response:
        """The answer to a request that is sent once.

        Raises:
            httpx.HTTPStatusError: the answer is an error; what in it looks like a key is masked.
            NotConnected, NoAnswer: there is none, as `HttpClient.post` says.
        """
        answer = await self._http.request(
            "POST",
            url,
            timeout_seconds=timeout,
            most_bytes=_MAX_ANSWER_BYTES,
            data=dumps(json) if data is None else data,
            headers=headers,
        )
        response = httpx.Response(
            answer.status,
            headers=[it for it in answer.headers.items() if it[0].lower() not in _OF_THE_WIRE],
            content=answer.content,
            request=_request(url),
        )
        try:
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            said = mask_sensitive_info(response.text)  # type: ignore[no-untyped-call]  # LiteLLM's.
            raise MaskedHTTPStatusError(error, message=said, text=said) from None
        return response

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


@lru_cache(maxsize=64)
def _request(url: str) -> httpx.Request:
    """What a response wants to have been asked with; making one takes as long as the response."""
    return httpx.Request("POST", url)


# What was true of the bytes on the way, and is not of the content that was unpacked.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class NoNotes(Logging):
    """LiteLLM's notebook of a call, for callbacks and logs we have none of: nothing is written.

    Filling its own takes a tenth of a call's CPU.
    """

    @classmethod
    def blank(cls) -> "NoNotes":
        """One to copy."""
        return cls(
            model="",
            messages=[],
            stream=False,
            call_type="acompletion",
            start_time=datetime.now(UTC),
            litellm_call_id="",
            function_id="",
        )

    def for_a_call(self) -> "NoNotes":
        """A copy that shares nothing a call may write to."""
        notes = copy(self)
        notes.model_call_details = {"litellm_params": {}}
        notes.litellm_params = {}
        return notes

    def pre_call(self, *_: Any, **__: Any) -> None:
        """Note nothing."""

    post_call = pre_call
    update_environment_variables = pre_call
    update_from_kwargs = pre_call
    handle_sync_success_callbacks_for_async_calls = pre_call
