"""Portal links: who is handed one signs in to one team's console, without a key (contract "Portal links").

Nothing of them is in memory: each request of such a session reads its link, so that a revocation is true at once
whichever node it was made at.
"""

import re
import secrets

from daemon.crypto.api_keys import digest_of
from daemon.crypto.idempotency import Once
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.clock import Clock
from daemon.domain.errors import LinkOver
from daemon.domain.portal_links import LINK_ID, PortalLink
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.store.commands import AddPortalLink, RevokePortalLink, UsePortalLink
from daemon.store.reads import api_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_TOKEN = re.compile(r"kwp_[A-Za-z0-9_-]{43}", re.ASCII)
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
        now, token = self._now_ms(), f"kwp_{secrets.token_urlsafe(32)}"
        link = PortalLink(
            id=self._new_id(LINK_ID),
            team_id=team_id,
            created_at=now,
            expires_at=now + lifetime_ms,
            read_only=read_only,
            once=signs_in_once,
            return_url=return_url,
        )
        add = self._audited(
            AddPortalLink(link, digest_of(token), now - _KEPT_MS),
            by,
            AuditAction.PORTAL_LINK_CREATED,
            team_id=team_id,
            subject_id=link.id,
            readOnly=read_only,
            once=signs_in_once,
        )
        await self._writer.execute(self._kept(add, once, lambda _: (link, token)))
        self._log.info("portal_link_created", linkId=link.id, teamId=team_id)
        return link, token

    async def find(self, link_id: str) -> PortalLink | None:
        """Return a link as it is now, whichever node changed it, None if unknown."""
        return await self._reader.fetch(api_reads.get_portal_link, link_id)

    async def sign_in(self, token: str, address: str | None) -> PortalLink | None:
        """Return the link with this token, which is used by that; None if it is unknown or no longer signs in.

        Only its first use is kept in the audit trail: no customer displaces what others did.
        """
        link = None
        if _TOKEN.fullmatch(token):
            link = await self._reader.fetch(api_reads.portal_link_of_token, digest_of(token))
        if link is None:
            return None
        use, by = UsePortalLink(link.id, self._now_ms()), Actor(link.id, link.name, address)
        audited = self._audited(use, by, AuditAction.PORTAL_LINK_USED, team_id=link.team_id, subject_id=link.id)
        try:
            await self._writer.execute(audited)
        except LinkOver:
            return None
        return link

    async def revoke(self, link: PortalLink, by: Actor = THE_DAEMON) -> None:
        """Revoke a link: its sessions end at once."""
        revoke = RevokePortalLink(link.id, self._now_ms())
        audited = self._audited(revoke, by, AuditAction.PORTAL_LINK_REVOKED, team_id=link.team_id, subject_id=link.id)
        if await self._writer.execute(audited):
            self._log.info("portal_link_revoked", linkId=link.id, teamId=link.team_id)
