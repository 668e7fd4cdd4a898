"""What crosses HTTP of the tools people work with: tags, notes, saved replies, drafts."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from frontdesk.conversation.filling import VARIABLES, must_be_fillable
from frontdesk.conversation.models import AliasKind, FieldType, Priority, Status
from frontdesk.conversation.schemas import ContactPublic
from frontdesk.core.pages import PublicSchema, Schema
from frontdesk.core.text import clean


def _readable(text: str) -> str:
    text = clean(text).strip()
    if not text:
        raise ValueError("must have something to read in it")
    return text


Tag = Annotated[
    str,
    Field(min_length=1, max_length=40, examples=["refund"]),
    AfterValidator(_readable),
    AfterValidator(str.lower),
]
Text = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_readable)]


class TagsUpdate(Schema):
    """All tags of a conversation."""

    tags: list[Tag] = Field(max_length=20, description="Small letters; those not listed go.")


class TagPublic(PublicSchema):
    """A tag that is in use."""

    tag: str
    conversations: int


class PriorityUpdate(Schema):
    """How urgent a conversation is."""

    priority: Priority = Field(examples=["high"])


class NoteCreate(Schema):
    """What the others should know."""

    text: Text = Field(examples=["Promised her a new lamp by Friday."])
    mentions: list[UUID] = Field(
        default_factory=list, max_length=20, description="Users who should see it."
    )


class NotePublic(PublicSchema):
    """A note of one of the people. No contact sees it."""

    id: UUID
    conversation_id: UUID
    user_id: UUID
    text: str
    mentions: list[UUID]
    created_at: datetime
    edited_at: datetime | None


class SavedReplyCreate(Schema):
    """A text that is written often."""

    shortcut: str = Field(pattern=r"^[\w-]{1,40}$", examples=["delay"])
    text: Annotated[Text, AfterValidator(must_be_fillable)] = Field(
        description="May hold "
        + ", ".join(f"`{{{{{name}}}}}`" for name in VARIABLES)
        + " and `{{field.…}}`, a field of the contact.",
        examples=["Hello {{contact_first_name}}, your lamp comes a day late. {{my_name}}"],
    )


class SavedReplyPublic(PublicSchema):
    """A saved reply with its variables as they were written."""

    id: UUID
    shortcut: str
    text: str
    created_at: datetime


class FilledReply(PublicSchema):
    """A saved reply as it would go out in a conversation."""

    text: str
    unknown: list[str] = Field(
        description="Variables that are not known of this contact; they stand as they were written."
    )


class DraftUpdate(Schema):
    """What you have written so far."""

    text: Text = Field(examples=["Let me look into"])


class DraftPublic(PublicSchema):
    """What you have begun to write."""

    conversation_id: UUID
    text: str
    updated_at: datetime


class HitKind(StrEnum):
    """What was found."""

    CONTACT = "contact"
    MESSAGE = "message"
    NOTE = "note"


class SearchHit(PublicSchema):
    """Something that was found, and where to look at it."""

    kind: HitKind
    conversation_id: UUID | None = Field(
        description="Where it stands; a contact's newest one, or null without any."
    )
    message_id: UUID | None = Field(
        description="Of a message: `GET /conversations/{conversation_id}/messages?around=` it."
    )
    note_id: UUID | None
    contact: ContactPublic
    excerpt: str = Field(description="What was found, with some of what stands around it.")
    at: datetime


class AliasPublic(PublicSchema):
    """An id that WhatsApp has named a contact by."""

    kind: AliasKind
    value: str


class PastConversation(PublicSchema):
    """A conversation as a contact's card lists it."""

    id: UUID
    contact_id: UUID
    channel_id: UUID
    status: Status
    last_text: str | None
    last_activity_at: datetime
    close_reason: str | None
    created_at: datetime


class ContactCard(ContactPublic):
    """What is known of a contact."""

    aliases: list[AliasPublic]
    fields: dict[str, Any] = Field(description="The tenant's own, by name.")
    merged: list[ContactPublic] = Field(description="Other contacts that are the same person.")
    conversations: list[PastConversation] = Field(description="The newest fifty, newest first.")
    created_at: datetime


class OptOutUpdate(Schema):
    """Whether a contact wants nothing that the business starts."""

    opted_out: bool = Field(examples=[True])


class MergeCreate(Schema):
    """Who is the same person."""

    contact_id: UUID = Field(description="The contact that is shown as the other from now on.")


class ContactFieldPublic(PublicSchema):
    """A field that the tenant keeps of its contacts."""

    name: str
    type: FieldType
    choices: list[str]


class ContactFieldUpdate(Schema):
    """What a field holds."""

    type: FieldType = Field(examples=["choice"])
    choices: list[
        Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_readable)]
    ] = Field(default_factory=list, max_length=100, examples=[["gold", "silver"]])

    @model_validator(mode="after")
    def _choices_of_a_choice(self) -> Self:
        if (self.type is FieldType.CHOICE) != bool(self.choices):
            raise ValueError("choices are for the type `choice`, which needs some")
        return self


class ContactFieldValues(Schema):
    """Values by the names of their fields."""

    fields: dict[str, str | int | float | None] = Field(
        max_length=50, examples=[{}], description="Dates as `2026-11-29`; null empties a field."
    )
