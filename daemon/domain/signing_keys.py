"""A webhook's key pair: which sign at a time, and what rotations make of them (contract "Options of a webhook")."""

from dataclasses import replace

from msgspec import structs

from daemon.domain.key_pairs import SigningKey, SigningKeys
from daemon.domain.model import Webhook


def signing_keys_at(webhook: Webhook, now: int) -> tuple[SigningKey, ...]:
    """Return the key pairs that sign the webhook's deliveries at `now` (ms), the newest first."""
    keys = webhook.options.signing_keys
    if keys is None or not webhook.options.signature_scheme.uses_key:
        return ()
    previous = valid_previous_key(keys, now)
    return (keys.current,) if previous is None else (keys.current, previous)


def valid_previous_key(keys: SigningKeys, now: int) -> SigningKey | None:
    """Return the key pair that a rotation replaced, while it counts."""
    expires_at = keys.previous_expires_at
    return keys.previous if expires_at is not None and now < expires_at else None


def with_new_signing_key(webhook: Webhook, key: SigningKey, expires_at: int, now: int) -> Webhook:
    """Return the webhook with this key pair at `now`; the one before also signs, until `expires_at`."""
    before = webhook.options.signing_keys
    keys = SigningKeys(key) if before is None or expires_at <= now else SigningKeys(key, before.current, expires_at)
    return replace(webhook, options=structs.replace(webhook.options, signing_keys=keys), updated_at=now)


def without_expired_key(webhook: Webhook, now: int) -> Webhook:
    """Return the webhook without a previous key pair that counts no more."""
    keys = webhook.options.signing_keys
    if keys is None or keys.previous is None or valid_previous_key(keys, now) is not None:
        return webhook
    return replace(webhook, options=structs.replace(webhook.options, signing_keys=SigningKeys(keys.current)))
