"""The asymmetric scheme of Standard Webhooks; the vectors are those of the specification's repository."""

import base64
import json
import time

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from standardwebhooks.webhooks import Webhook

from daemon.crypto.ed25519 import generate_key_pair, public_key_pem, secret_key
from daemon.crypto.signing import Secrets, generate_secret, signature_headers

VECTOR_ID, VECTOR_TIME, VECTOR_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
VECTOR_KEY = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
VECTOR_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ASYMMETRIC = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="
SYMMETRIC = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signature_of_vector(secrets: Secrets) -> str:
    return dict(signature_headers(secrets, VECTOR_ID, VECTOR_TIME, VECTOR_BODY))["webhook-signature"]


def test_the_asymmetric_signature_is_that_of_the_specifications_vector() -> None:
    assert signature_of_vector(Secrets(ed25519=(secret_key(VECTOR_KEY),))) == ASYMMETRIC


def test_the_symmetric_signature_is_that_of_the_specifications_vector() -> None:
    assert signature_of_vector(Secrets(VECTOR_SECRET)) == SYMMETRIC


def test_both_signatures_stand_in_one_header_the_symmetric_one_first() -> None:
    assert signature_of_vector(Secrets(VECTOR_SECRET, ed25519=(secret_key(VECTOR_KEY),))) == f"{SYMMETRIC} {ASYMMETRIC}"


def test_without_a_secret_an_ed25519_key_signs_alone() -> None:
    headers = signature_headers(Secrets(ed25519=(secret_key(VECTOR_KEY),)), VECTOR_ID, VECTOR_TIME, VECTOR_BODY)
    assert headers == [("webhook-signature", ASYMMETRIC)]


def test_the_published_library_finds_its_signature_among_others() -> None:
    secret, now = generate_secret(), int(time.time())
    secrets = Secrets(secret, ed25519=(secret_key(VECTOR_KEY), secret_key(generate_key_pair().secret)))
    signature = dict(signature_headers(secrets, "dlv_1", now, VECTOR_BODY))["webhook-signature"]
    headers = {"webhook-id": "dlv_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    assert [each.partition(",")[0] for each in signature.split()] == ["v1", "v1a", "v1a"]
    assert Webhook(secret).verify(VECTOR_BODY, headers) == json.loads(VECTOR_BODY)


@pytest.mark.parametrize("changed", [b"dlv_2.5.body", b"dlv_1.6.body", b"dlv_1.5.bodY"])
def test_a_public_key_tells_what_its_secret_key_signed_from_anything_else(changed: bytes) -> None:
    pair = generate_key_pair()
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(pair.public.removeprefix("whpk_")))
    headers = dict(signature_headers(Secrets(ed25519=(secret_key(pair.secret),)), "dlv_1", 5, b"body"))
    signature = base64.b64decode(headers["webhook-signature"].removeprefix("v1a,"))
    public.verify(signature, b"dlv_1.5.body")
    with pytest.raises(InvalidSignature):
        public.verify(signature, changed)


def test_a_generated_pair_has_the_specified_form_and_is_new_each_time() -> None:
    pair = generate_key_pair()
    assert pair.secret.startswith("whsk_")
    assert pair.public.startswith("whpk_")
    assert {len(base64.b64decode(key[5:], validate=True)) for key in (pair.secret, pair.public)} == {32}
    assert generate_key_pair().secret != pair.secret
    assert pair.secret not in repr(pair)


def test_the_pem_of_a_public_key_is_the_same_key() -> None:
    pair = generate_key_pair()
    loaded = load_pem_public_key(public_key_pem(pair.public).encode())
    assert isinstance(loaded, Ed25519PublicKey)
    assert loaded.public_bytes_raw() == secret_key(pair.secret).public_key().public_bytes_raw()


@pytest.mark.parametrize("text", ["", VECTOR_SECRET, "whsk_", "whsk_AAAA", VECTOR_KEY[:-1], "whsk_%%%%"])
def test_what_is_no_secret_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        secret_key(text)
