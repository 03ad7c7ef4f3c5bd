"""Asymmetric Standard Webhooks signatures, pure: ed25519 key pairs (RFC 8032) and what they sign.

Keys are serialised as the specification says: `whsk_` and the base64 of the 32 secret bytes, `whpk_` and that of the 32
public ones (https://www.standardwebhooks.com, "Signature scheme").
"""

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET_PREFIX = "whsk_"  # noqa: S105 — how such keys begin, not a key
PUBLIC_PREFIX = "whpk_"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A webhook's key pair: `secret` is `whsk_…` and never leaves the daemon, `public` is `whpk_…`."""

    secret: str = field(repr=False)
    public: str


def generate_key_pair() -> KeyPair:
    """Return a new key pair."""
    secret = Ed25519PrivateKey.generate()
    public = secret.public_key().public_bytes_raw()
    return KeyPair(_serialised(SECRET_PREFIX, secret.private_bytes_raw()), _serialised(PUBLIC_PREFIX, public))


def secret_key(secret: str) -> Ed25519PrivateKey:
    """Return the key of a `whsk_…` secret, ready to sign. Raises ValueError for anything else."""
    return Ed25519PrivateKey.from_private_bytes(_raw(SECRET_PREFIX, secret))


def public_key_pem(public: str) -> str:
    """Return a `whpk_…` key as PEM (RFC 8410), for libraries that take no other form. Raises ValueError."""
    key = Ed25519PublicKey.from_public_bytes(_raw(PUBLIC_PREFIX, public))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def asymmetric_signature(key: Ed25519PrivateKey, signed: bytes) -> str:
    """Return a value of `webhook-signature`: `v1a,<base64>`."""
    return "v1a," + binascii.b2a_base64(key.sign(signed), newline=False).decode()


def _serialised(prefix: str, raw: bytes) -> str:
    return prefix + base64.b64encode(raw).decode()


def _raw(prefix: str, text: str) -> bytes:
    if not text.startswith(prefix):
        raise ValueError(f"the key does not begin with {prefix}")
    return base64.b64decode(text.removeprefix(prefix), validate=True)
