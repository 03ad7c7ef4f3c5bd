import base64
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def is_genuine(public_keys: list[str], body: bytes, headers: dict[str, str]) -> bool:
    # public_keys: the one in use, during a rotation both; headers: by their names in lower case
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or len(sent_at) > 12 or abs(time.time() - int(sent_at)) > 300:
        return False
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    given = [each for each in headers.get("webhook-signature", "").split() if each.startswith("v1a,")]
    return any(is_signed(key, each.removeprefix("v1a,"), signed) for key in public_keys for each in given)


def is_signed(public_key: str, signature: str, signed: bytes) -> bool:
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    try:
        key.verify(base64.b64decode(signature), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
