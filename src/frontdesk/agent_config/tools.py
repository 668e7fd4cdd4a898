"""Tools an agent may use while it answers: built-in ones, and calls of the tenant's own services."""

import re
from enum import StrEnum
from string import Formatter
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from frontdesk.agent_config.values import Text

MAX_STEPS = 5
STEP_SECONDS = 30
SECRET = re.compile(r"\{secret:([a-z][a-z0-9_]{0,49})\}")
CONTACT = re.compile(r"\{contact:([^{}]*)\}")
_OF_A_CONTACT = frozenset({"id", "wa_id"})
# What a model may be asked for. No `$ref`, which would be fetched, and no `pattern`, which may take
# for ever on a text somebody has thought up.
_KEYWORDS = frozenset(
    {
        "type", "properties", "required", "description", "title", "enum", "items", "format",
        "additionalProperties", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    }
)  # fmt: skip
_DEEPEST = 4
_MOST_PROPERTIES = 30
# Written by the client itself, or by us.
_OUR_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key"}
)
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Name = Annotated[Text, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
SecretName = Name
HeaderName = Annotated[Text, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,60}$")]
HeaderValue = Annotated[Text, StringConstraints(max_length=500, pattern=r"^[\x20-\x7e]*$")]
Host = Annotated[Text, StringConstraints(pattern=r"^[a-z0-9.:-]{1,253}$")]
Pointer = Annotated[Text, StringConstraints(pattern=r"^(/[^/]+)+$", max_length=200)]


class BuiltInTool(StrEnum):
    """A tool that Frontdesk comes with."""

    SEARCH_KNOWLEDGE = "search_knowledge"
    HAND_OFF = "hand_off"
    CLOSE = "close"
    REMEMBER_FACT = "remember_fact"


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema of an object, refused where it says more than tools may."""
    from jsonschema import Draft202012Validator, SchemaError

    if schema.get("type") != "object":
        raise ValueError("parameters must be a JSON schema of the type object")
    _look_through(schema, _DEEPEST)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"parameters are no JSON schema: {error.message[:200]}") from None
    return {"additionalProperties": False, **schema}


def _look_through(schema: Any, levels: int) -> None:
    if not isinstance(schema, dict) or levels == 0:
        raise ValueError(f"parameters must be objects, at most {_DEEPEST} levels deep")
    if unknown := sorted(set(schema) - _KEYWORDS):
        raise ValueError(f"parameters can't use {', '.join(map(str, unknown))}")
    if not isinstance(schema.get("additionalProperties", False), bool):
        raise ValueError("additionalProperties must be true or false")  # noqa: TRY004  # For pydantic.
    properties = schema.get("properties", {})
    if not isinstance(properties, dict) or len(properties) > _MOST_PROPERTIES:
        raise ValueError(f"properties must be an object of at most {_MOST_PROPERTIES}")
    for part in [*properties.values(), *([schema["items"]] if "items" in schema else [])]:
        _look_through(part, levels - 1)


class HttpTool(BaseModel):
    """A call of one of the tenant's own HTTP services that a model may ask for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(examples=["order_status"])
    description: Annotated[Text, StringConstraints(min_length=1, max_length=500)] = Field(
        description="Tells the model what it gives and when to use it.",
        examples=["Status of an order, by its number."],
    )
    parameters: Annotated[dict[str, Any], AfterValidator(_described)] = Field(
        description="JSON schema of the arguments: an object.",
        examples=[
            {
                "type": "object",
                "properties": {"order_id": {"type": "string", "maxLength": 40}},
                "required": ["order_id"],
            }
        ],
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[Text, StringConstraints(max_length=500)] = Field(
        description="With `{name}` for required arguments, in path or query only. The others go into "
        "the query of a GET or DELETE, else into a JSON body.",
        examples=["https://api.shop.example/orders/{order_id}"],
    )
    headers: Annotated[dict[HeaderName, HeaderValue], Field(max_length=20)] = Field(
        {},
        description="`{secret:name}` stands for a secret saved under `/tool-secrets/name`, "
        "`{contact:wa_id}` for the number that writes and `{contact:id}` for the contact's id here: no "
        "model can change them. A header without a number to tell is left out.",
        examples=[{"Authorization": "Bearer {secret:shop_token}"}],
    )
    result: Annotated[dict[Name, Pointer], Field(max_length=20)] = Field(
        {},
        description="What of a JSON answer the model is told: a name, and where it stands (RFC 6901). "
        "Without it all of the answer.",
        examples=[{"status": "/order/status", "arrives": "/order/delivery/date"}],
    )
    timeout_seconds: float = Field(10, gt=0, le=STEP_SECONDS)
    repeatable: bool = Field(
        False,
        description="Calling it twice does no harm. Else it is sent an `Idempotency-Key`, the same one "
        "when a turn has to be run again.",
    )

    needs_person: bool | None = Field(
        None,
        description="A person does it: that the model wants it hands the conversation off, and nothing "
        "is called. Left out, it holds for every method but GET.",
    )

    @model_validator(mode="after")
    def _can_be_called(self) -> Self:
        where = urlsplit(self.url)
        if "{" in where.netloc or "@" in where.netloc or where.fragment or not where.hostname:
            raise ValueError("url must name its host, without user, password or fragment")
        if where.scheme != "https" and not (where.scheme == "http" and where.hostname in _LOOPBACK):
            raise ValueError("url must begin with https://")
        for name in self.placeholders:
            if name not in self.parameters.get("required", ()):
                raise ValueError(f"{{{name}}} in url is no required parameter")
        if taken := [name for name in self.headers if name.lower() in _OUR_HEADERS]:
            raise ValueError(f"the header {taken[0]} can't be set")
        of_contact = {name for value in self.headers.values() for name in CONTACT.findall(value)}
        if unknown := sorted(of_contact - _OF_A_CONTACT):
            raise ValueError(f"{{contact:{unknown[0]}}} is nothing that is known of a contact")
        return self

    @property
    def host(self) -> str:
        """The host it asks, in small letters."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_for_people(self) -> bool:
        """Whether a model may only propose it: what changes something, unless it is set otherwise."""
        return self.method != "GET" if self.needs_person is None else self.needs_person

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The names of the arguments that stand in the URL."""
        try:
            parts = list(Formatter().parse(self.url))
        except ValueError:
            raise ValueError("url has a brace that is not closed") from None
        if any(spec or conversion for _, _, spec, conversion in parts):
            raise ValueError("placeholders in url are plain names in braces")
        return tuple(name for _, name, _, _ in parts if name is not None)

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets its headers need."""
        return frozenset(name for value in self.headers.values() for name in SECRET.findall(value))


class Tools(BaseModel):
    """What an agent may do besides answering; nothing unless it is listed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    built_in: Annotated[tuple[BuiltInTool, ...], Field(max_length=10)] = ()
    http: Annotated[tuple[HttpTool, ...], Field(max_length=20)] = ()
    hosts: Annotated[tuple[Host, ...], Field(max_length=20)] = Field(
        (), description="The only hosts its HTTP tools may ask.", examples=[["api.shop.example"]]
    )
    max_steps: int = Field(
        MAX_STEPS, ge=1, le=MAX_STEPS, description="Calls of tools in one turn, at most."
    )
    max_cost_usd: float = Field(
        0.05, gt=0, le=10, description="What a turn with tools may cost before it has to answer."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        names = [*self.built_in, *(tool.name for tool in self.http)]
        twice = {name for name in names if names.count(name) > 1}
        if twice or "reply" in names:
            raise ValueError(f"the tool name {min(twice, default='reply')} is taken")
        for tool in self.http:
            if tool.name in set(BuiltInTool):
                raise ValueError(f"{tool.name} is the name of a built-in tool")
            if tool.host not in self.hosts:
                raise ValueError(f"{tool.host} of {tool.name} is not among the hosts")
        return self

    @property
    def are_off(self) -> bool:
        """Whether there are none."""
        return not self.built_in and not self.http
