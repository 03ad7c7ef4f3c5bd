"""The secrets of webhooks as they are kept: sealed with AES-256-GCM (NIST SP 800-38D), each for its own webhook.

A sealed secret is `v1.<key id>.<base64url of nonce and ciphertext>`. The webhook's id is authenticated with it: a
sealed secret that is moved into another webhook's row does not open there.
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from daemon.crypto.ed25519 import generate_key_pair, secret_key
from daemon.crypto.signing import Secrets
from daemon.domain.key_pairs import SigningKey
from daemon.domain.lifecycle import is_before_switch, previous_secret_is_valid
from daemon.domain.model import Webhook
from daemon.domain.sealed import Sealed
from daemon.domain.signing_keys import signing_keys_at
from daemon.domain.webhook_options import sealed_parts, with_sealed

KEY_BYTES = 32
_VERSION = "v1"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_KEY_ID_LENGTH = 16
# What all secrets under one key begin with; the rest differs from secret to secret.
SEAL_LENGTH = len(_VERSION) + 1 + _KEY_ID_LENGTH


class VaultError(Exception):
    """A sealed secret cannot be opened: the message says why and what to do, and holds nothing of the secret."""


class Vault:
    """Opens with any of its keys, seals with one of them: the first, unless another is to be used.

    `has_sealed`: something needs that key now.
    """

    __slots__ = ("_ciphers", "_current_id", "_keys", "has_sealed")

    def __init__(self, keys: Sequence[bytes]) -> None:
        """Take one key or more, each of 32 bytes."""
        self._ciphers = {key_id(key): AESGCM(key) for key in keys}
        self._keys = {key_id(key): key for key in keys}
        self._current_id = key_id(keys[0])
        self.has_sealed = False

    @property
    def sealing(self) -> str:
        """The fingerprint of the key that seals (`key_id`)."""
        return self._current_id

    def use(self, fingerprint: str) -> None:
        """Seal with this key from now on: one of those that were given. Raises VaultError."""
        if fingerprint not in self._keys:
            raise VaultError("secrets are sealed with a key that is not here: add that of the other nodes to the file")
        self._current_id = fingerprint

    @property
    def seal_prefix(self) -> str:
        """What all that the sealing key seals begins with."""
        return f"{_VERSION}.{self._current_id}."

    def seal(self, secret: str, webhook_id: str) -> str:
        """Return the secret sealed for this webhook."""
        self.has_sealed = True
        nonce = os.urandom(_NONCE_BYTES)
        ciphertext = self._ciphers[self._current_id].encrypt(nonce, secret.encode(), webhook_id.encode())
        return f"{_VERSION}.{self._current_id}.{base64.urlsafe_b64encode(nonce + ciphertext).decode()}"

    def open(self, sealed: str, webhook_id: str) -> str:
        """Return what was sealed for this webhook.

        Raises VaultError for anything that was not sealed so: by another key, for another webhook, or changed since.
        """
        version, _, rest = sealed.partition(".")
        used_id, _, text = rest.partition(".")
        cipher = self._ciphers.get(used_id)
        if version != _VERSION or cipher is None:
            raise VaultError(f"the secret of {webhook_id} is not sealed with a known key: give the webhook a new one")
        try:
            raw = base64.urlsafe_b64decode(text)
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], webhook_id.encode()).decode()
        except (InvalidTag, ValueError, binascii.Error):
            raise VaultError(
                f"the secret of {webhook_id} was changed in the database: give the webhook a new one"
            ) from None

    def reseal(self, sealed: str, webhook_id: str) -> str:
        """Return the same secret sealed with the key that seals now. Raises VaultError."""
        return self.seal(self.open(sealed, webhook_id), webhook_id)

    def renewed(self, webhook: Webhook) -> Webhook:
        """Return the webhook with its secrets sealed with the key that seals now, as far as they can be opened."""
        sealed = (webhook.secret, webhook.previous_secret, *sealed_parts(webhook.options))
        if all(one is None or one.startswith(self.seal_prefix) for one in sealed):
            return webhook
        secret, previous = (one and self._renew(one, webhook.id) for one in sealed[:2])
        options = with_sealed(webhook.options, partial(self._renew, webhook_id=webhook.id))
        return replace(webhook, secret=secret, previous_secret=previous, options=options)

    def _renew(self, sealed: str, webhook_id: str) -> str:
        try:
            return self.reseal(sealed, webhook_id)
        except VaultError:
            return sealed

    def derive(self, purpose: str) -> bytes:
        """Return a key for another purpose, which tells nothing of the key that seals now and lasts as long."""
        return hmac.digest(self._keys[self._current_id], b"kakiyo-webhooks " + purpose.encode(), "sha256")

    def knows(self, sealed: str) -> bool:
        """Whether one of the keys made this seal; its first `SEAL_LENGTH` characters tell."""
        version, _, rest = sealed.partition(".")
        return version == _VERSION and rest.partition(".")[0] in self._ciphers

    def new_signing_key(self, webhook_id: str, now: int) -> SigningKey:
        """Return a new key pair for this webhook, made at `now` (milliseconds), its secret key sealed."""
        pair = generate_key_pair()
        return SigningKey(Sealed(self.seal(pair.secret, webhook_id)), pair.public, now)

    def secrets_of(self, webhook: Webhook, now: int) -> Secrets:
        """Return, opened, what signs the webhook's deliveries at `now` (milliseconds). Raises VaultError."""
        current, previous = _signing_secrets(webhook, now)
        keys = signing_keys_at(webhook, now)
        return Secrets(
            self._opened(current, webhook.id),
            self._opened(previous, webhook.id),
            is_before_switch=is_before_switch(webhook, now),
            ed25519=tuple(secret_key(self.open(key.secret.sealed, webhook.id)) for key in keys),
        )

    def _opened(self, sealed: str | None, webhook_id: str) -> str | None:
        return None if sealed is None else self.open(sealed, webhook_id)


class Opener:
    """Opens one webhook's secrets once, and again when they change or when a rotation's overlap ends."""

    __slots__ = ("_sealed", "_secrets", "_vault")

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealed: tuple[object, ...] = ()
        self._secrets = Secrets()

    def secrets_of(self, webhook: Webhook, now: int) -> Secrets:
        """See Vault."""
        sealed = (*_signing_secrets(webhook, now), is_before_switch(webhook, now), signing_keys_at(webhook, now))
        if sealed != self._sealed:
            self._secrets = self._vault.secrets_of(webhook, now)
            self._sealed = sealed
        return self._secrets


def _signing_secrets(webhook: Webhook, now: int) -> tuple[str | None, str | None]:
    """Return the webhook's secret and the one before it, sealed, each if it signs at `now`."""
    if not webhook.options.signature_scheme.uses_secret:
        return None, None
    return webhook.secret, webhook.previous_secret if previous_secret_is_valid(webhook, now) else None


def plain_length(sealed: str) -> int:
    """Return how many bytes were sealed: the text alone tells."""
    encoded = sealed.rpartition(".")[2]
    return len(encoded) // 4 * 3 - encoded.count("=") - _NONCE_BYTES - _TAG_BYTES


def key_id(key: bytes) -> str:
    """Return the name of a key, which tells nothing about it: the key is random, so there is nothing to guess."""
    return hashlib.sha256(b"kakiyo-webhooks key id\0" + key).hexdigest()[:_KEY_ID_LENGTH]


def generate_key() -> bytes:
    """Return a new key."""
    return os.urandom(KEY_BYTES)
