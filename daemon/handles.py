"""What the HTTP edge is given: the handles of the daemon, by who reads them, and nothing else of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from structlog.typing import FilteringBoundLogger

from daemon.config.settings import ApiSettings, Settings
from daemon.crypto.api_keys import ApiKeys
from daemon.delivery.event_filters import FilterFailures
from daemon.delivery.router import Router
from daemon.delivery.sent_request import SentRequest
from daemon.domain.clock import NowMs
from daemon.domain.event_types import Catalogue
from daemon.domain.model import Attempt, Delivery, Event, Webhook
from daemon.domain.operational_types import OPERATIONAL_CATALOGUE
from daemon.domain.operations import About
from daemon.maintenance.last_hour import Minute
from daemon.management.addresses import Addresses
from daemon.management.bulk_jobs import BulkJobs
from daemon.management.erasing import Erasing
from daemon.management.event_types import EventTypes
from daemon.management.kept_answers import KeptAnswers
from daemon.management.listeners import LiveListeners
from daemon.management.nodes import Nodes
from daemon.management.portal_links import PortalLinks
from daemon.management.replays import Replays
from daemon.management.sign_outs import SignOuts
from daemon.management.teams import Teams
from daemon.management.webhooks import Webhooks
from daemon.store.reads.reader import Reader
from daemon.telemetry.change_feed import ChangeFeed
from daemon.telemetry.metrics import Metrics

# Checks the URL that a team, by its id, wants for a webhook.
CheckUrl = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthHandles:
    """For `/readyz` and `/metrics`.

    `not_ready()` says why no events are accepted, None if they are; `store_failure()` why the last write failed, None
    if it did not. `check_store` makes a round trip through the store, and writes if the last write failed; it raises
    StoreUnavailable. `refresh_metrics` is called before they are read.
    """

    not_ready: Callable[[], str | None]
    store_failure: Callable[[], str | None]
    check_store: Callable[[], Awaitable[object]]
    refresh_metrics: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemHandles:
    """For the System page: what runs and what waits, now and in the last hour.

    `started_at` is Trio's time of the start (s); `minutes()` are those of the last hour, the oldest first.
    """

    started_at: float
    actors_alive: Callable[[], int]
    parked_webhooks: Callable[[], Sequence[str]]
    waiting_events: Callable[[], int]
    minutes: Callable[[], Sequence[Minute]]


class ReadSentRequest(Protocol):
    """Tells what an attempt has sent (`daemon.delivery.sent_request`)."""

    def __call__(self, webhook: Webhook, delivery: Delivery, *, event: Event, attempt: Attempt) -> SentRequest:
        """Return it, made once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleHandles:
    """For the console: its sessions, signed with `session_key`, and its live pages.

    `shown_once_key` seals the secrets that a browser carries to the page that shows them.
    """

    session_key: bytes = field(repr=False)
    shown_once_key: bytes = field(repr=False)
    sign_outs: SignOuts
    changes: ChangeFeed


@dataclass(frozen=True, slots=True, kw_only=True)
class Handles:
    """The daemon, as the API sees it.

    `api_settings()` are those in effect now. `check_url(url, team_id)` and `check_proxy` raise UrlNotAllowed.
    `is_parked(webhook_id)` says whether a webhook rests because its actor kept crashing. `filter_failures(webhook_id,
    filter)` tells how its filter failed here. `cursor_key` seals the cursors
    of lists. `follow` waits until memory has what other nodes have changed, None without others; it raises
    StoreUnavailable.
    """

    settings: Settings
    api_settings: Callable[[], ApiSettings]
    event_types: EventTypes
    router: Router
    teams: Teams
    webhooks: Webhooks
    replays: Replays
    bulk_jobs: BulkJobs
    erasing: Erasing
    portal_links: PortalLinks
    live_listeners: LiveListeners
    addresses: Addresses
    nodes: Nodes
    kept_answers: KeptAnswers
    reader: Reader
    api_keys: ApiKeys
    note_key_use: Callable[[str], None]
    check_url: CheckUrl
    check_proxy: CheckUrl
    is_parked: Callable[[str], bool]
    filter_failures: Callable[[str, str | None], FilterFailures | None]
    now_ms: NowMs
    log: FilteringBoundLogger
    metrics: Metrics
    cursor_key: bytes = field(repr=False)
    follow: Callable[[], Awaitable[None]] | None
    health: HealthHandles
    system: SystemHandles
    console: ConsoleHandles
    sent_request: ReadSentRequest

    @property
    def catalogue(self) -> Catalogue:
        """The event types of the product that there are now."""
        return self.event_types.known.every

    @property
    def every_type(self) -> Catalogue:
        """The event types of the product, and the operational ones."""
        return {**self.catalogue, **OPERATIONAL_CATALOGUE}

    def types_about(self, about: About) -> Catalogue:
        """Return the event types that a webhook of this kind may subscribe to."""
        return OPERATIONAL_CATALOGUE if about is About.OPERATIONS else self.catalogue
