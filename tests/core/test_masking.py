"""What human agents see of contact details where the tenant hides them."""

import pytest

from frontdesk.core.masking import mask_contacts, mask_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("call +49 151 2345678 now", "call •••5678 now"),
        ("0151/2345678 or 0049151234567.", "•••5678 or •••4567."),
        ("(940) 555-1234, 940-555-1234", "•••1234, •••1234"),
        ("https://wa.me/4915112345678?text=hi", "https://wa.me/•••5678?text=hi"),
        ("tel:+4915112345678", "tel:+•••5678"),
        ("٠١٥١٢٣٤٥٦٧٨", "•••٥٦٧٨"),
        ("write to maya.b+shop@mail.example.com!", "write to m•••@•••!"),
        ("US.13491208655302741918", "•••1918"),
        ("wamid.HBgLNDkxNTU1MDAwMRUCABEYEjA=", "wamid.•••"),
        # Of a long number one can't tell what it is.
        ("order 1234567890", "order •••7890"),
        ("order 12345678", "order 12345678"),
        ("parcel 1Z999AA10123456784 / 00340434161094042557", None),
        ("2026-11-29 04:14, 01.02.2026-05.02.2026, 01.02.2026 10:30", None),
        ("0.000123456789, 12345678.1234567, 12 500 000 300", None),
        ("0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001 01234567-1234-7123-8123-123456789012", None),
        ("2026-11-29T04:14:09.123456Z", None),
        ("a@b, 3 lamps @ 20 each", None),
    ],
)
def test_of_contact_details_in_text_an_end_is_shown(text: str, shown: str | None) -> None:
    assert mask_text(text) == (text if shown is None else shown)


def test_a_detail_is_masked_by_its_name_wherever_it_stands() -> None:
    told = {
        "wa_id": "4915550001",
        "contact": {"username": "maya", "bsuid": None, "phone": "12"},
        "phones": [{"phone": "+1 555 01"}],
        "seq": 4915112345678,
    }
    assert mask_contacts(told) == {
        "wa_id": "•••0001",
        "contact": {"username": "•••ya", "bsuid": None, "phone": "•••"},
        "phones": [{"phone": "•••5 01"}],
        "seq": 4915112345678,
    }
