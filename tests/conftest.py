"""Where tests write, in which order they run, and loudly, at the end, what could not be tested on this machine."""

import fcntl
import gc
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.support.programs import is_here
from tests.systemd.machine import missing

_MACHINES = "KAKIYO_TESTS_MACHINES"
_LOCKS = "KAKIYO_TESTS_LOCKS"
_TMPFS = Path("/dev/shm")
_ROOM_BYTES = 2 << 30
_BOOTS = Path(__file__).parent / "systemd"


def pytest_configure(config: pytest.Config) -> None:
    # The workers are started after this, and write where it says.
    if hasattr(config, "workerinput"):
        return
    if _has_room(_TMPFS):  # thousands of databases, each flushed again and again: a disk would take its time
        os.environ["TMPDIR"], tempfile.tempdir = str(_TMPFS), None
    os.environ[_LOCKS] = tempfile.mkdtemp(prefix="kakiyo-locks-")
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
    for variable in (_LOCKS, _MACHINES):
        if variable in os.environ:
            shutil.rmtree(os.environ.pop(variable), ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Boots wait more than they work, and need one installation: all on the first worker, while the others do the rest.
    # Those that run alone come last, when few others are left to wait for.
    items.sort(key=lambda item: (_is_alone(item), not item.path.is_relative_to(_BOOTS)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    # Around the timeout, too: to wait for the others is not the test's time.
    with _turn(alone=_is_alone(item)):
        return (yield)


def _is_alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@contextmanager
def _turn(*, alone: bool) -> Iterator[None]:
    """Run beside the other workers' tests or, alone, when theirs have ended and before the next ones begin."""
    with ExitStack() as whole_test:
        running = whole_test.enter_context(_lock_file("running"))
        with ExitStack() as until_it_runs:
            # Whoever waits to be alone holds this one, so that nobody overtakes.
            fcntl.flock(until_it_runs.enter_context(_lock_file("next")), fcntl.LOCK_EX)
            fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextmanager
def _lock_file(name: str) -> Iterator[int]:
    descriptor = os.open(Path(os.environ[_LOCKS]) / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # to close it is not enough when a test has forked
        os.close(descriptor)


def pytest_collection_finish() -> None:
    # What is there by now stays to the end: to look through it for garbage again and again is a tenth of all work.
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not is_here("chromium"):
        _warn(terminalreporter, "The console was NOT tested in a browser: chromium is not on this machine")
    if (reason := missing()) is not None:
        _warn(terminalreporter, f"The service was NOT tested under systemd: {reason}")


def _warn(reporter: pytest.TerminalReporter, loss: str) -> None:
    reporter.section(loss, sep="!", red=True, bold=True)
