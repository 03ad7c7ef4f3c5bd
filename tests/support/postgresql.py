"""A PostgreSQL server for tests: their own, of Debian's programs, without a system service; and databases in it."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from daemon.store.postgresql.address import Address
from daemon.store.postgresql.database import open_database
from tests.support.programs import skip_without

_INSTALLED = Path("/usr/lib/postgresql")
SUPERUSER = "postgres"  # of a server, and who runs it: it refuses to run as root
# Nothing is to survive a crash of the test machine, and an idle server is to stay idle.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "60",
    "track_commit_timestamp": "on",
}


@dataclass(slots=True)
class PostgresqlServer:
    """A server that listens on a socket in `directory`, with its log there, and on a port of the loopback address."""

    directory: Path
    port: int
    _control: Callable[..., None] = field(repr=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def address(self, name: str) -> Address:
        """Return where a database is."""
        return Address(f"postgresql:///{name}?user={SUPERUSER}&host={self.directory}&port={self.port}")

    def tcp_address(self, name: str) -> Address:
        """Return the same, over TCP."""
        return Address(f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{name}")

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        options = f"{options} -c port={self.port} -k {self.directory}"
        self._control("--log", self.directory / "log", "--options", options, "start")

    def stop(self) -> None:
        """End it as a crash would: the next start recovers."""
        self._control("--mode", "immediate", "stop")

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have no server for this block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    def end_sessions(self, name: str) -> None:
        """End every session in a database, as an administrator may, and wait until they have."""
        self.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")

    def run(self, statement: str) -> None:
        """Run a statement outside of a transaction, as the superuser."""
        with self.address("postgres").connect({}, autocommit=True) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[Address]:
        """Make a database, a copy of `template`; it is dropped when the block ends."""
        name = self._make(template)
        yield self.address(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def make_database(self, template: str) -> Address:
        """Make a database, a copy of `template`, that lasts as long as the server."""
        return self.address(self._make(template))

    def _make(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def make_template(self) -> str:
        """Make a database with our tables; return its name."""
        self.run("CREATE DATABASE ours")
        open_database(self.address("ours")).close()
        return "ours"


@contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """Run a server for this block. The test is skipped where PostgreSQL is not installed."""
    programs = find_programs()
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-pg-"))
    reserved = reserve_port()
    try:
        as_user, data = as_server_user(directory), directory / "data"
        _call(*as_user, programs / "initdb", "--pgdata", data, "--auth", "trust", "--no-sync", "--username", SUPERUSER)
        control = partial(_call, *as_user, programs / "pg_ctl", "--pgdata", data, "--wait", "--silent")
        server = PostgresqlServer(directory, reserved.getsockname()[1], control)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        reserved.close()
        shutil.rmtree(directory, ignore_errors=True)


def reserve_port() -> socket.socket:
    """Return a socket that is bound but does not listen: nobody else gets its port, and a server may share it."""
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def is_installed() -> bool:
    """Whether this machine has PostgreSQL's programs."""
    return bool(_versions())


def find_programs() -> Path:
    """Return the directory of the newest version's programs. The test is skipped where PostgreSQL is not installed."""
    if not (versions := _versions()):
        skip_without("postgresql", "PostgreSQL is not on this machine")
    return versions[-1].parent


def _versions() -> list[Path]:
    return sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))


def as_server_user(directory: Path) -> Sequence[str]:
    """Return the words before a command that run it as a user who may run a server; `directory` becomes theirs."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam(SUPERUSER)
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _call(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
