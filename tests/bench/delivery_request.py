"""One signed delivery's request as bytes, for the floors (contract "Payload and headers of a delivery").

Written out here rather than by the daemon's own code, so that a floor stays the same however that changes.
"""

import json
from pathlib import Path
from urllib.parse import urlsplit

from daemon.crypto.signing import Secrets, generate_secret, signature_headers
from daemon.delivery.delivery_request import USER_AGENT
from daemon.domain.clock import clock_of, wall_clock_ms
from tests.bench.events import EVENT_TYPE, event


def write_request(path: Path, url: str) -> Path:
    """Write the request of one delivery to a webhook at `url`."""
    parts, body = urlsplit(url), _payload()
    delivery_id, now_s = clock_of(wall_clock_ms).new_id("dlv"), wall_clock_ms() // 1000
    fields = [
        ("Host", parts.netloc),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        ("webhook-id", delivery_id),
        ("webhook-timestamp", str(now_s)),
        ("X-Kakiyo-Event", EVENT_TYPE),
        ("X-Kakiyo-Delivery", delivery_id),
        ("X-Kakiyo-Attempt", "1"),
        *signature_headers(Secrets(generate_secret()), delivery_id, now_s, body),
    ]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    path.write_bytes(f"POST {parts.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return path


def _payload() -> bytes:
    submitted = event(0)
    payload = {
        "event": EVENT_TYPE,
        "teamId": submitted["teamId"],
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": submitted["data"],
    }
    return json.dumps(payload, separators=(",", ":")).encode()
