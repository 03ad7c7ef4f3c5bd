"""Who has signed in: a signed cookie, and nothing on disk (the signature is itsdangerous').

The cookie names the key by its digest, so a key that is revoked ends its sessions at once. What is forged, altered or
too old is no session.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from daemon.clock import NowMs
from daemon.keyring import KeyRing, Principal, digest_of

COOKIE = "console_session"
COOKIE_PATH = "/console/"
LIFETIME_S = 12 * 3600
_RENEW_WITHIN_S = 11 * 3600
_MOST_ENDED = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """A session as its cookie carries it. `team_id` is the team that the operator last looked at."""

    id: str
    key_digest: str
    expires_at: int
    team_id: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session whose key is valid, and who is behind it."""

    session: Session
    principal: Principal


class Sessions:
    """Signs and reads sessions. Those that were signed out are remembered until they would have expired."""

    def __init__(self, secret: bytes, keyring: KeyRing, now_ms: NowMs) -> None:
        self._serializer = URLSafeSerializer(
            secret, salt="console session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._secret = secret
        self._keyring = keyring
        self._now_ms = now_ms
        self._ended: dict[str, int] = {}

    def sign_in(self, key: str) -> SignedIn | None:
        """Return a new session for an API key, None if the key is unknown or revoked."""
        principal = self._keyring.find(key)
        if principal is None:
            return None
        session = Session(secrets.token_urlsafe(16), digest_of(key).hex(), self._fresh_expiry(), principal.team_id)
        return SignedIn(session, principal)

    def read(self, cookie: str | None) -> SignedIn | None:
        """Return the session of a cookie, None if it is none of ours, is over, or its key was revoked."""
        session = None if cookie is None else self._unsigned(cookie)
        if session is None or session.expires_at <= self._now_ms() or session.id in self._ended:
            return None
        principal = self._keyring.find_by_digest(bytes.fromhex(session.key_digest))
        return None if principal is None else SignedIn(session, principal)

    def cookie(self, session: Session) -> str:
        """Return the value of the cookie for a session."""
        signed = self._serializer.dumps([session.id, session.key_digest, session.expires_at, session.team_id])
        return signed if isinstance(signed, str) else signed.decode()

    def renewed(self, session: Session) -> Session:
        """Return the session with its whole lifetime before it again, if a part of it is over."""
        if session.expires_at - self._now_ms() > _RENEW_WITHIN_S * 1000:
            return session
        return replace(session, expires_at=self._fresh_expiry())

    def end(self, session: Session) -> None:
        """Let this session, and every copy of its cookie, count no more."""
        now = self._now_ms()
        # Its cookie may have been renewed in the meantime: a whole lifetime from now covers each of them.
        kept = {session_id: until for session_id, until in self._ended.items() if until > now}
        while len(kept) >= _MOST_ENDED:
            kept.pop(next(iter(kept)))
        self._ended = {**kept, session.id: self._fresh_expiry()}

    def form_token(self, session: Session) -> str:
        """Return what every form of this session has to carry, so that no other site's form passes for ours."""
        return hmac.new(self._secret, b"form " + session.id.encode(), "sha256").hexdigest()

    def _unsigned(self, cookie: str) -> Session | None:
        try:
            value: Any = self._serializer.loads(cookie)
        except BadData:
            return None
        return Session(*value)

    def _fresh_expiry(self) -> int:
        return self._now_ms() + LIFETIME_S * 1000
