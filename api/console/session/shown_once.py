"""Secrets between the request that created them and the page that shows them, once.

The browser carries each in a cookie of its own, so that any node that shares the database can show it: sealed with
AES-SIV (RFC 5297) for one session and one page, for five minutes, and deleted by the page that shows it.
"""

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from quart import Response

from api.console.session.cookies import Cookies
from daemon.domain.clock import NowMs

KEPT_S = 300
PREFIX = "console_secret_"
_MOST = 4  # with a secret of the longest each, a third of what the head of a request may have
_LONGEST = 2_000  # characters: what browsers keep of a cookie is twice that
_TIME_BYTES = 8


@dataclass(frozen=True, slots=True)
class ShownOnce:
    """Each secret is for one session and one page."""

    key: bytes = field(repr=False)
    now_ms: NowMs

    def keep(self, cookies: Cookies, response: Response, secret: str, *, session_id: str, about: str) -> None:
        """Give the browser a secret for the page about this webhook or team; of very many the oldest give way."""
        name = _name(about)
        others = [other for other in cookies.names(PREFIX) if other != name]
        for other in others[: max(0, len(others) - _MOST + 1)]:
            cookies.delete(response, other, "Strict")
        until = self.now_ms() + KEPT_S * 1000
        sealed = AESSIV(self.key).encrypt(until.to_bytes(_TIME_BYTES) + secret.encode(), _bound_to(session_id, about))
        value = urlsafe_b64encode(sealed).decode().rstrip("=")
        cookies.set(response, name, value, max_age_s=KEPT_S, same_site="Strict")

    def find(self, cookies: Cookies, *, session_id: str, about: str) -> str | None:
        """Return the secret for this page, None if there is none, or it is of another session or page, or too old."""
        value = cookies.find(_name(about))
        opened = None if value is None or len(value) > _LONGEST else self._opened(value, _bound_to(session_id, about))
        if opened is None or int.from_bytes(opened[:_TIME_BYTES]) <= self.now_ms():
            return None
        return opened[_TIME_BYTES:].decode()

    def forget(self, cookies: Cookies, response: Response, about: str) -> None:
        """Have the browser delete the secret, since this response shows it."""
        cookies.delete(response, _name(about), "Strict")

    def _opened(self, value: str, bound_to: list[bytes]) -> bytes | None:
        try:
            return AESSIV(self.key).decrypt(urlsafe_b64decode(value + "=="), bound_to)
        except (InvalidTag, ValueError, binascii.Error):
            return None


def _name(about: str) -> str:
    return PREFIX + hashlib.sha256(about.encode()).hexdigest()[:16]


def _bound_to(session_id: str, about: str) -> list[bytes]:
    return [session_id.encode(), about.encode()]
