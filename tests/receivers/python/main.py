"""For each line of standard input, one delivery: whether the published package, and cryptography, verify it."""

import base64
import sys
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError


def is_symmetric(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        return bool(secret and Webhook(secret).verify(body, dict(headers)))
    except WebhookVerificationError:
        return False


def is_asymmetric(public_key: str, headers: Mapping[str, str], body: bytes) -> bool:
    if not public_key:
        return False
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_")))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    given = [each for each in headers["webhook-signature"].split() if each.startswith("v1a,")]
    return any(is_signed(key, each.removeprefix("v1a,"), signed) for each in given)


def is_signed(key: Ed25519PublicKey, signature: str, signed: bytes) -> bool:
    try:
        key.verify(base64.b64decode(signature), signed)
    except InvalidSignature:
        return False
    return True


for line in sys.stdin:
    secret, public_key, event_id, timestamp, signature, encoded = line.rstrip("\n").split("\t")
    headers = {"webhook-id": event_id, "webhook-timestamp": timestamp, "webhook-signature": signature}
    body = base64.b64decode(encoded)
    found = (is_symmetric(secret, headers, body), is_asymmetric(public_key, headers, body))
    print(*(str(one).lower() for one in found))
