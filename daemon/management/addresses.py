"""Notification addresses that a team adds itself, each confirmed by a link (contract "Notification addresses").

Nothing else is sent to an address before whoever reads its mail has confirmed.
"""

import re
from collections.abc import Callable

from daemon.crypto.api_keys import digest_of
from daemon.crypto.idempotency import Once
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.clock import Clock
from daemon.domain.errors import LinkOver
from daemon.domain.model import Team
from daemon.domain.team_addresses import ASKED_FOR_MS, PendingAddress, mailbox_of
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.management.mail_links import CONFIRMATION_PREFIX, TokenOf
from daemon.store.address_commands import AskForAddress, ConfirmAddress, RemoveAddress
from daemon.store.reads import api_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

_TOKEN = re.compile(rf"{CONFIRMATION_PREFIX}[A-Za-z0-9_-]{{43}}", re.ASCII)


class Addresses:
    """Asks, confirms and removes addresses; `token_of(mail_id)` is what the link of a mail that asks holds."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        kept_answers: KeptAnswers,
        audit: Audit,
        token_of: TokenOf,
        on_mail: Callable[[], None],
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._kept = kept_answers.kept
        self._audited = audit.audited
        self._token_of = token_of
        self._on_mail = on_mail

    async def ask(
        self, team_id: str, email: str, once: Once[PendingAddress] | None = None, *, by: Actor = THE_DAEMON
    ) -> PendingAddress | None:
        """Send an address the mail by which it confirms. None: no such team.

        Raises AlreadyConfirmed, TooManyAddresses and AskedTooOften.
        """
        if await self._reader.fetch(api_reads.get_team, team_id) is None:
            return None
        mail_id, now = self._new_id("mail"), self._now_ms()
        pending = PendingAddress(
            mail_id=mail_id, team_id=team_id, email=email, created_at=now, expires_at=now + ASKED_FOR_MS
        )
        ask = AskForAddress(pending, mailbox_of(email), digest_of(self._token_of(mail_id)))
        audited = self._audited(
            ask, by, AuditAction.ADDRESS_ADDED, team_id=team_id, subject_id=team_id, email=email, mailId=mail_id
        )
        await self._writer.execute(self._kept(audited, once, lambda _: pending), lambda _: self._on_mail())
        self._log.info("mail_queued", mailId=mail_id, webhookId="", teamId=team_id)
        return pending

    async def confirm(self, token: str, address: str | None) -> tuple[Team, str]:
        """Have a team's mails go to the address whose mail has this token; return both.

        `address` is from where it was confirmed. Raises LinkOver, and TooManyAddresses.
        """
        found = None
        if _TOKEN.fullmatch(token):
            found = await self._reader.fetch(api_reads.pending_address_of_token, digest_of(token))
        if found is None:
            raise LinkOver("the link was used, was withdrawn or has expired")
        by = Actor(found.mail_id, f"a reader of {found.email}", address)
        confirm = ConfirmAddress(digest_of(token), self._now_ms())
        team = await self._writer.execute(
            self._audited(confirm, by, AuditAction.ADDRESS_CONFIRMED, team_id=found.team_id, subject_id=found.team_id)
        )
        self._log.info("address_confirmed", mailId=found.mail_id, teamId=found.team_id)
        return team, found.email

    async def remove(self, team_id: str, email: str, by: Actor = THE_DAEMON) -> bool:
        """Have nothing more sent to an address, whether it has confirmed or not. Return whether it was one."""
        if await self._reader.fetch(api_reads.get_team, team_id) is None:
            return False
        remove = RemoveAddress(team_id, email, self._now_ms())
        removed = await self._writer.execute(
            self._audited(remove, by, AuditAction.ADDRESS_REMOVED, team_id=team_id, subject_id=team_id, email=email)
        )
        if removed:
            self._log.info("team_changed", teamId=team_id)
        return removed
