"""The requests we send to WhatsApp, checked here: Meta's own schema lets most faults through.

Lengths are those of WhatsApp Cloud API, messages, in characters. How it counts an emoji is not
documented, so leave a margin where texts are made (see `formatting.fits`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from frontdesk.core.text import clean
from frontdesk.messaging.incoming_items import ContactKey

MAX_TEXT_CHARACTERS = 4096
MAX_BODY_CHARACTERS = 1024
MAX_CAPTION_CHARACTERS = 1024
MAX_BUTTONS = 3
MAX_BUTTON_TITLE_CHARACTERS = 20
MAX_ROWS = 10
MAX_ROW_TITLE_CHARACTERS = 24
MAX_CALLBACK_DATA_CHARACTERS = 512

_PHONE = re.compile(r"[0-9]{5,20}")
_LINE_BREAKS = re.compile(r"[\r\n\t\v\f\x85\u2028\u2029]+")
_FIVE_SPACES = re.compile(r" {5,}")


def _cleaned(value: object) -> object:
    # pydantic refuses a lone surrogate, and a NUL never arrives.
    return clean(value) if isinstance(value, str) else value


def _visible(value: str) -> str:
    if not value.strip():
        raise ValueError("must have something to read in it")
    return value


def flat(text: str) -> str:
    """The text as a template parameter may hold it.

    Line breaks, tabs and more than four spaces in a row are refused by WhatsApp (error 132018).
    """
    return _FIVE_SPACES.sub("    ", _LINE_BREAKS.sub(" ", clean(text))).strip()


def _flattened(value: object) -> object:
    return flat(value) if isinstance(value, str) else value


_Words = Annotated[str, BeforeValidator(_cleaned), AfterValidator(_visible)]
_LongText = Annotated[_Words, Field(max_length=MAX_TEXT_CHARACTERS)]
_Body = Annotated[_Words, Field(max_length=MAX_BODY_CHARACTERS)]
_Caption = Annotated[_Words, Field(max_length=MAX_CAPTION_CHARACTERS)]
_Short = Annotated[_Words, Field(max_length=60)]
_ButtonTitle = Annotated[_Words, Field(max_length=MAX_BUTTON_TITLE_CHARACTERS)]
_RowTitle = Annotated[_Words, Field(max_length=MAX_ROW_TITLE_CHARACTERS)]
_ButtonId = Annotated[_Words, Field(max_length=256)]
_Wamid = Annotated[_Words, Field(max_length=512)]
_Link = Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=2000)]
_Parameter = Annotated[
    str, BeforeValidator(_flattened), AfterValidator(_visible), Field(max_length=1024)
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Content(_Strict):
    """What a message holds; `type` is WhatsApp's word for it."""

    type: str

    def wire(self) -> dict[str, Any]:
        """The content as the API takes it, under the key `type`."""
        return self.model_dump(exclude={"type"}, exclude_none=True)


class Text(Content):
    """Free text, with WhatsApp's own formatting."""

    type: Literal["text"] = "text"
    body: _LongText
    preview_url: bool = False


class _File(Content):
    """A file: uploaded before (`id`), or on the web (`link`)."""

    id: _Wamid | None = None
    link: _Link | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.id is None) == (self.link is None):
            raise ValueError("a file has either an id or a link")
        return self


class Image(_File):
    """A picture: JPEG or PNG, at most 5 MB."""

    type: Literal["image"] = "image"
    caption: _Caption | None = None


class Video(_File):
    """A film: MP4 or 3GPP, at most 16 MB."""

    type: Literal["video"] = "video"
    caption: _Caption | None = None


class Document(_File):
    """Any other file, at most 100 MB."""

    type: Literal["document"] = "document"
    caption: _Caption | None = None
    filename: Annotated[_Words, Field(max_length=240)] | None = None


class Audio(_File):
    """Sound, at most 16 MB; a voice message must be mono OGG with Opus."""

    type: Literal["audio"] = "audio"
    voice: bool | None = None


def file_content(
    kind: str, file_id: str, *, caption: str | None = None, filename: str | None = None
) -> Content:
    """The content of a message with a file.

    Args:
        kind: `image`, `video`, `audio` or `document`.

    Raises:
        ValueError: a caption that is too long, or one for sound, which has none.
    """
    if kind == "audio" and caption:
        raise ValueError("sound has no caption: send the text as a message of its own")
    if kind == "document":
        return Document(id=file_id, caption=caption, filename=filename)
    kinds: dict[str, type[Image | Video]] = {"image": Image, "video": Video}
    return kinds[kind](id=file_id, caption=caption) if kind in kinds else Audio(id=file_id)


class Location(Content):
    """A place on the map."""

    type: Literal["location"] = "location"
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]
    name: Annotated[_Words, Field(max_length=1000)] | None = None
    address: Annotated[_Words, Field(max_length=1000)] | None = None


class Reaction(Content):
    """An emoji on a message of the last 30 days; '' takes it away."""

    type: Literal["reaction"] = "reaction"
    message_id: _Wamid
    emoji: Annotated[str, BeforeValidator(_cleaned), Field(max_length=32)]


class Button(_Strict):
    """A reply button. It stays tappable for ever, so its id must still mean something later."""

    id: _ButtonId
    title: _ButtonTitle


class Row(_Strict):
    """One choice of a list."""

    id: Annotated[_Words, Field(max_length=200)]
    title: _RowTitle
    description: Annotated[_Words, Field(max_length=72)] | None = None


class Section(_Strict):
    """A titled group of choices."""

    title: _RowTitle | None = None
    rows: Annotated[tuple[Row, ...], Field(min_length=1, max_length=MAX_ROWS)]


class _Interactive(Content):
    type: Literal["interactive"] = "interactive"
    header: _Short | None = None
    footer: _Short | None = None

    def _framed(self, kind: str, body: str, action: dict[str, Any]) -> dict[str, Any]:
        framed: dict[str, Any] = {"type": kind}
        if self.header is not None:
            framed["header"] = {"type": "text", "text": self.header}
        framed["body"] = {"text": body}
        if self.footer is not None:
            framed["footer"] = {"text": self.footer}
        return framed | {"action": action}


class Buttons(_Interactive):
    """A text with one to three reply buttons of different titles."""

    body: _Body
    buttons: Annotated[tuple[Button, ...], Field(min_length=1, max_length=MAX_BUTTONS)]

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        _refuse_twice("button title", [button.title for button in self.buttons])
        _refuse_twice("button id", [button.id for button in self.buttons])
        return self

    def wire(self) -> dict[str, Any]:
        buttons = [{"type": "reply", "reply": button.model_dump()} for button in self.buttons]
        return self._framed("button", self.body, {"buttons": buttons})


class ListMenu(_Interactive):
    """A text with a button that opens up to ten choices."""

    body: _LongText
    button: _ButtonTitle
    sections: Annotated[tuple[Section, ...], Field(min_length=1, max_length=MAX_ROWS)]

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        rows = [row for section in self.sections for row in section.rows]
        if len(rows) > MAX_ROWS:
            raise ValueError(f"a list has at most {MAX_ROWS} rows in all its sections")
        if len(self.sections) > 1 and any(section.title is None for section in self.sections):
            raise ValueError("each of several sections needs a title")
        _refuse_twice("row id", [row.id for row in rows])
        return self

    def wire(self) -> dict[str, Any]:
        sections = [section.model_dump(exclude_none=True) for section in self.sections]
        for section in sections:
            section["rows"] = list(section["rows"])
        return self._framed("list", self.body, {"button": self.button, "sections": sections})


class LinkButton(_Interactive):
    """A text with one button that opens a web page."""

    body: _Body
    display_text: _ButtonTitle
    url: _Link

    def wire(self) -> dict[str, Any]:
        parameters = {"display_text": self.display_text, "url": self.url}
        return self._framed("cta_url", self.body, {"name": "cta_url", "parameters": parameters})


class LocationRequest(Content):
    """A text with a button that lets the contact send a place."""

    type: Literal["interactive"] = "interactive"
    body: _Body

    def wire(self) -> dict[str, Any]:
        action = {"name": "send_location"}
        return {
            "type": "location_request_message",
            "body": {"text": self.body},
            "action": action,
        }


class ContactInfoRequest(Content):
    """A text with a button that lets a contact without a visible number share it."""

    type: Literal["interactive"] = "interactive"
    body: _Body

    def wire(self) -> dict[str, Any]:
        action = {"name": "request_contact_info"}
        return {"type": "request_contact_info", "body": {"text": self.body}, "action": action}


class TemplateButton(_Strict):
    """What the button at `index` of a template needs: a payload, the end of its link, or a code."""

    index: Annotated[int, Field(ge=0, le=9)]
    payload: _ButtonId | None = None
    url_suffix: Annotated[_Words, Field(max_length=2000)] | None = None
    code: Annotated[_Words, Field(max_length=15)] | None = None

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if [self.payload, self.url_suffix, self.code].count(None) != 2:
            raise ValueError("a template button takes a payload, a url_suffix or a code")
        return self

    def _component(self) -> dict[str, Any]:
        sub_type, value = "quick_reply", {"type": "payload", "payload": self.payload}
        if self.url_suffix is not None:
            sub_type, value = "url", {"type": "text", "text": self.url_suffix}
        elif self.code is not None:
            sub_type, value = "copy_code", {"type": "coupon_code", "coupon_code": self.code}
        return {
            "type": "button",
            "sub_type": sub_type,
            "index": str(self.index),
            "parameters": [value],
        }


class Template(Content):
    """An approved template with its values, in order or by name; they are flattened.

    Error 132000: the count must be the template's own. Authentication templates can't go to a
    bsuid (error 131062).
    """

    type: Literal["template"] = "template"
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,512}$")]
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(_[A-Za-z]{2,4})?$")]
    header: tuple[_Parameter, ...] | dict[str, _Parameter] = ()
    body: tuple[_Parameter, ...] | dict[str, _Parameter] = ()
    buttons: tuple[TemplateButton, ...] = ()

    def wire(self) -> dict[str, Any]:
        components = [
            {"type": part, "parameters": _parameters(values)}
            for part, values in (("header", self.header), ("body", self.body))
            if values
        ]
        components += [button._component() for button in self.buttons]
        template: dict[str, Any] = {"name": self.name, "language": {"code": self.language}}
        return template | ({"components": components} if components else {})


def _parameters(values: tuple[str, ...] | dict[str, str]) -> list[dict[str, str]]:
    if isinstance(values, dict):
        return [
            {"type": "text", "parameter_name": name, "text": text} for name, text in values.items()
        ]
    return [{"type": "text", "text": text} for text in values]


def _refuse_twice(what: str, values: Sequence[str]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(f"each {what} may be used once")


def to_wire(
    recipient: ContactKey, content: Content, *, callback_data: str, reply_to: str | None = None
) -> dict[str, Any]:
    """The body of `POST /{phone_number_id}/messages`.

    The phone number is preferred when both are known: writing to it keeps it visible for another
    30 days. A bsuid goes into `recipient`; in `to` it would be answered with 200 and lost.

    Args:
        callback_data: at most 512 characters, without personal data; every status of the message
            brings it back.
        reply_to: the wamid to quote; an unknown or old one is sent without the quote.

    Raises:
        ValueError: nobody to send to, or a part that is too long. (pydantic's own error, raised
            when a content is made, is one too.)
    """
    if not 0 < len(callback_data) <= MAX_CALLBACK_DATA_CHARACTERS:
        raise ValueError(f"callback_data has 1 to {MAX_CALLBACK_DATA_CHARACTERS} characters")
    message: dict[str, Any] = {"messaging_product": "whatsapp", "recipient_type": "individual"}
    if recipient.wa_id is not None:
        if not _PHONE.fullmatch(recipient.wa_id):
            raise ValueError("a wa_id has digits only")
        message["to"] = recipient.wa_id
    elif recipient.bsuid is not None:
        message["recipient"] = recipient.bsuid
    else:
        raise ValueError("the recipient has neither a wa_id nor a bsuid")
    if reply_to is not None:
        message["context"] = {"message_id": reply_to}
    message["biz_opaque_callback_data"] = callback_data
    return message | {"type": content.type, content.type: content.wire()}


def text_message(
    recipient: ContactKey,
    body: str,
    *,
    callback_data: str,
    reply_to: str | None = None,
    preview_url: bool = False,
) -> dict[str, Any]:
    """The request for a free text of 1 to 4096 characters; raises as `to_wire`."""
    content = Text(body=body, preview_url=preview_url)
    return to_wire(recipient, content, callback_data=callback_data, reply_to=reply_to)


def template_message(
    recipient: ContactKey,
    name: str,
    language: str,
    values: Sequence[str] | Mapping[str, str] = (),
    *,
    callback_data: str,
    payloads: Sequence[str] = (),
) -> dict[str, Any]:
    """The request for a template; raises as `to_wire`.

    Args:
        language: as WhatsApp writes it, such as `en_US`.
        values: of the template's body, in order or by name.
        payloads: what the quick reply buttons send back, from the first on.
    """
    content = Template(
        name=name,
        language=language,
        body=dict(values) if isinstance(values, Mapping) else tuple(values),
        buttons=tuple(TemplateButton(index=i, payload=p) for i, p in enumerate(payloads)),
    )
    return to_wire(recipient, content, callback_data=callback_data)


def read_mark(wamid: str, *, typing: bool = False) -> dict[str, Any]:
    """The request that marks a message, and all before it, as read.

    Args:
        typing: show that an answer is being written, for at most 25 seconds or until it comes;
            only when one will come.
    """
    mark: dict[str, Any] = {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": wamid,
    }
    return mark | ({"typing_indicator": {"type": "text"}} if typing else {})
