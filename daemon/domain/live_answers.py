"""What a live listener answered to an attempt, as a value: it can be written as JSON and read back exactly."""

from msgspec import Struct

# No name leads there (RFC 6761, 6.4), so nothing can be sent to it by mistake.
LIVE_URL = "https://live.invalid/"


class LiveAnswer(Struct, frozen=True, tag="live_answer"):
    """The answer to one attempt: a final status, header fields in their order, and the body."""

    attempt_id: str
    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
