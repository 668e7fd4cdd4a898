"""Secrets at rest: AES-256-GCM envelopes bound to their tenant and field."""

import base64
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from frontdesk.core.settings import SecuritySettings

_NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed value does not open: wrong key, another tenant's row, or altered bytes."""


class Sealer:
    """Seals and opens short secrets with the deployment's keys; the first key seals."""

    def __init__(self, settings: SecuritySettings) -> None:
        self._keys = {
            key_id: AESGCM(base64.b64decode(key.get_secret_value()))
            for key_id, key in settings.encryption_keys.items()
        }
        self._sealing_key = next(iter(self._keys))

    def seal(self, secret: str, *, tenant_id: UUID, field: str) -> str:
        """The secret as `key id.base64`, readable only for the same tenant and field."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[self._sealing_key].encrypt(
            nonce, secret.encode(), _context(tenant_id, field)
        )
        return f"{self._sealing_key}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, tenant_id: UUID, field: str) -> str:
        """The secret again.

        Raises:
            SealBroken: its key is not configured, or it was sealed for another tenant or field.
        """
        key_id, _, encoded = sealed.partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise SealBroken(f"no key {key_id!r} is configured")
        raw = base64.b64decode(encoded)
        try:
            opened = key.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _context(tenant_id, field))
        except InvalidTag:
            raise SealBroken("the sealed value was made for another place or key") from None
        return opened.decode()


def _context(tenant_id: UUID, field: str) -> bytes:
    return f"{tenant_id}:{field}".encode()
