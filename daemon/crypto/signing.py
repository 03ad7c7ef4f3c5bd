"""Both signature schemes of a delivery (contract "Payload and headers of a delivery"), pure.

`X-Kakiyo-Signature` is the product's own; `webhook-signature` is Standard Webhooks
(https://www.standardwebhooks.com, "Signature scheme"): symmetric here, asymmetric in `daemon.crypto.ed25519`.
"""

import base64
import binascii
import hmac
import os
import re
import unicodedata
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daemon.crypto.ed25519 import asymmetric_signature

STANDARD_PREFIX = "whsec_"
_KEY_BYTES = range(24, 65)
_LONGEST_SECRET = 256
# With another sign for the `_` or none, in capitals, in quotes, behind a name (`SECRET=whsec_…`) or a version.
_ALMOST_STANDARD = re.compile(r"whsec_|^\W?wh[ _-]?sec([ _:=-]|[A-Za-z0-9+/]{24,}=*$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What signs one attempt: the webhook's secret, and while a rotation's overlap lasts, the one before it.

    `for_product` makes `X-Kakiyo-Signature`: with the one before, until the rotation's switch. `for_standard` make
    `webhook-signature`: with those that have the `whsec_` form. Each is ready to be copied: a key is decoded, and
    hashed into its pads, once for all attempts. `ed25519` are secret keys that sign in `webhook-signature`, too.
    """

    current: str | None = field(default=None, repr=False)
    previous: str | None = field(default=None, repr=False)
    is_before_switch: bool = False
    ed25519: tuple[Ed25519PrivateKey, ...] = field(default=(), repr=False)
    for_product: hmac.HMAC | None = field(init=False, repr=False, compare=False)
    for_standard: tuple[hmac.HMAC, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        of_product = self.previous if self.is_before_switch else self.current
        keys = [_standard_key(each) for each in (self.current, self.previous) if each is not None]
        object.__setattr__(self, "for_product", None if of_product is None else _keyed(of_product.encode()))
        object.__setattr__(self, "for_standard", tuple(_keyed(key) for key in keys if key is not None))


def signature_headers(secrets: Secrets, delivery_id: str, timestamp_s: int, body: bytes) -> list[tuple[str, str]]:
    """Return the signature headers of one attempt: none without a secret or a key.

    `X-Kakiyo-Signature` needs a secret, `webhook-signature` one of the `whsec_` form or an ed25519 key.
    `delivery_id` and `timestamp_s` (Unix seconds) are the values of `webhook-id` and `webhook-timestamp`;
    `body` is what is sent, byte for byte. A previous secret that still counts has its place in `webhook-signature`,
    whose values stand in a row with spaces between, the new secret's first; `X-Kakiyo-Signature` has room for one.
    """
    headers = []
    if secrets.for_product is not None:
        headers.append(("X-Kakiyo-Signature", _digest(secrets.for_product, body).hex()))
    if secrets.for_standard or secrets.ed25519:
        signed = f"{delivery_id}.{timestamp_s}.".encode() + body
        signatures = [_standard_signature(keyed, signed) for keyed in secrets.for_standard]
        signatures += [asymmetric_signature(key, signed) for key in secrets.ed25519]
        headers.append(("webhook-signature", " ".join(signatures)))
    return headers


def _standard_signature(keyed: hmac.HMAC, signed: bytes) -> str:
    return "v1," + binascii.b2a_base64(_digest(keyed, signed), newline=False).decode()


def _keyed(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod="sha256")


def _digest(keyed: hmac.HMAC, signed: bytes) -> bytes:
    each = keyed.copy()
    each.update(signed)
    return each.digest()


def generate_secret() -> str:
    """Return a new secret of the `whsec_` form with 32 random bytes (contract: `secret: "generate"`)."""
    return STANDARD_PREFIX + base64.b64encode(os.urandom(32)).decode()


def check_secret(secret: str) -> None:
    """Raise ValueError, with one sentence for the person who chose it, when the secret cannot be used.

    `whsec_` must be followed by the base64 of 24 to 64 bytes; any other secret has 1 to 256 printable characters,
    and is nothing that was meant to be one of those. No secret has white space at its ends.
    """
    if secret != secret.strip():
        raise ValueError("the secret has white space at its start or end: remove it")
    if secret.startswith(STANDARD_PREFIX):
        if _standard_key(secret) is None:
            raise ValueError(
                "the secret begins with whsec_ but the base64 of 24 to 64 bytes does not follow "
                f'({_what_is_wrong(secret)}): correct it, or use "generate"'
            )
    elif _ALMOST_STANDARD.search(unicodedata.normalize("NFKC", secret)):
        raise ValueError('the secret looks like one that begins with "whsec_" in lower case, but does not: correct it')
    elif not (0 < len(secret) <= _LONGEST_SECRET and secret.isprintable()):
        raise ValueError(f"the secret must have 1 to {_LONGEST_SECRET} printable characters: choose another")


def _what_is_wrong(secret: str) -> str:
    encoded = secret.removeprefix(STANDARD_PREFIX)
    if any(character.isspace() for character in encoded):
        return "there is white space in it"
    try:
        return f"it has {len(base64.b64decode(encoded, validate=True))} bytes"
    except (binascii.Error, ValueError):
        return "it is not base64 with its padding"


def _standard_key(secret: str) -> bytes | None:
    if not secret.startswith(STANDARD_PREFIX):
        return None
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) in _KEY_BYTES else None
