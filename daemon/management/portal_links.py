"""Portal links: who is handed one signs in to one team's console, without a key (contract "Portal links").

Nothing of them is in memory: each request of such a session reads its link, so that a revocation is true at once
whichever node it was made at.
"""

import re
import secrets
from typing import Any

from daemon.crypto.api_keys import digest_of
from daemon.crypto.idempotency import Once
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.clock import Clock
from daemon.domain.errors import LinkOver
from daemon.domain.mails import Mail
from daemon.domain.portal_links import LINK_ID, PortalLink
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.store.commands import AddPortalLink, Command, RevokePortalLink, UsePortalLink
from daemon.store.reads import api_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

PREFIX = "kwp_"
_TOKEN = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)
# Links that are over are listed for so long.
_KEPT_MS = 30 * 24 * 3600 * 1000


class PortalLinks:
    """Makes, finds and revokes links."""

    def __init__(
        self, *, store: Store, clock: Clock, telemetry: Telemetry, kept_answers: KeptAnswers, audit: Audit
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._kept = kept_answers.kept
        self._audited = audit.audited

    async def create(
        self,
        team_id: str,
        *,
        lifetime_ms: int,
        read_only: bool = False,
        signs_in_once: bool = False,
        return_url: str | None = None,
        once: Once[tuple[PortalLink, str]] | None = None,
        by: Actor = THE_DAEMON,
    ) -> tuple[PortalLink, str] | None:
        """Make a link; return it with its token, which is nowhere to be seen again. None: no such team."""
        if await self._reader.fetch(api_reads.get_team, team_id) is None:
            return None
        token = f"{PREFIX}{secrets.token_urlsafe(32)}"
        link = self._new(team_id, lifetime_ms, read_only=read_only, signs_in_once=signs_in_once, return_url=return_url)
        add = self._adding(link, token, by, readOnly=read_only, once=signs_in_once)
        await self._writer.execute(self._kept(add, once, lambda _: (link, token)))
        self._log.info("portal_link_created", linkId=link.id, teamId=team_id)
        return link, token

    async def of_mail(self, mail: Mail, token: str, lifetime_ms: int) -> PortalLink:
        """Return the link with this token, which goes out with a mail: made now, or at an earlier attempt to send it.

        It signs in until it expires: a mail may have several readers.
        """
        found = await self._reader.fetch(api_reads.portal_link_of_token, digest_of(token))
        if found is not None:
            return found
        link = self._new(mail.team_id, lifetime_ms)
        await self._writer.execute(self._adding(link, token, THE_DAEMON, mailId=mail.id, webhookId=mail.webhook_id))
        self._log.info("portal_link_created", linkId=link.id, teamId=mail.team_id)
        return link

    def _new(
        self,
        team_id: str,
        lifetime_ms: int,
        *,
        read_only: bool = False,
        signs_in_once: bool = False,
        return_url: str | None = None,
    ) -> PortalLink:
        now = self._now_ms()
        return PortalLink(
            id=self._new_id(LINK_ID),
            team_id=team_id,
            created_at=now,
            expires_at=now + lifetime_ms,
            read_only=read_only,
            once=signs_in_once,
            return_url=return_url,
        )

    def _adding(self, link: PortalLink, token: str, by: Actor, **told: Any) -> Command[None]:
        return self._audited(
            AddPortalLink(link, digest_of(token), link.created_at - _KEPT_MS),
            by,
            AuditAction.PORTAL_LINK_CREATED,
            team_id=link.team_id,
            subject_id=link.id,
            **told,
        )

    async def find(self, link_id: str) -> PortalLink | None:
        """Return a link as it is now, whichever node changed it, None if unknown."""
        return await self._reader.fetch(api_reads.get_portal_link, link_id)

    async def of_token(self, token: str) -> PortalLink | None:
        """Return the link with this token, whether it still signs in or not; None if it is unknown."""
        if not _TOKEN.fullmatch(token):
            return None
        return await self._reader.fetch(api_reads.portal_link_of_token, digest_of(token))

    async def use(self, link: PortalLink, address: str | None) -> bool:
        """Use the link to sign somebody in from this address; return False if it no longer does.

        Only its first use is kept in the audit trail: no customer displaces what others did.
        """
        use, by = UsePortalLink(link.id, self._now_ms()), Actor(link.id, link.name, address)
        audited = self._audited(use, by, AuditAction.PORTAL_LINK_USED, team_id=link.team_id, subject_id=link.id)
        try:
            await self._writer.execute(audited)
        except LinkOver:
            return False
        return True

    async def revoke(self, link: PortalLink, by: Actor = THE_DAEMON) -> None:
        """Revoke a link: its sessions end at once."""
        revoke = RevokePortalLink(link.id, self._now_ms())
        audited = self._audited(revoke, by, AuditAction.PORTAL_LINK_REVOKED, team_id=link.team_id, subject_id=link.id)
        if await self._writer.execute(audited):
            self._log.info("portal_link_revoked", linkId=link.id, teamId=link.team_id)
