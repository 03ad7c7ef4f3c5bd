"""What the HTTP edge is given: the handles of the daemon, and nothing else of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from daemon.config.settings import ApiSettings, Settings
from daemon.crypto.api_keys import ApiKeys
from daemon.delivery.change_feed import ChangeFeed
from daemon.delivery.fleet import Fleet
from daemon.delivery.router import Router
from daemon.delivery.sent_request import SentRequest
from daemon.domain.clock import NowMs
from daemon.domain.event_types import Catalogue
from daemon.domain.model import Attempt, Delivery, Event, Webhook
from daemon.management.registry import Registry
from daemon.management.sign_outs import SignOuts
from daemon.store.reader import Reader
from daemon.telemetry.metrics import Metrics

# Checks the URL that a team, by its id, wants for a webhook.
CheckUrl = Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Handles:
    """The daemon, as the API sees it.

    `check_url(url, team_id)` raises UrlNotAllowed. `not_ready()` says why no events are accepted, None if they are;
    `store_failure()` why the last write failed, None if it did not. `ask_store` makes a round trip through the store,
    and writes if the last write failed; it raises StoreUnavailable. `refresh_metrics` is called before they are read.

    `api_settings()` are those in effect now. `started_at` is Trio's time of the start (s); `session_key` signs the
    console's sessions, `cursor_key` seals the cursors of lists.
    """

    settings: Settings
    api_settings: Callable[[], ApiSettings]
    catalogue: Catalogue
    router: Router
    registry: Registry
    reader: Reader
    api_keys: ApiKeys
    check_url: CheckUrl
    not_ready: Callable[[], str | None]
    store_failure: Callable[[], str | None]
    ask_store: Callable[[], Awaitable[object]]
    now_ms: NowMs
    log: FilteringBoundLogger
    metrics: Metrics
    refresh_metrics: Callable[[], Awaitable[None]]
    fleet: Fleet
    changes: ChangeFeed
    session_key: bytes = field(repr=False)
    cursor_key: bytes = field(repr=False)
    sign_outs: SignOuts
    sent_request: Callable[[Webhook, Delivery, Event, Attempt], SentRequest]
    started_at: float
