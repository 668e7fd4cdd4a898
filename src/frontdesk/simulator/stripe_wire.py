"""How Stripe speaks: nested form bodies in, JSON out, error objects, ids with a prefix."""

import re
import secrets
import string
from collections.abc import Sequence
from urllib.parse import parse_qsl

from frontdesk.simulator.world import Json

_KEY = re.compile(r"^([^\[]+)((?:\[[^\]]*\])*)$")
_PART = re.compile(r"\[([^\]]*)\]")
_ALPHABET = string.ascii_letters + string.digits


class StripeError(Exception):
    """An error as the API answers it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self._error = {"type": kind, "message": message}
        self._error |= {name: value for name, value in (("code", code), ("param", param)) if value}

    def body(self) -> Json:
        """The JSON of the answer."""
        return {"error": self._error}


def missing(kind: str, given: str, param: str = "id") -> StripeError:
    """What is answered about an id that is none."""
    return StripeError(404, f"No such {kind}: '{given}'", code="resource_missing", param=param)


def needed(body: Json, *names: str) -> None:
    """Refuse a body without one of these parameters."""
    for name in names:
        if body.get(name) in (None, ""):
            raise StripeError(
                400,
                f"Missing required param: {name}.",
                code="parameter_missing",
                param=name,
            )


def new_id(prefix: str) -> str:
    """An id as Stripe makes them: `cus_` and 14 or more letters and digits."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(16))}"


def read_form(raw: str) -> Json:
    """A body like `items[0][price]=price_1` as nested objects and lists; values stay text."""
    found: Json = {}
    for key, value in parse_qsl(raw, keep_blank_values=True):
        match = _KEY.match(key)
        if match is None:
            raise StripeError(400, f"Invalid parameter: {key}")
        parts = [match[1], *_PART.findall(match[2])]
        place = found
        for part in parts[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise StripeError(400, f"Invalid object: {key}")
        place[parts[-1] or str(len(place))] = value
    return {name: _listed(value) for name, value in found.items()}


def _listed(value: object) -> object:
    """Objects whose keys are 0, 1, 2, … as the lists they are."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(each) for name, each in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def page(items: Sequence[Json], query: Json, path: str) -> Json:
    """A list object: `limit` (10) of the items after `starting_after`, as they are ordered."""
    limit = min(100, int(query.get("limit", 10)))
    if after := query.get("starting_after"):
        places = [place for place, item in enumerate(items) if item["id"] == after]
        if not places:
            raise missing("object", str(after), "starting_after")
        items = items[places[0] + 1 :]
    return {
        "object": "list",
        "url": path,
        "has_more": len(items) > limit,
        "data": list(items[:limit]),
    }
