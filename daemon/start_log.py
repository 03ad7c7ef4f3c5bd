"""What a start logs: version, new keys, missing commits, and addresses that others can reach."""

from collections.abc import Sequence

from structlog.typing import FilteringBoundLogger

from daemon import __version__
from daemon.config.settings import PUBLIC_WITHOUT_TLS, Settings
from daemon.crypto.encryption_keys import KeyFile
from daemon.domain.bind_address import TcpAddress, UnixAddress, is_public
from daemon.maintenance.state_dir import OPERATOR_KEY
from daemon.store.sqlite.commit_record import History

Addresses = Sequence[TcpAddress | UnixAddress]


def log_start(settings: Settings, operator_key_is_new: bool, encryption: KeyFile, log: FilteringBoundLogger) -> None:
    """Log the start, dev mode, and keys that were created."""
    log.info("daemon_started", version=__version__, stateDir=str(settings.state_dir))
    if settings.dev:
        log.warning("dev_mode", reason="http, loopback and private receivers are allowed: never use it in production")
    if operator_key_is_new:
        log.info("operator_key_created", path=str(settings.state_dir / OPERATOR_KEY))
    if encryption.is_new:
        log.info("encryption_key_created", path=str(encryption.path))


def log_history(history: History, log: FilteringBoundLogger) -> None:
    """Log which acknowledged commits are missing, or why that is unknown."""
    if (loss := history.loss) is not None:
        log.error("commits_lost", count=loss.commits, events=loss.events, path=loss.damaged_log)
    if history.unknown is not None:
        log.warning("commit_check_skipped", reason=history.unknown)


def log_exposure(settings: Settings, addresses: Addresses, log: FilteringBoundLogger) -> None:
    """Warn if the API listens on a public address without TLS."""
    if any(map(is_public, addresses)) and not settings.has_tls_before_it:
        log.warning("public_without_tls", bind=join_addresses(addresses), reason=PUBLIC_WITHOUT_TLS)


def join_addresses(addresses: Addresses) -> str:
    """Return the addresses as one text."""
    return ", ".join(map(str, addresses))
