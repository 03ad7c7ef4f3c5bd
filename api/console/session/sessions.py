"""Sessions: signed cookies (by itsdangerous). The database stores only which sessions were signed out.

The cookie names the key by its digest, or the portal link by its id, so revoking one ends its sessions at once. A
cookie that is forged, altered or expired is not a session.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from daemon.crypto.api_keys import ApiKeys, Principal, digest_of
from daemon.domain.clock import NowMs
from daemon.domain.portal_links import PortalLink
from daemon.management.sign_outs import SignOuts

COOKIE = "console_session"
LIFETIME_S = 12 * 3600
LONGEST_S = 7 * 24 * 3600
_RENEW_WITHIN_S = 11 * 3600
_VALUES = 5
_VALUES_OF_LINK = 6

FindLink = Callable[[str], Awaitable[PortalLink | None]]


@dataclass(frozen=True, slots=True)
class Session:
    """A session, as its cookie carries it. `team_id` is the team that the operator last looked at.

    It lasts until `expires_at`, which use extends, up to `ends_at` (both ms). One of a portal link has `link_id`, and
    no key.
    """

    id: str
    key_digest: str
    expires_at: int
    ends_at: int
    team_id: str | None = None
    link_id: str | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with a valid key or portal link, and the principal of that."""

    session: Session
    principal: Principal
    link: PortalLink | None = None


class Sessions:
    """Creates, verifies and ends sessions. Sign-outs are stored until the sessions would have expired.

    `find_link(id)` reads a portal link as it is now, so that each node sees at once what another one revoked.
    """

    def __init__(
        self, secret: bytes, api_keys: ApiKeys, now_ms: NowMs, *, sign_outs: SignOuts, find_link: FindLink
    ) -> None:
        self._serializer = URLSafeSerializer(
            secret, salt="console session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._secret = secret
        self._api_keys = api_keys
        self._now_ms = now_ms
        self._sign_outs = sign_outs
        self._find_link = find_link

    def sign_in(self, key: str) -> SignedIn | None:
        """Return a new session for an API key, None if the key is unknown or revoked."""
        principal = self._api_keys.find(key)
        if principal is None:
            return None
        ends_at = self._now_ms() + LONGEST_S * 1000
        digest = digest_of(key).hex()
        session = Session(
            id=secrets.token_urlsafe(16),
            key_digest=digest,
            expires_at=self._fresh_expiry(ends_at),
            ends_at=ends_at,
            team_id=principal.team_id,
        )
        return SignedIn(session, principal)

    def of_link(self, link: PortalLink) -> Session:
        """Return a new session of a portal link that has just signed somebody in: it ends with the link."""
        return Session(
            id=secrets.token_urlsafe(16),
            key_digest="",
            expires_at=self._fresh_expiry(link.expires_at),
            ends_at=link.expires_at,
            team_id=link.team_id,
            link_id=link.id,
        )

    async def read(self, cookie: str | None) -> SignedIn | None:
        """Return the session in a cookie, None if it is forged, expired or signed out, or its key or link was revoked.

        Raises StoreUnavailable, for a session of a link.
        """
        session = None if cookie is None else self._unsigned(cookie)
        if session is None or min(session.expires_at, session.ends_at) <= self._now_ms():
            return None
        signed_in = self._of_key(session) if session.link_id is None else await self._of_link(session, session.link_id)
        if signed_in is None or self._sign_outs.has(signed_in.principal.key_id, session.id):
            return None
        return signed_in

    def _of_key(self, session: Session) -> SignedIn | None:
        principal = self._api_keys.find_by_digest(bytes.fromhex(session.key_digest))
        return None if principal is None else SignedIn(session, principal)

    async def _of_link(self, session: Session, link_id: str) -> SignedIn | None:
        link = await self._find_link(link_id)
        if link is None or not link.is_valid(self._now_ms()):
            return None
        return SignedIn(session, principal_of(link), link)

    def cookie(self, session: Session) -> str:
        """Return a session's cookie value."""
        values = [session.id, session.key_digest, session.expires_at, session.ends_at, session.team_id]
        if session.link_id is not None:  # versions that know no links refuse so many values
            values.append(session.link_id)
        signed = self._serializer.dumps(values)
        return signed if isinstance(signed, str) else signed.decode()

    def renewed(self, session: Session) -> Session:
        """Return the session, extended to its full lifetime if a part of that has passed."""
        if session.expires_at - self._now_ms() > _RENEW_WITHIN_S * 1000:
            return session
        return replace(session, expires_at=self._fresh_expiry(session.ends_at))

    async def end(self, session: Session, key_id: str) -> None:
        """End this session of a key or a link, for every copy of its cookie. Raises StoreUnavailable."""
        # Other copies of the cookie may have been renewed: a full lifetime from now covers all of them.
        await self._sign_outs.add(
            key_id, session.id, expires_at=self._fresh_expiry(session.ends_at), now=self._now_ms()
        )

    def form_token(self, session: Session) -> str:
        """Return the token that every form of this session has to carry, against CSRF."""
        return hmac.new(self._secret, b"form " + session.id.encode(), "sha256").hexdigest()

    def _unsigned(self, cookie: str) -> Session | None:
        try:
            value: Any = self._serializer.loads(cookie)
        except BadData:
            return None
        # A cookie of an older version is not valid any more.
        return Session(*value) if len(value) in (_VALUES, _VALUES_OF_LINK) else None

    def _fresh_expiry(self, ends_at: int) -> int:
        return min(self._now_ms() + LIFETIME_S * 1000, ends_at)


def principal_of(link: PortalLink) -> Principal:
    """Return who a session of this link is."""
    return Principal(link.team_id, link.id, role=link.role, name=link.name)
