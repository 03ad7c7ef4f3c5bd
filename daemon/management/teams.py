"""Teams, their API keys and their credits, as people change them."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from daemon.crypto.api_keys import ApiKeys, digest_of, generate_key
from daemon.crypto.idempotency import Once
from daemon.delivery.credit_gate import Gate
from daemon.delivery.router import nothing_to_follow
from daemon.domain.audit import THE_DAEMON, Actor, AuditAction
from daemon.domain.clock import Clock
from daemon.domain.errors import AlreadyExists
from daemon.domain.model import ApiKey, CreditEntry, KeyRole, Team, TeamEdit
from daemon.domain.operations import OPERATORS_TEAM, OPERATORS_TEAM_NAME
from daemon.management.audit import Audit
from daemon.management.kept_answers import KeptAnswers
from daemon.store.commands import AddKey, CreateTeam, GrantCredits, Granted, RevokeKey, SaveTeam
from daemon.store.reads import api_reads
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry


class Teams:
    """`ids` are those of the teams there are, kept in step with what is created here; `follow` waits until they have
    those that other nodes have created, too. `on_mail` is called when emails about credits were queued, `on_news` when
    operational webhooks are told: of a balance below `exhausted_below`, or below the team's own threshold.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        kept_answers: KeptAnswers,
        audit: Audit,
        ids: set[str],
        api_keys: ApiKeys,
        gate: Gate,
        exhausted_below: int | None,
        on_mail: Callable[[], None],
        on_news: Callable[[], None],
        follow: Callable[[], Awaitable[None]] = nothing_to_follow,
    ) -> None:
        self._reader = store.reader
        self._writer = store.writer
        self._now_ms = clock.now_ms
        self._new_id = clock.new_id
        self._log = telemetry.log
        self._kept = kept_answers.kept
        self._audited = audit.audited
        self._ids = ids
        self._api_keys = api_keys
        self._gate = gate
        self._exhausted_below = exhausted_below
        self._on_mail = on_mail
        self._on_news = on_news
        self._follow = follow

    async def create(
        self,
        team_id: str | None,
        name: str,
        emails: tuple[str, ...],
        *,
        max_webhooks: int | None = None,
        low_credits: int | None = None,
        time_zone: str = "UTC",
        once: Once[Team] | None = None,
        by: Actor = THE_DAEMON,
    ) -> Team:
        """Make a team, with an id of its own or a made one. Raises AlreadyExists."""
        team = Team(
            id=team_id or self._new_id("team"),
            name=name,
            notification_emails=emails,
            created_at=self._now_ms(),
            max_webhooks=max_webhooks,
            low_credits=low_credits,
            time_zone=time_zone,
        )
        audited = self._audited(CreateTeam(team), by, AuditAction.TEAM_CREATED, team_id=team.id, subject_id=team.id)
        create = self._kept(audited, once, lambda _: team)
        await self._writer.execute(create, lambda _: self._ids.add(team.id))
        self._log.info("team_created", teamId=team.id)
        return team

    async def make_operators_team(self, by: Actor = THE_DAEMON) -> None:
        """Make the operator's own team, whose operational webhooks are told of all teams, unless it is there."""
        if await self._is_there(OPERATORS_TEAM):
            return
        with suppress(AlreadyExists):  # another request was quicker
            await self.create(OPERATORS_TEAM, OPERATORS_TEAM_NAME, (), by=by)

    async def change(self, team_id: str, change: TeamEdit, by: Actor = THE_DAEMON) -> Team | None:
        """Change a team's name, notification addresses or limit of webhooks. Returns None if unknown."""
        save = SaveTeam(team_id, change)
        team = await self._writer.execute(
            self._audited(save, by, AuditAction.TEAM_CHANGED, team_id=team_id, subject_id=team_id)
        )
        if team is not None:
            self._log.info("team_changed", teamId=team.id)
        return team

    async def create_key(
        self,
        team_id: str,
        name: str,
        once: Once[tuple[ApiKey, str]] | None = None,
        *,
        role: KeyRole = KeyRole.ADMIN,
        by: Actor = THE_DAEMON,
    ) -> tuple[ApiKey, str] | None:
        """Make an API key; return it with its secret, which is nowhere to be seen again. None: no such team."""
        if not await self._is_there(team_id):
            return None
        secret = generate_key()
        key = ApiKey(self._new_id("key"), team_id, name=name, created_at=self._now_ms(), role=role)
        digest = digest_of(secret)
        audited = self._audited(
            AddKey(key, digest), by, AuditAction.KEY_CREATED, team_id=team_id, subject_id=key.id, name=name, role=role
        )
        add = self._kept(audited, once, lambda _: (key, secret))
        await self._writer.execute(add, lambda _: self._api_keys.add(digest, key))
        self._log.info("key_created", keyId=key.id, teamId=team_id)
        return key, secret

    async def revoke_key(self, key_id: str, by: Actor = THE_DAEMON) -> bool:
        """Revoke an API key; return whether there is one with this id."""
        key = await self._reader.fetch(api_reads.get_key, key_id)
        if key is None:
            return False
        revoke = self._audited(
            RevokeKey(key_id, self._now_ms()),
            by,
            AuditAction.KEY_REVOKED,
            team_id=key.team_id,
            subject_id=key_id,
            name=key.name,
        )
        if await self._writer.execute(revoke, lambda _: self._api_keys.remove(key_id)):
            self._log.info("key_revoked", keyId=key_id, teamId=key.team_id)
        return True

    async def grant_credits(
        self,
        team_id: str,
        amount: int,
        note: str | None,
        once: Once[CreditEntry] | None = None,
        *,
        by: Actor = THE_DAEMON,
    ) -> CreditEntry | None:
        """Add credits to a team, or take some back (below 0), and let go on what waits for them.

        Returns None if there is no such team. Raises BalanceOutOfRange.
        """
        if not await self._is_there(team_id):
            return None
        grant = GrantCredits(
            entry_id=self._new_id("crd"),
            team_id=team_id,
            amount=amount,
            note=note,
            now=self._now_ms(),
            exhausted_below=self._exhausted_below,
        )
        audited = self._audited(
            grant, by, AuditAction.CREDITS_GRANTED, team_id=team_id, subject_id=grant.entry_id, amount=amount, note=note
        )
        grant_once = self._kept(audited, once, lambda granted: granted.entry)
        granted = await self._writer.execute(grant_once, lambda granted: self._granted(granted, amount))
        self._log.info("credits_granted", teamId=team_id, amount=amount, balance=granted.entry.balance_after)
        for mail_id in granted.mails:
            self._log.info("mail_queued", mailId=mail_id, webhookId="", teamId=team_id)
        return granted.entry

    def _granted(self, granted: Granted, amount: int) -> None:
        self._gate.granted(granted.entry.team_id, amount)
        if granted.mails:
            self._on_mail()
        if granted.told:
            self._on_news()

    async def _is_there(self, team_id: str) -> bool:
        if team_id not in self._ids:
            await self._follow()
        return team_id in self._ids
