"""All checks, one after the other; a mistake in one ends that one only."""

import resource
from collections.abc import Callable, Iterator

from daemon.config.settings import ConfigError, Settings
from daemon.config.store_password import store_password
from daemon.doctor.clock import check_clock, check_time_service
from daemon.doctor.database import stored_in_file
from daemon.doctor.files import check_disk, check_keys, check_state_dir
from daemon.doctor.finding import Finding, failed, ok, warning
from daemon.doctor.network import check_api, check_dns, check_listener, check_mail, check_proxy
from daemon.doctor.stored import Stored, unreadable
from daemon.domain.clock import wall_clock_ms
from daemon.files.acting_user import acting_as_owner_of
from daemon.maintenance.opened_store import check_store_settings
from daemon.store.engine import DatabaseRefused

_FEW_DESCRIPTORS = 4_096
_WHO_MAY_LOOK = "Run this as root, or as the user that the daemon runs as."
_LOCAL = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def examine(settings: Settings, ask_ready: Callable[[], str], *, full: bool = False) -> Iterator[Finding]:
    """Yield what each check finds, in `full` also what takes long.

    `ask_ready` asks the API whether it is ready and returns its address, or raises with the reason.
    """
    stored = _stored(settings, full=full)
    checks: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        ("settings", lambda: _check_settings(settings)),
        ("state directory", lambda: _as_its_owner(settings, check_state_dir(settings))),
        ("keys", lambda: _as_its_owner(settings, check_keys(settings, stored))),
        ("disk space", lambda: _as_its_owner(settings, check_disk(settings))),
        ("database", lambda: _as_its_owner(settings, stored.examine())),
        ("clock", lambda: _as_its_owner(settings, check_clock(stored.newest_time(), wall_clock_ms))),
        ("time service", check_time_service),
        ("descriptors", _check_descriptors),
        ("DNS", lambda: check_dns(settings, stored.newest_urls())),
        ("proxy", lambda: check_proxy(settings)),
        ("mail", lambda: check_mail(settings)),
        ("listener", lambda: check_listener(settings)),
        ("API", lambda: check_api(settings, ask_ready)),
    )
    for name, check in checks:
        yield from _guarded(name, check)


def _stored(settings: Settings, *, full: bool) -> Stored:
    """Return the database, on its server if there is one; only then is that server's driver imported."""
    if not settings.store.url:
        return stored_in_file(settings, full=full)
    try:
        check_store_settings(settings)
        from daemon.doctor.server import stored_on_server

        return stored_on_server(settings, settings.store.url, store_password(settings), full=full)
    except (ConfigError, DatabaseRefused) as refusal:
        return unreadable(failed("database", str(refusal), "The daemon does not start like this."))


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except PermissionError as error:
        yield failed(name, f"{error.filename}: this user has no access ({error.strerror})", _WHO_MAY_LOOK)
    except OSError as error:
        finding = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        yield failed(name, f"it could not be looked at ({finding})", "Correct that, or name another place.")
    except Exception as error:
        yield failed(name, f"it could not be checked ({error!r})", "Report this as a bug, with these words.")


def _as_its_owner(settings: Settings, findings: Iterator[Finding]) -> Iterator[Finding]:
    """Look into the state directory with its owner's rights, which end before each finding is handed on."""
    while True:
        with acting_as_owner_of(settings.state_dir):
            finding = next(findings, None)
        if finding is None:
            return
        yield finding


def _check_settings(settings: Settings) -> Iterator[Finding]:
    yield ok("settings", "they are right")
    if settings.dev:
        advice = "Take dev out of the configuration in production."
        yield warning("dev mode", "receivers may be private and without TLS", advice)
    if settings.public_url.startswith(_LOCAL) and not settings.dev:
        advice = "Set public_url to the address that people use: emails contain it."
        yield warning("public_url", f"{settings.public_url} leads nowhere but on this machine", advice)


def _check_descriptors() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < _FEW_DESCRIPTORS:
        advice = "Each delivery in flight needs one: raise the limit (LimitNOFILE= in the unit has 65536)."
        yield warning("descriptors", f"a process may open {hard:,} files only, here", advice)
    else:
        yield ok("descriptors", "a process may open enough files, here")
