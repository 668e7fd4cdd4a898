"""Secrets at rest: AES-256-GCM envelopes bound to their tenant and field.

A column `<name>_sealed` of a table holds what is sealed for the field `<table>.<name>` and for the
first column of the table's key: the tenant, or the user where there is none. By this rule `frontdesk
keys rotate` finds every sealed value, whichever context keeps it.
"""

import base64
import binascii
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from frontdesk.core.settings import SecuritySettings

_NONCE_BYTES, _TAG_BYTES = 12, 16


class SealBroken(Exception):
    """A sealed value does not open: wrong key, another tenant's row, or altered bytes."""


class Sealer:
    """Seals and opens short secrets with the deployment's keys; the first key seals."""

    def __init__(self, settings: SecuritySettings) -> None:
        self._keys = {
            key_id: AESGCM(base64.b64decode(key.get_secret_value()))
            for key_id, key in settings.encryption_keys.items()
        }
        self.sealing_key_id = next(iter(self._keys))

    @property
    def key_ids(self) -> list[str]:
        """The ids of all keys that open, the one that seals first."""
        return list(self._keys)

    def seal(self, secret: str, *, tenant_id: UUID, field: str) -> str:
        """The secret as `key id.base64`, readable only for the same tenant and field."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self.sealing_key_id].encrypt(
            nonce, secret.encode(), _context(tenant_id, field)
        )
        return f"{self.sealing_key_id}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, tenant_id: UUID, field: str) -> str:
        """The secret again.

        Raises:
            SealBroken: its key is not configured, or it was sealed for another tenant or field.
        """
        key_id, _, encoded = sealed.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise SealBroken(f"no key {key_id!r} is configured")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) < _NONCE_BYTES + _TAG_BYTES:
            raise SealBroken("the sealed value is cut or garbled")
        try:
            opened = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _context(tenant_id, field))
        except InvalidTag:
            raise SealBroken("the sealed value was made for another place or key") from None
        return opened.decode()


def key_id_of(sealed: str) -> str:
    """The id of the key that sealed a value; empty when it is no sealed value."""
    key_id, dot, _ = sealed.partition(".")
    return key_id if dot else ""


def _context(tenant_id: UUID, field: str) -> bytes:
    return f"{tenant_id}:{field}".encode()
