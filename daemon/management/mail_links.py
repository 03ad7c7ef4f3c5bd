"""Links of mails that work without a key (contract "Portal links").

Their tokens are made of the mail's id and a key of the daemon's: each attempt to send the mail of a day has the same
link, whichever node makes it, and no token is stored.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

from daemon.domain.clock import DAY_MS, NowMs
from daemon.domain.mails import Mail, MailKind, MailLink
from daemon.domain.team_addresses import ASKED_FOR_MS
from daemon.management import portal_links

CONFIRMATION_PREFIX = "kwc_"
TokenOf = Callable[[str], str]


class MailLinks:
    """Makes the links as mails are sent; `key` is secret, `days` is how long those into the console last (0: none)."""

    def __init__(self, key: bytes, now_ms: NowMs, *, links: portal_links.PortalLinks, days: int) -> None:
        self._key = key
        self._now_ms = now_ms
        self._links = links
        self._days = days

    async def with_link(self, mail: Mail) -> Mail:
        """Return the mail with its link, if its kind has one. Raises StoreUnavailable."""
        if mail.kind is MailKind.ADDRESS_CONFIRMATION:
            return replace(mail, link=MailLink(self.confirmation_token(mail.id), mail.created_at + ASKED_FOR_MS))
        if mail.kind is not MailKind.DISABLED or not self._days:
            return mail
        # A mail that is deferred for long has a new link each day, so that it leads somewhere when it arrives.
        token = portal_links.PREFIX + self._token(f"{mail.id} {self._now_ms() // DAY_MS}")
        link = await self._links.of_mail(mail, token, lifetime_ms=self._days * DAY_MS)
        return replace(mail, link=MailLink(token, link.expires_at))

    def confirmation_token(self, mail_id: str) -> str:
        """Return what the link of a mail that asks an address holds."""
        return CONFIRMATION_PREFIX + self._token(f"{mail_id} confirms")

    def _token(self, about: str) -> str:
        digest = hmac.digest(self._key, about.encode(), "sha256")
        return urlsafe_b64encode(digest).decode().rstrip("=")
