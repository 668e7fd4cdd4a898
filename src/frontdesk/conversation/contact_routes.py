"""HTTP of contacts: cards, merges, opt-outs, and the fields a tenant keeps of them."""

from typing import Annotated
from uuid import UUID

from fastapi import Path

from frontdesk.conversation import contact_fields, contacts, people
from frontdesk.conversation.desk_schemas import (
    ContactCard,
    ContactFieldPublic,
    ContactFieldUpdate,
    ContactFieldValues,
    MergeCreate,
    OptOutUpdate,
)
from frontdesk.conversation.errors import CannotMerge, FieldInUse
from frontdesk.conversation.merged_people import MergedPeople
from frontdesk.conversation.schemas import ContactPublic
from frontdesk.core.api import (
    AdminOnly,
    Cursor,
    Limit,
    ReadsConversations,
    ResourcesDep,
    Router,
    TenantSession,
    WritesConversations,
    problems,
)
from frontdesk.core.errors import Conflict, Invalid, NotFound
from frontdesk.core.pages import Page, cursor_time, cursor_uuid, decode_cursor, encode_cursor

router = Router(prefix="/api/v1", tags=["conversations", "contacts"])
FieldName = Annotated[
    str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Small letters.", examples=["tier"])
]


@router.get("/opt-outs", summary="List who opted out", responses=problems())
async def list_opt_outs(
    who: ReadsConversations, session: TenantSession, limit: Limit = 50, cursor: Cursor = None
) -> Page[ContactPublic]:
    """Contacts that want nothing the business starts, the latest first."""
    after = decode_cursor(cursor, 2)
    rows = await people.list_opted_out(
        session,
        limit=limit + 1,
        before=(cursor_time(after[0]), cursor_uuid(after[1])) if after else None,
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(
        items=[ContactPublic(**row) for row in rows[:limit]],
        next_cursor=encode_cursor(last["opted_out_at"], last["id"]) if last else None,
    )


@router.get("/contacts/{contact_id}", summary="Read a contact's card", responses=problems(NotFound))
async def get_contact(
    contact_id: UUID, who: ReadsConversations, session: TenantSession
) -> ContactCard:
    """Who it is, every id they were seen under, whether they opted out, and what was talked about.

    Of one that is merged into another, that one's: the whole person.
    """
    return await contacts.get_contact_card(session, contact_id)


@router.put(
    "/contacts/{contact_id}/opt-out",
    summary="Say whether a contact opted out",
    responses=problems(NotFound),
)
async def set_opt_out(
    contact_id: UUID, body: OptOutUpdate, who: WritesConversations, session: TenantSession
) -> ContactCard:
    """As they told you. Nothing is started with them then: no follow-up, no marketing template."""
    await people.set_opt_out(session, contact_id, who, opted_out=body.opted_out)
    return await contacts.get_contact_card(session, contact_id)


@router.post(
    "/contacts/{contact_id}/merge",
    summary="Merge another contact into this one",
    responses=problems(NotFound, CannotMerge),
)
async def merge_contacts(
    contact_id: UUID,
    body: MergeCreate,
    who: WritesConversations,
    session: TenantSession,
    resources: ResourcesDep,
) -> ContactCard:
    """They are one person: card, search and list show them together, and they write at one person's
    rate. `DELETE` takes it back."""
    await people.merge(session, contact_id, body.contact_id, who)
    resources.keep(MergedPeople).forget_after_commit(session)
    return await contacts.get_contact_card(session, contact_id)


@router.delete(
    "/contacts/{contact_id}/merge",
    summary="Take a contact out of the one it was merged into",
    responses=problems(NotFound),
)
async def separate_contact(
    contact_id: UUID, who: WritesConversations, session: TenantSession, resources: ResourcesDep
) -> ContactCard:
    """Everything is as it was before; the card of the contact that stands alone again."""
    await people.separate(session, contact_id, who)
    resources.keep(MergedPeople).forget_after_commit(session)
    return await contacts.get_contact_card(session, contact_id)


@router.put(
    "/contacts/{contact_id}/fields",
    summary="Fill in a contact's fields",
    responses=problems(NotFound, Invalid),
)
async def set_contact_fields(
    contact_id: UUID, body: ContactFieldValues, who: WritesConversations, session: TenantSession
) -> ContactCard:
    """Those named are kept, null empties one, all others stay."""
    await contact_fields.set_values(session, contact_id, body.fields, who)
    return await contacts.get_contact_card(session, contact_id)


@router.get("/contact-fields", summary="List the fields of contacts", responses=problems())
async def list_contact_fields(
    who: ReadsConversations, session: TenantSession
) -> list[ContactFieldPublic]:
    """What is kept of contacts beside what WhatsApp tells."""
    return [ContactFieldPublic(**row) for row in await contact_fields.list_fields(session)]


@router.put(
    "/contact-fields/{name}",
    summary="Define a field of contacts",
    responses=problems(FieldInUse, Conflict),
)
async def define_contact_field(
    name: FieldName, body: ContactFieldUpdate, who: AdminOnly, session: TenantSession
) -> ContactFieldPublic:
    """A new one, or other choices; those that contacts have already stay."""
    row = await contact_fields.define_field(session, name, body.type, body.choices, who)
    return ContactFieldPublic(**row)


@router.delete(
    "/contact-fields/{name}",
    status_code=204,
    summary="Delete a field of contacts",
    responses=problems(NotFound),
)
async def delete_contact_field(name: FieldName, who: AdminOnly, session: TenantSession) -> None:
    """With what it held of every contact."""
    await contact_fields.delete_field(session, name, who)
