"""A PostgreSQL server for tests: their own, of Debian's programs, without a system service; and databases in it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
from sqlalchemy import URL

from daemon.store.postgresql.database import open_database
from tests.support.programs import skip_without

_INSTALLED = Path("/usr/lib/postgresql")
SUPERUSER = "postgres"  # of a server, and who runs it: it refuses to run as root
# Nothing is to survive a crash of the test machine, and an idle server is to stay idle.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "listen_addresses": "",
    "max_connections": "60",
}


@dataclass(slots=True)
class PostgresqlServer:
    """A server that listens on a socket in `directory`."""

    directory: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str) -> URL:
        """Return the address of a database."""
        query = {"host": str(self.directory)}
        return URL.create("postgresql+psycopg", username=SUPERUSER, database=name, query=query)

    def run(self, statement: str) -> None:
        """Run a statement outside of a transaction, as the superuser."""
        with psycopg.connect(
            host=str(self.directory), user=SUPERUSER, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(statement.encode())

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[URL]:
        """Make a database, a copy of `template`; it is dropped when the block ends."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def make_template(self) -> str:
        """Make a database with our tables; return its name."""
        self.run("CREATE DATABASE ours")
        open_database(self.url("ours")).close()
        return "ours"


@contextmanager
def running_server() -> Iterator[PostgresqlServer]:
    """Run a server for this block. The test is skipped where PostgreSQL is not installed."""
    programs = find_programs()
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-pg-"))
    try:
        as_user, data = as_server_user(directory), directory / "data"
        _call(*as_user, programs / "initdb", "--pgdata", data, "--auth", "trust", "--no-sync", "--username", SUPERUSER)
        control = partial(_call, *as_user, programs / "pg_ctl", "--pgdata", data, "--wait", "--silent")
        options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        control("--log", directory / "log", "--options", f"{options} -k {directory}", "start")
        try:
            yield PostgresqlServer(directory)
        finally:
            control("--mode", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


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
