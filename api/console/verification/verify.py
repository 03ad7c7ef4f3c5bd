import base64
import hashlib
import hmac
import time


def is_genuine(secrets: list[str], body: bytes, headers: dict[str, str]) -> bool:
    # secrets: the one in use, during a rotation both; headers: by their names in lower case
    return any(is_signed(secret, body, headers) for secret in secrets)


def is_signed(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    if not secret.startswith("whsec_"):
        expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected.encode(), headers.get("x-kakiyo-signature", "").encode())
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdecimal() or len(sent_at) > 12 or abs(time.time() - int(sent_at)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(expected.encode(), each.encode()) for each in given)
