"""The `contacts[]` of a webhook: who the ids in it belong to."""

from dataclasses import dataclass, replace

from frontdesk.messaging.incoming_items import ContactKey
from frontdesk.messaging.incoming_reading import contact_key, listed, mapping, text


@dataclass(frozen=True, slots=True)
class Person:
    """An entry of `contacts[]`."""

    key: ContactKey
    name: str | None
    username: str | None


class People:
    """The `contacts[]` of one change. They are matched by id: their order means nothing."""

    def __init__(self, contacts: object) -> None:
        self._by_bsuid: dict[str, Person] = {}
        self._by_wa_id: dict[str, Person] = {}
        for contact in map(mapping, listed(contacts)):
            profile = mapping(contact.get("profile"))
            person = Person(
                key=contact_key(
                    contact.get("wa_id"), contact.get("user_id"), contact.get("parent_user_id")
                ),
                name=text(profile.get("name"))[:200] or None,
                username=text(profile.get("username")).lstrip("@")[:200] or None,
            )
            if person.key.bsuid:
                self._by_bsuid.setdefault(person.key.bsuid, person)
            if person.key.wa_id:
                self._by_wa_id.setdefault(person.key.wa_id, person)

    def complete(self, key: ContactKey) -> Person:
        """The person with this key, with whatever else `contacts[]` knows of the key."""
        person = self._by_bsuid.get(key.bsuid or "") or self._by_wa_id.get(key.wa_id or "")
        if person is None:
            return Person(key, None, None)
        known = person.key
        return replace(
            person,
            key=ContactKey(
                wa_id=key.wa_id or known.wa_id,
                bsuid=key.bsuid or known.bsuid,
                parent_bsuid=key.parent_bsuid or known.parent_bsuid,
            ),
        )
