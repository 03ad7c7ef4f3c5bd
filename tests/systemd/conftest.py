"""A machine on which `make install` was run, for all tests and workers; what changes it boots a copy of its own."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.programs import skip_without
from tests.systemd.guest import Guest
from tests.systemd.machine import Machine, booted, missing

HERE, REPOSITORY = Path(__file__).parent, Path(__file__).parents[2]
SOCKET = "/run/kakiyo-webhooks.sock"
CONFIG = "/etc/kakiyo-webhooks/config.toml"
LOCAL_RECEIVERS = '[egress]\nallow_http = true\nallow_networks = ["127.0.0.0/8"]\n'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have the limit of time be for the tests themselves: the first one installs, for minutes on a busy machine.

    What is done on a machine has limits of its own (`Machine.run`).
    """
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(120, func_only=True))


@pytest.fixture(scope="session")
def machines() -> Path:
    """The directory of all machines of this run, on a tmpfs."""
    if (reason := missing()) is not None:
        skip_without("systemd", f"the service cannot be tested under systemd: {reason}")
    return Path(os.environ["KAKIYO_TESTS_MACHINES"])


@pytest.fixture(scope="session")
def installed(machines: Path) -> Path:
    """The layer that `make install` leaves behind. The first worker makes it, the others wait for it."""
    layer = machines / "installed"
    with (machines / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not layer.exists():
            with booted(machines / "installing", own_network=False) as machine, on_unix_socket(machine):
                said = machine.run("make", "-C", str(REPOSITORY), "install", check=False)
                assert "Kakiyo Webhooks runs" in said, said + machine.run("journalctl", "--no-pager", "--lines=50")
                machine.run("systemctl", "stop", "kakiyo-webhooks.service", "kakiyo-webhooks.socket")
                machine.run("rm", "-r", "/var/lib/private/kakiyo-webhooks", "/var/lib/kakiyo-webhooks")
                machine.run("rm", "-rf", "/var/log/journal")
                machine.run("install", "-m", "644", str(REPOSITORY / "systemd/config.example.toml"), CONFIG)
            (machines / "installing/upper").rename(layer)
    return layer


@contextmanager
def on_unix_socket(machine: Machine) -> Iterator[None]:
    """Have the service listen on a unix socket: a machine that shares our network must not take our ports."""
    drop_in = "/etc/systemd/system/kakiyo-webhooks.socket.d/unix.conf"
    machine.write(drop_in, f"[Socket]\nListenStream=\nListenStream={SOCKET}\n")
    machine.write(CONFIG, f'[api]\nbind = "unix:{SOCKET}"\n')
    yield
    machine.run("rm", drop_in)


@pytest.fixture(scope="session")
def machine(machines: Path, installed: Path, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """A machine on which the service has been installed, and has started with the machine.

    It is one for all tests that leave the service as they found it: it runs, and nothing is overridden.
    """
    with _machine(machines / f"{os.getpid()}-lasting", installed, request, {}) as machine:
        yield machine


@pytest.fixture
def guest(machines: Path, installed: Path, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A program that submits events and receives them, on a machine of its own."""
    base = machines / f"{os.getpid()}-{request.node.name[:40]}"
    with _machine(base, installed, request, {CONFIG: LOCAL_RECEIVERS}) as machine, Guest(machine) as guest:
        yield guest


@contextmanager
def _machine(
    base: Path, installed: Path, request: pytest.FixtureRequest, files: Mapping[str, str]
) -> Iterator[Machine]:
    try:
        with booted(base, [installed], files=files) as machine:
            yield machine
            if request.session.testsfailed:
                print(machine.run("journalctl", "--no-pager", "--lines=100", check=False))
    finally:
        shutil.rmtree(base)
