"""What `/v1` takes and gives: OpenAI's chat completions, as far as they make sense here."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean

DEFAULT_MODEL = "default"
FinishReason = Literal["stop", "length"]
# Parameters that go to the model as they are, or the call is refused.
SAMPLING = ("temperature", "top_p", "seed", "stop")
_EXAMPLE: dict[str, Any] = {
    "model": DEFAULT_MODEL,
    "messages": [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "What is a doorbell?"},
    ],
}


class TextPart(Schema):
    """A part of a message; only text is taken."""

    type: Literal["text"]
    text: str


def _joined(content: Any) -> Any:
    """The text of a message that comes in parts."""
    if isinstance(content, list):
        return "\n".join(TextPart.model_validate(part).text for part in content)
    return content


class ChatMessage(Schema):
    """A message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_joined), AfterValidator(clean)] = Field(
        description="Text, or a list of parts of type `text`."
    )
    name: str | None = Field(None, max_length=64)

    def as_sent(self) -> dict[str, str]:
        """The message as models of every provider know it."""
        return {
            "role": "system" if self.role == "developer" else self.role,
            "content": self.content,
        }


class StreamOptions(Schema):
    """What a stream tells besides the text."""

    include_usage: bool = False


def _listed(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


Stop = Annotated[str, AfterValidator(clean), Field(min_length=1, max_length=200)]


class ChatCreate(Schema):
    """A call. What is not listed here is refused rather than passed over."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    messages: list[ChatMessage] = Field(min_length=1, max_length=500)
    model: str = Field(
        DEFAULT_MODEL, max_length=200, description="`default`, or one of `GET /v1/models`."
    )
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, le=100_000)
    max_completion_tokens: int | None = Field(
        None, ge=1, le=100_000, description="The newer name of `max_tokens`."
    )
    top_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: (
        Annotated[list[Stop], BeforeValidator(_listed), Field(min_length=1, max_length=4)] | None
    ) = Field(None, description="A text that ends the answer before it, or a list of up to four.")
    n: Literal[1] = 1
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, max_length=200, description="Your own; not passed on.")


class ChatUsage(BaseModel):
    """What the call took, all attempts at models together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatAnswer(BaseModel):
    """The one answer."""

    role: Literal["assistant"] = "assistant"
    content: str


class ChatChoice(BaseModel):
    """The one choice."""

    index: int = 0
    message: ChatAnswer
    finish_reason: FinishReason = Field(
        "stop",
        description="`length`: it was cut at `max_tokens`, or at the deployment's own limit.",
    )


class ChatCompletion(PublicSchema):
    """The answer, in OpenAI's shape."""

    id: str = Field(examples=["chatcmpl-0192f0aa7c0e7c31b6a1d6a0c3c1e001"])
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="Unix seconds.")
    model: str = Field(examples=["groq/openai/gpt-oss-20b"])
    choices: list[ChatChoice]
    usage: ChatUsage


class ModelPublic(PublicSchema):
    """A model that calls can name."""

    id: str = Field(examples=["groq/openai/gpt-oss-20b"])
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = Field(examples=["groq"])


class ModelList(PublicSchema):
    """All of them; `default` is the chain with its fallbacks."""

    object: Literal["list"] = "list"
    data: list[ModelPublic]


def completion_id(row_id: UUID) -> str:
    """The id a call is known by outside."""
    return f"chatcmpl-{row_id.hex}"
