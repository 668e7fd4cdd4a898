"""What a webhook can tell us: one frozen value for each thing that happened."""

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class ContactKey:
    """How WhatsApp names a person. Any part may be unknown: a contact may hide the phone number.

    Attributes:
        wa_id: phone number, digits only.
        bsuid: business-scoped user id. It changes when the person changes number, and another
            tenant sees another one.
        parent_bsuid: the same for linked business portfolios.
    """

    wa_id: str | None = None
    bsuid: str | None = None
    parent_bsuid: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether anybody can be found by this key."""
        return self.wa_id is not None or self.bsuid is not None


@dataclass(frozen=True, slots=True)
class MediaRef:
    """A file at WhatsApp: the id can be fetched for 7 days, the url for 5 minutes.

    `filename` was chosen by the sender: show it, never use it as a path. `sha256` is base64.
    """

    id: str
    mime_type: str | None = None
    sha256: str | None = None
    filename: str | None = None
    voice: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ErrorDetail:
    """One entry of an `errors` list. Decide by `code`; the texts are for people."""

    code: int | None
    title: str
    details: str


@dataclass(frozen=True, slots=True)
class Pricing:
    """What a delivered message costs. Bill from `type` and `category`: `billable` will go away."""

    category: str | None
    type: str | None
    billable: bool | None
    model: str | None


class Ignored(StrEnum):
    """Why a message is stored and shown, but never answered by the AI."""

    GROUP = "group"
    REACTION = "reaction"
    SYSTEM = "system"
    UNSUPPORTED = "unsupported"
    REQUEST_WELCOME = "request_welcome"
    CALL_PERMISSION = "call_permission"
    UNKNOWN_TYPE = "unknown_type"
    ERROR_ONLY = "error_only"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where in which webhook an item stood, and whose it is.

    Attributes:
        field: the webhook field, such as `messages` or `account_update`.
        position: such as `entry[0].changes[1].messages[2]`; the same whenever the same bytes are
            read.
        display_phone_number: digits; a key only within one WhatsApp Business Account.
        raw: the item as it came, safe to store as jsonb.
    """

    field: str
    position: str
    phone_number_id: str | None
    waba_id: str | None
    display_phone_number: str | None
    raw: dict[str, Any] = dataclasses.field(repr=False)

    def at(self, step: str, raw: object) -> "Origin":
        """The same origin one step further down, for the part `raw`."""
        part = raw if isinstance(raw, dict) else {"value": raw}
        return dataclasses.replace(self, position=f"{self.position}.{step}".lstrip("."), raw=part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Anything a webhook told us, with its origin."""

    origin: Origin

    @property
    def phone_number_id(self) -> str | None:
        """The channel, when the webhook names it."""
        return self.origin.phone_number_id

    @property
    def waba_id(self) -> str | None:
        """The WhatsApp Business Account of the tenant, when the webhook names it."""
        return self.origin.waba_id

    @property
    def display_phone_number(self) -> str | None:
        """The business number in digits: all that account events say about the channel."""
        return self.origin.display_phone_number

    @property
    def position(self) -> str:
        """Where in the body the item stood."""
        return self.origin.position

    @property
    def raw(self) -> dict[str, Any]:
        """The item as it came, safe to store as jsonb."""
        return self.origin.raw


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage(Item):
    """A contact wrote to the channel.

    Attributes:
        type: WhatsApp's own word (`text`, `image`, …), also when it is new to us.
        subtype: kind of an interactive reply, of an unsupported or of a system message.
        text: what a person would read in it: body, caption, button title, order lines, …; ''
            when there is nothing to read.
        button_id: id or payload of the tapped button or row; old buttons stay tappable for ever,
            so it is untrusted.
        shared_wa_id: the contact's own number, shared when we asked for it.
        provider_at: when it was sent, by WhatsApp's clock; None when that can't be read.
        reply_to_wamid: the quoted message, or the one reacted to; maybe not in our store.
        referral: the ad it came from; its text is untrusted.
        ignored_reason: why the AI must not answer, or None when it may.
    """

    wamid: str
    sender: ContactKey
    profile_name: str | None
    username: str | None
    type: str
    subtype: str | None
    text: str
    media: MediaRef | None
    button_id: str | None
    shared_wa_id: str | None
    provider_at: datetime | None
    reply_to_wamid: str | None
    forwarded: bool
    referral: dict[str, Any] | None
    referred_product: dict[str, Any] | None
    group_id: str | None
    errors: tuple[ErrorDetail, ...]
    ignored_reason: Ignored | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo(Item):
    """A person of the business answered from the phone app: the AI must step back.

    `original_wamid` is set when `type` is `edit` or `revoke`; `text` is then the new text or ''.
    """

    wamid: str
    recipient: ContactKey
    type: str
    text: str
    media: MediaRef | None
    provider_at: datetime | None
    reply_to_wamid: str | None
    original_wamid: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMessage(Item):
    """A message from before the number was connected. Shown, never answered.

    `contact` may be unknown for a file that completes an earlier placeholder: find it by `wamid`.
    """

    wamid: str
    contact: ContactKey
    from_business: bool
    type: str
    text: str
    media: MediaRef | None
    provider_at: datetime | None
    status: str | None
    progress_percent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageEdit(Item):
    """A contact changed a message; the original may be unknown to us."""

    wamid: str
    original_wamid: str
    sender: ContactKey
    type: str
    text: str
    media: MediaRef | None
    provider_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRevoke(Item):
    """A contact took a message back: hide it, and keep it out of prompts."""

    wamid: str
    original_wamid: str
    sender: ContactKey
    provider_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Item):
    """What became of a message we sent. Statuses come in any order, twice, or never.

    `recipient` is the participant when the message went to a group. `callback_data` is what we
    gave with the send.
    """

    wamid: str
    status: str
    provider_at: datetime | None
    recipient: ContactKey
    callback_data: str | None
    pricing: Pricing | None
    errors: tuple[ErrorDetail, ...]
    is_group: bool
    conversation_origin: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange(Item):
    """One person is known by another key from now on; never a merge of two known people.

    Parts of `new` that did not change or are not told are None. `kind` is WhatsApp's word;
    `customer_identity_changed` changes no key: the person's device or SIM did change.
    """

    kind: str
    old: ContactKey
    new: ContactKey
    words: str
    wamid: str | None
    provider_at: datetime | None


Severity = Literal["info", "warning", "critical"]
ChannelEffect = Literal["pause", "disconnect", "resume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent(Item):
    """Something happened to a tenant's account or number.

    With a `display_phone_number` it is about that number only, else about the whole account.

    Attributes:
        words: one plain sentence for the tenant.
        channel_effect: what must become of the channel's sending, or None.
        until: when a restriction ends, if it says so.
        owner_business_id: the tenant's business portfolio, if it is named.
        is_known: False for an event that this version has no rule for.
    """

    event: str
    words: str
    severity: Severity
    channel_effect: ChannelEffect | None
    until: datetime | None
    provider_at: datetime | None
    owner_business_id: str | None
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateEvent(Item):
    """A message template changed its status, quality, category or parts.

    `language` is normalised (`en_US`). `correct_category` is what WhatsApp will change the
    category to at `category_changes_at`; a change of category changes the price.
    """

    kind: Literal["status", "quality", "category", "components"]
    template_id: str | None
    name: str
    language: str
    event: str
    reason: str | None
    quality: str | None
    previous_quality: str | None
    category: str | None
    previous_category: str | None
    correct_category: str | None
    category_changes_at: datetime | None
    words: str
    severity: Severity
    provider_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceChange(Item):
    """A contact stopped or resumed a category of messages; replies are not affected."""

    contact: ContactKey
    category: str
    value: str
    provider_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSync(Item):
    """The address book of the phone app changed: `action` is `add` or `remove`."""

    contact: ContactKey
    action: str
    full_name: str | None
    provider_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfBandError(Item):
    """A problem that belongs to no message and no status."""

    error: ErrorDetail


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(Item):
    """A call on the number. One that a contact makes opens the customer service window."""

    call_id: str
    contact: ContactKey
    event: str
    from_contact: bool
    provider_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown(Item):
    """Something that this version does not understand: kept, counted, never an error."""

    reason: str


@dataclass(frozen=True, slots=True)
class ParsedWebhook:
    """All that one webhook body says. `unreadable` says why when the body is no webhook at all."""

    items: tuple[Item, ...] = ()
    unreadable: str | None = None
