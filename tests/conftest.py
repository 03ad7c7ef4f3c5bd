"""Where tests write, in which order they run, and loudly, at the end, what could not be tested on this machine."""

import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import is_chromium_here
from tests.support.engines import ENGINES, on_postgresql
from tests.support.postgresql import PostgresqlServer, is_installed, running_server
from tests.support.reused_databases import ReusedDatabases
from tests.support.ways import WAYS, going
from tests.systemd.machine import missing

_MACHINES = "KAKIYO_TESTS_MACHINES"
_TMPFS = Path("/dev/shm")
_ROOM_BYTES = 2 << 30
_BOOTS = Path(__file__).parent / "systemd"


def pytest_configure(config: pytest.Config) -> None:
    # A shell has its background jobs ignore Ctrl-C, and so would every process that a test starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()  # until all is collected: what is imported stays, and to look through it is a fifth of the work
    # The workers are started after this, and write where it says.
    if hasattr(config, "workerinput"):
        return
    if _has_room(_TMPFS):  # thousands of databases, each flushed again and again: a disk would take its time
        os.environ["TMPDIR"], tempfile.tempdir = str(_TMPFS), None
    if missing() is None:
        os.environ[_MACHINES] = tempfile.mkdtemp(prefix="kakiyo-", dir=_TMPFS)


def _has_room(path: Path) -> bool:
    if not os.access(path, os.W_OK):
        return False
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize > _ROOM_BYTES and not found.f_flag & os.ST_NOEXEC


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    if _MACHINES in os.environ:
        shutil.rmtree(os.environ.pop(_MACHINES), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Boots wait more than they work, and need one installation: all on the first worker, while the others do the rest.
    items.sort(key=lambda item: not item.path.is_relative_to(_BOOTS))


def pytest_collection_finish() -> None:
    # What is there by now stays to the end: to look through it for garbage again and again is a tenth of all work.
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not is_chromium_here():
        _warn(terminalreporter, "The console was NOT tested in a browser: chromium is not on this machine")
    if not is_installed():
        _warn(terminalreporter, "The store was NOT tested on PostgreSQL: it is not on this machine")
    if (reason := missing()) is not None:
        _warn(terminalreporter, f"The service was NOT tested under systemd: {reason}")


def _warn(reporter: pytest.TerminalReporter, loss: str) -> None:
    reporter.section(loss, sep="!", red=True, bold=True)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """The way that the requests of a test go: it runs with each."""
    with going(request.param):
        yield request.param


@pytest.fixture(scope="session")
def postgresql() -> Iterator[tuple[PostgresqlServer, str]]:
    """A server, and the name of a database in it with our tables."""
    with running_server() as server:
        yield server, server.make_template()


@pytest.fixture(scope="session")
def reused_databases(postgresql: tuple[PostgresqlServer, str]) -> Iterator[ReusedDatabases]:
    """Databases with our tables, on that server."""
    reused = ReusedDatabases(*postgresql)
    yield reused
    reused.close()


@pytest.fixture(params=ENGINES)
def each_engine(request: pytest.FixtureRequest) -> Iterator[None]:
    """The daemons of a test keep their data on this engine: it runs with each."""
    if request.param == "sqlite":
        yield
        return
    with on_postgresql(request.getfixturevalue("reused_databases")):
        yield
