"""What is personal does not leave: what is found, what goes out, what comes back, what is kept."""

import pytest
from pydantic import BaseModel

from frontdesk.core.json import loads
from frontdesk.gateway import Masking, Outcome, Pii, PromptRejected, complete
from frontdesk.gateway.masking import mask
from frontdesk.gateway.personal import find_personal

from .conftest import Desk
from .stub_provider import Provider, as_json, says

ROSSI = Masking(names=("Maria Rossi",), numbers=("393471234567",))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Write to maria.rossi+shop@mail.example.com.", {"maria.rossi+shop@mail.example.com": "email"}),
        ("IBAN DE89 3704 0044 0532 0130 00 please", {"DE89 3704 0044 0532 0130 00": "iban"}),
        ("IT60X0542811101000000123456 e poi", {"IT60X0542811101000000123456": "iban"}),
        ("card 4111 1111 1111 1111, yes", {"4111 1111 1111 1111": "card"}),
        ("not a card: 4111 1111 1111 1112", {}),
        ("meu CPF é 529.982.247-25", {"529.982.247-25": "national_id"}),
        ("CF RSSMRA85T10A562S", {"RSSMRA85T10A562S": "national_id"}),
        ("EID 784-1979-1234567-1", {"784-1979-1234567-1": "national_id"}),
        ("DNI 12345678Z", {"12345678Z": "national_id"}),
        ("SSN 536-90-4399", {"536-90-4399": "national_id"}),
        ("my NI number is AB 12 34 56 C", {"AB 12 34 56 C": "national_id"}),
        ("from 192.168.1.10 it fails", {"192.168.1.10": "ip"}),
        ("call +39 347 123 4567 or 06 1234 5678", {"+39 347 123 4567": "phone", "06 1234 5678": "phone"}),
        ("3471234567", {"3471234567": "phone"}),
        ("0044 20 7946 0958", {"0044 20 7946 0958": "phone"}),
        ("رقمي +٩٧١ ٥٠ ١٢٣ ٤٥٦٧ شكرا", {"+٩٧١ ٥٠ ١٢٣ ٤٥٦٧": "phone"}),
        ("मेरा नंबर +९१ ९८१२३ ४५६७८", {"+९१ ९८१२३ ४५६७८": "phone"}),
        ("I am MARIA rossi.", {"MARIA rossi": "name"}),
        ("Maria here, order for Mrs. Rossi.", {"Maria": "name", "Rossi": "name"}),
        ("Ave maria and rossini, Mariana Rossini too", {}),
        ("Order 20261234 of 2026-11-21 at 10:30:45 for 1,299.00, 2 lamps", {}),
        ("[0192f0aa-7c0e-7c31-b6a1-d6a0c3c1e001] contact: hello", {}),
        ("Version 1.2.3 of 3 to 5 working days", {}),
    ],
)  # fmt: skip
def test_personal_data_is_found_where_it_stands_and_nowhere_else(
    text: str, found: dict[str, str]
) -> None:
    items = find_personal(text, ROSSI)
    assert {text[item.start : item.end]: item.kind.value for item in items} == found


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("Ana de la Cruz", "de la Cruz? No, Ana. De nada, la Paz.", ["Cruz", "Ana"]),
        ("maria rossi", "I am Maria, ave maria", ["Maria"]),
        ('Maria "Mia" Rossi', "It's Mia", ["Mia"]),
        ("محمد علي", "معك محمد", ["محمد"]),
        ("Will", "Will it fit? I will see", ["Will"]),
        ("⚡ 007", "Agent 007", []),
    ],
)
def test_a_contact_is_masked_by_a_part_of_the_name_when_it_is_written_as_one(
    name: str, text: str, found: list[str]
) -> None:
    items = find_personal(text, Masking(names=(name,)))
    assert [text[item.start : item.end] for item in items] == found


def test_one_value_has_one_placeholder_and_what_the_tenant_says_itself_stays_readable() -> None:
    masked = mask(
        (
            {"role": "system", "content": "Our shop: +39 06 555 0100, help@shop.example."},
            {"role": "user", "content": "I am at +39 347 123 4567, b@x.example"},
            {"role": "assistant", "content": "Write to help@shop.example or call +390655 50100."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "(+39) 347-1234567 / c@x.example"}],
            },
        ),
        ROSSI,
    )
    system, first, reply, second = (message["content"] for message in masked.messages)
    assert system.startswith("Our shop: +39 06 555 0100, help@shop.example.\n")
    assert "[EMAIL_1]" in system or "[PHONE_1]" in system, "the model is told what they are"
    assert first == "I am at [PHONE_1], [EMAIL_1]"
    assert reply == "Write to help@shop.example or call +390655 50100."
    assert second == [{"type": "text", "text": "[PHONE_1] / [EMAIL_2]"}]
    assert masked.receipt.as_json() == {
        "policy": 2,
        "result": "masked",
        "found": {"phone": 1, "email": 2},
    }
    assert masked.restore("to \\[EMAIL\\_2\\], [ phone 1 ], EMAIL_1 or [EMAIL_3]") == (
        "to c@x.example, +39 347 123 4567, b@x.example or [EMAIL_3]"
    )


class Answer(BaseModel):
    text: str
    sources: list[str]


MESSAGES = (
    {"role": "system", "content": "You answer for a bakery."},
    {"role": "user", "content": 'I am Maria "Mia" Rossi, maria@x.example, +39 347 123 4567.'},
)
MIA = Masking(names=('Maria "Mia" Rossi',), numbers=("393471234567",))


async def test_a_provider_gets_placeholders_the_caller_the_data_and_the_record_a_receipt(
    desk: Desk, provider: Provider
) -> None:
    said = {"text": "Thanks [NAME_1], we write to [email_1].", "sources": ["[PHONE_1]"]}
    provider.plan = [says("not JSON"), says(as_json(said))]
    completion = await complete(
        desk.resources, desk.request(messages=MESSAGES, schema=Answer, masking=MIA)
    )
    assert completion.parsed == Answer(
        text='Thanks Maria "Mia" Rossi, we write to maria@x.example.', sources=["+39 347 123 4567"]
    )
    assert Answer.model_validate_json(completion.text) == completion.parsed
    calls = await desk.calls()
    sent_and_kept = str(provider.bodies) + str([dict(call) for call in calls])
    assert "[NAME_1], [EMAIL_1], [PHONE_1]." in sent_and_kept
    for value in ("maria@x.example", "347 123 4567", "Rossi"):
        assert value not in sent_and_kept
    assert [loads(call["masking"]) for call in calls] == [
        {"policy": 2, "result": "masked", "found": {"name": 1, "email": 1, "phone": 1}}
    ] * 2


async def test_a_tenant_chooses_what_is_masked(desk: Desk, provider: Provider) -> None:
    only_email = Masking(kinds=frozenset({Pii.EMAIL}), names=MIA.names, numbers=MIA.numbers)
    nothing = Masking(kinds=frozenset())
    for masking in (only_email, nothing):
        await complete(desk.resources, desk.request(messages=MESSAGES, masking=masking))
    assert [body["messages"][1]["content"] for body in provider.bodies] == [
        'I am Maria "Mia" Rossi, [EMAIL_1], +39 347 123 4567.',
        MESSAGES[1]["content"],
    ]
    assert [loads(call["masking"])["result"] for call in await desk.calls()] == ["masked", "off"]


async def test_what_can_not_be_masked_is_not_sent(desk: Desk, provider: Provider) -> None:
    unreadable = ({"role": "user", "content": [{"type": "file", "data": b"maria@x.example"}]},)
    with pytest.raises(PromptRejected) as refusal:
        await complete(desk.resources, desk.request(messages=unreadable))
    assert refusal.value.reason is Outcome.NOT_MASKED
    assert provider.bodies == []
    (call,) = await desk.calls()
    assert (call["outcome"], loads(call["messages"])) == ("not_masked", [])
    assert loads(call["masking"])["result"] == "failed"
    assert await desk.usage() == []
