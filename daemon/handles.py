"""What the HTTP edge is given: the handles of the daemon, and nothing else of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from structlog.typing import FilteringBoundLogger

from daemon.catalogue import Catalogue
from daemon.clock import NowMs
from daemon.config import Settings
from daemon.keyring import KeyRing
from daemon.metrics import Metrics
from daemon.registry import Registry
from daemon.router import Router
from daemon.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Handles:
    """The daemon, as the API sees it. `check_url` raises UrlNotAllowed; `is_ready` is False at start and stop."""

    settings: Settings
    catalogue: Catalogue
    router: Router
    registry: Registry
    reader: Reader
    keyring: KeyRing
    check_url: Callable[[str], Awaitable[None]]
    is_ready: Callable[[], bool]
    now_ms: NowMs
    log: FilteringBoundLogger
    metrics: Metrics
