"""How a receiver checks that a delivery is genuine and fresh (contract "Payload and headers of a delivery")."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from daemon.crypto.signing import Secrets, signature_headers
from daemon.demo.receiver import ReceivedRequest

_FRESH_S = 5 * 60
_SIGNATURE_HEADERS = ("x-kakiyo-signature", "webhook-signature")


class SignatureState(StrEnum):
    """What the signatures of a delivery are worth; `unchecked`: signed, but the receiver has no secret."""

    VALID = "valid"
    INVALID = "invalid"
    UNSIGNED = "unsigned"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Verification:
    """`fresh`: webhook-timestamp is within 5 minutes of the receiver's clock; None when it is missing or no number."""

    signature: SignatureState
    fresh: bool | None


def verify(request: ReceivedRequest, secret: str | None) -> Verification:
    """Check every signature that the secret calls for: one that is missing or wrong makes the delivery invalid."""
    sent_at = _timestamp(request)
    fresh = None if sent_at is None else abs(request.received_at / 1000 - sent_at) <= _FRESH_S
    given = {name: value for name in _SIGNATURE_HEADERS if (value := request.header(name)) is not None}
    if not given:
        return Verification(SignatureState.UNSIGNED, fresh)
    if secret is None:
        return Verification(SignatureState.UNCHECKED, fresh)
    genuine = _are_genuine(given, secret, request=request, sent_at=sent_at)
    return Verification(SignatureState.VALID if genuine else SignatureState.INVALID, fresh)


def _timestamp(request: ReceivedRequest) -> int | None:
    text = request.header("webhook-timestamp") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None


def _are_genuine(given: Mapping[str, str], secret: str, request: ReceivedRequest, sent_at: int | None) -> bool:
    headers = signature_headers(
        Secrets(secret), request.header("webhook-id") or "", timestamp_s=sent_at or 0, body=request.body
    )
    expected = {name.lower(): value for name, value in headers}
    own, standard = (given.get(name, "") for name in _SIGNATURE_HEADERS)
    own_is_genuine = _same(own, expected["x-kakiyo-signature"])
    if "webhook-signature" not in expected:
        return own_is_genuine
    # During a rotation's overlap there are two, and the product's own signature is made with one of the secrets alone.
    offered = standard.split(" ")
    return any(_same(one, expected["webhook-signature"]) for one in offered) and (own_is_genuine or len(offered) > 1)


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
