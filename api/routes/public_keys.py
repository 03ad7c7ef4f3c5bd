"""The public key that a webhook's deliveries are verified with (contract "HTTP API")."""

from http import HTTPStatus

from pydantic import Field

from api.http.auth import owned
from api.http.errors import ApiError, Code
from api.http.route import Call, Route
from api.http.wire import Output, OutputTime, format_optional_time, format_time
from daemon.crypto.ed25519 import public_key_pem
from daemon.domain.key_pairs import SigningKeys
from daemon.domain.signature_schemes import SignatureScheme
from daemon.domain.signing_keys import valid_previous_key
from daemon.store.reads import api_reads

_KEY = "`whpk_` and the base64 of its 32 bytes, as Standard Webhooks writes it."
_PEM = "The same key as PEM (RFC 8410)."
_MADE = "When the key pair was made."


class PreviousPublicKey(Output):
    """The key that a rotation replaced, while it signs, too."""

    public_key: str = Field(description=_KEY)
    pem: str = Field(description=_PEM)
    created_at: OutputTime = Field(description=_MADE)
    expires_at: OutputTime = Field(description="Until when it signs, too.")


class PublicKey(Output):
    """What verifies the `v1a` signatures of a webhook's deliveries."""

    webhook_id: str = Field(description="The webhook's id.")
    signature_scheme: SignatureScheme = Field(description="With `hmac` the key pair does not sign at present.")
    public_key: str = Field(description=_KEY)
    pem: str = Field(description=_PEM)
    created_at: OutputTime = Field(description=_MADE)
    previous: PreviousPublicKey | None = Field(description="The key before, which signs as well for a while; or null.")


async def get_public_key(call: Call, webhook_id: str) -> PublicKey:
    """Answer with the public half of a webhook's key pair."""
    webhook = owned(call, await call.handles.reader.fetch(api_reads.get_webhook, webhook_id), "webhook")
    keys = webhook.options.signing_keys
    if keys is None:
        raise ApiError(
            Code.NOT_FOUND, "The webhook has no key pair: set its signatureScheme to ed25519 or both, which makes one."
        )
    return PublicKey(
        webhook_id=webhook.id,
        signature_scheme=webhook.options.signature_scheme,
        public_key=keys.current.public,
        pem=public_key_pem(keys.current.public),
        created_at=format_time(keys.current.created_at),
        previous=_previous(keys, call.handles.now_ms()),
    )


def _previous(keys: SigningKeys, now: int) -> PreviousPublicKey | None:
    previous = valid_previous_key(keys, now)
    if previous is None:
        return None
    return PreviousPublicKey(
        public_key=previous.public,
        pem=public_key_pem(previous.public),
        created_at=format_time(previous.created_at),
        expires_at=format_optional_time(keys.previous_expires_at),
    )


_EXAMPLE = {
    "webhookId": "wh_01jzy8h2k4n6q8s0v2x4z6b8d0",
    "signatureScheme": "ed25519",
    "publicKey": "whpk_O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=",
    "pem": (
        "-----BEGIN PUBLIC KEY-----\n"
        "MCowBQYDK2VwAyEAO2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=\n"
        "-----END PUBLIC KEY-----\n"
    ),
    "createdAt": "2025-07-15T10:00:00.000Z",
    "previous": None,
}

PUBLIC_KEY_ROUTE = Route(
    "GET",
    "/v1/webhooks/{webhook_id}/public-key",
    get_public_key,
    tag="Webhooks",
    summary="Look at a webhook's public key",
    description=(
        "What verifies the `v1a` signatures in `webhook-signature`, for a webhook with a key pair. It is no secret. "
        "While a rotation overlaps, the key before is there, too."
    ),
    status=HTTPStatus.OK,
    answer=PublicKey,
    example=_EXAMPLE,
    refusals=(Code.NOT_FOUND,),
)
