"""Builds what people change the daemon's data through; `daemon.wiring` connects it with the other parts."""

import math
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from daemon.cluster.live_answers import ClusterAnswers
from daemon.config.reload import LiveSettings
from daemon.crypto.api_keys import ApiKeys
from daemon.crypto.vault import Vault
from daemon.delivery.credit_gate import Gate
from daemon.delivery.event_filters import EventFilters
from daemon.delivery.fan_out import FanOuts
from daemon.delivery.owners import Owners
from daemon.delivery.subscription_index import SubscriptionIndex
from daemon.domain.clock import Clock
from daemon.domain.event_types import EventType, Source, build_catalogue
from daemon.domain.live_answers import LiveAnswer
from daemon.live.registry import Listeners
from daemon.mail.notifier import Notifier
from daemon.management.addresses import Addresses
from daemon.management.audit import Audit
from daemon.management.bulk_jobs import BulkJobs
from daemon.management.erasing import Erasing
from daemon.management.event_types import EventTypes
from daemon.management.kept_answers import KeptAnswers
from daemon.management.listeners import LiveListeners
from daemon.management.mail_links import MailLinks
from daemon.management.portal_links import PortalLinks
from daemon.management.replays import Replays
from daemon.management.teams import Teams
from daemon.management.webhook_changer import WebhookChanger
from daemon.management.webhooks import Webhooks
from daemon.operations.submitter import Submitter
from daemon.schemas.validator import Validator
from daemon.store.store import Store
from daemon.telemetry.telemetry import Telemetry

# Between nodes, a live webhook may be left over without anybody being told.
_LOOK_EVERY_S = 60


class ManagementBuilder:
    """Builds each part from what all of them share and, by keyword, from other parts."""

    def __init__(self, live: LiveSettings, *, store: Store, clock: Clock, telemetry: Telemetry, vault: Vault) -> None:
        self._live = live
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._vault = vault
        self._audit = Audit(clock)
        self.kept_answers = KeptAnswers(store=store, clock=clock, vault=vault)

    def teams(
        self,
        *,
        ids: set[str],
        api_keys: ApiKeys,
        gate: Gate,
        notifier: Notifier,
        submitter: Submitter,
        follow: Callable[[], Awaitable[None]],
    ) -> Teams:
        """Return what changes teams, their keys and their credits."""
        return Teams(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            audit=self._audit,
            ids=ids,
            api_keys=api_keys,
            gate=gate,
            exhausted_below=self._live.now.credits.exhausted_below,
            on_mail=notifier.wake,
            on_news=submitter.wake,
            follow=follow,
        )

    def webhooks(self, *, changer: WebhookChanger, index: SubscriptionIndex) -> Webhooks:
        """Return what changes webhooks."""
        return Webhooks(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            audit=self._audit,
            vault=self._vault,
            changer=changer,
            index=index,
            webhooks_per_team=lambda: self._live.now.api.webhooks_per_team,
        )

    def replays(self, *, owners: Owners, fan_outs: FanOuts, filters: EventFilters) -> Replays:
        """Return what resends deliveries and recovers webhooks."""
        return Replays(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            audit=self._audit,
            owners=owners,
            fan_outs=fan_outs,
            filters=filters,
        )

    def bulk_jobs(self, *, wake: Callable[[], None]) -> BulkJobs:
        """Return what adds bulk jobs, and ends them."""
        return BulkJobs(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            audit=self._audit,
            wake=wake,
        )

    def erasing(self, *, wake: Callable[[], None]) -> Erasing:
        """Return what erases events."""
        return Erasing(store=self._store, clock=self._clock, telemetry=self._telemetry, audit=self._audit, wake=wake)

    def mail_links(self, portal_links: PortalLinks) -> MailLinks:
        """Return what gives mails their links."""
        return MailLinks(
            self._vault.derive("links of mails"),
            self._clock.now_ms,
            links=portal_links,
            days=self._live.now.console.mail_link_days,
        )

    def addresses(self, *, mail_links: MailLinks, notifier: Notifier) -> Addresses:
        """Return what asks, confirms and removes notification addresses."""
        return Addresses(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            audit=self._audit,
            token_of=mail_links.confirmation_token,
            on_mail=notifier.wake,
        )

    def event_types(self, added: Sequence[EventType], validator: Validator) -> EventTypes:
        """Return what changes the event types of the API; `added` are those that there are."""
        fixed = build_catalogue(
            EventType(one.name, one.description, category=one.category, example=one.example, source=Source.SETTINGS)
            for one in self._live.now.event_types
        )
        return EventTypes(
            fixed,
            added,
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            validator=validator,
        )

    def portal_links(self) -> PortalLinks:
        """Return what signs customers in."""
        return PortalLinks(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            kept_answers=self.kept_answers,
            audit=self._audit,
        )

    def live_listeners(
        self,
        *,
        webhooks: Webhooks,
        listeners: Listeners,
        owns: Callable[[str], bool],
        answers: ClusterAnswers | None,
    ) -> LiveListeners:
        """Return what begins and ends live listeners; `answers` passes on answers to other nodes, if there are any."""
        return LiveListeners(
            store=self._store,
            clock=self._clock,
            telemetry=self._telemetry,
            webhooks=webhooks,
            listeners=listeners,
            owns=owns,
            answer=partial(_answer_here, listeners) if answers is None else answers.pass_on,
            look_every_s=math.inf if answers is None else _LOOK_EVERY_S,
        )


async def _answer_here(listeners: Listeners, webhook_id: str, answer: LiveAnswer) -> None:
    listeners.answer(webhook_id, answer)
