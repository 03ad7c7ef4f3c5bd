import base64
import hashlib
import hmac
import json
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from daemon.crypto.signing import Secrets, check_secret, generate_secret, signature_headers

BODY = json.dumps({"event": "linkedin.message.sent", "data": {"message": "Grüezi 👋"}}, ensure_ascii=False).encode()
STANDARD_SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_no_secret_means_no_signature() -> None:
    assert signature_headers(Secrets(None), "dlv_1", 1_700_000_000, BODY) == []


@pytest.mark.parametrize("secret", ["a plain secret", "pässwörd", "x", STANDARD_SECRET, "whsec_not base64"])
def test_the_products_signature_is_the_hex_hmac_of_the_body_under_the_whole_secret(secret: str) -> None:
    expected = hmac.new(secret.encode("utf-8"), BODY, hashlib.sha256).hexdigest()
    assert dict(signature_headers(Secrets(secret), "dlv_1", 1_700_000_000, BODY))["X-Kakiyo-Signature"] == expected


def test_the_products_signature_matches_a_published_test_vector() -> None:
    # RFC 4231, test case 2
    headers = dict(signature_headers(Secrets("Jefe"), "dlv_1", 0, b"what do ya want for nothing?"))
    assert headers["X-Kakiyo-Signature"] == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_published_standard_webhooks_library_verifies_the_standard_signature() -> None:
    now = int(time.time())
    signature = dict(signature_headers(Secrets(STANDARD_SECRET), "dlv_1", now, BODY))["webhook-signature"]
    headers = {"webhook-id": "dlv_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    assert Webhook(STANDARD_SECRET).verify(BODY, headers) == json.loads(BODY)


@pytest.mark.parametrize(("field", "value"), [("webhook-id", "dlv_2"), ("webhook-timestamp", None)])
def test_the_standard_signature_covers_the_id_and_the_timestamp(field: str, value: str | None) -> None:
    now = int(time.time())
    signature = dict(signature_headers(Secrets(STANDARD_SECRET), "dlv_1", now, BODY))["webhook-signature"]
    headers = {"webhook-id": "dlv_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    headers[field] = value or str(now + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(STANDARD_SECRET).verify(BODY, headers)


@pytest.mark.parametrize("secret", ["plain", "whsec_", "whsec_short", "WHSEC_" + "A" * 32])
def test_only_a_secret_of_the_standard_form_gives_the_standard_signature(secret: str) -> None:
    assert [name for name, _ in signature_headers(Secrets(secret), "dlv_1", 0, BODY)] == ["X-Kakiyo-Signature"]


def test_a_generated_secret_has_the_standard_form_and_32_bytes_and_is_new_each_time() -> None:
    secret = generate_secret()
    check_secret(secret)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    assert secret != generate_secret()


def _standard(length: int) -> str:
    return "whsec_" + base64.b64encode(bytes(length)).decode()


@pytest.mark.parametrize("secret", ["x", "with spaces", "ümlaut", "x" * 256, _standard(24), _standard(64)])
def test_usable_secrets_are_accepted_and_sign(secret: str) -> None:
    check_secret(secret)
    assert "X-Kakiyo-Signature" in dict(signature_headers(Secrets(secret), "dlv_1", 0, BODY))


@pytest.mark.parametrize(
    "secret",
    [
        *("", "x" * 257, "line\nbreak", "nul\0", "\ud800"),
        *("whsec_", "whsec_????", _standard(23), _standard(65), _standard(32).rstrip("="), _standard(32) + "\n"),
        *(" x", "x ", "WHSEC_x", "Whsec_x", "whsec-x", "whsec:x", "wh_sec_x", "whsec x", " whsec_x"),
        *(
            "v1,whsec_x",
            "SECRET=whsec_x",
            "https://whsec_x",
            "whsec" + "A" * 32,
            "\uff57\uff48\uff53\uff45\uff43_x",
            "'whsec_x'",
        ),
    ],
)
def test_unusable_secrets_are_refused_in_one_sentence_that_does_not_repeat_them(secret: str) -> None:
    with pytest.raises(ValueError) as refused:
        check_secret(secret)
    assert str(refused.value).startswith("the secret ")
    assert len(secret) < 20 or secret not in str(refused.value)
