"""In which country a contact is, as far as prices depend on it."""

from functools import lru_cache

from frontdesk.messaging.incoming_items import ContactKey


def country_of(contact: ContactKey) -> str | None:
    """ISO 3166-1 alpha-2, of the phone number or else of the user id; None when neither tells."""
    if contact.wa_id is not None and (country := _country_of_number(contact.wa_id)):
        return country
    return contact.bsuid[:2] if contact.bsuid else None


@lru_cache(maxsize=1_000)
def _country_of_number(wa_id: str) -> str | None:
    # It takes a moment to load, and only who asks for a price needs it.
    import phonenumbers

    try:
        number = phonenumbers.parse(f"+{wa_id}")
    except phonenumbers.NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number)
    if region is None or len(region) != 2:
        return None
    return str(region)
