"""A PostgreSQL server that keeps what it acknowledged: fsync on, TCP on loopback; and a synchronous standby of it."""

import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psycopg
import trio

from tests.cluster.chaos.waiting import run_to_end, until
from tests.support.postgresql import SUPERUSER, as_server_user, find_programs, reserve_port

HOST = "127.0.0.1"
DATABASE = "kakiyo"
_SETTINGS = {
    "fsync": "on",
    "listen_addresses": HOST,
    "max_connections": "300",  # a connection that the proxy cuts stays: its kernel answers for it
    "shared_buffers": "64MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "wal_keep_size": "64MB",  # a standby that was away for a moment catches up
    "wal_retrieve_retry_interval": "200ms",
    "track_commit_timestamp": "on",  # the checker's only clock
}
_START_S = 30

StopMode = Literal["smart", "fast", "immediate"]


@dataclass(slots=True)
class Server:
    """A server in a directory of its own, on a port of its own, both of which outlive its restarts."""

    directory: Path
    programs: Path
    as_user: Sequence[str]
    reserved: socket.socket = field(repr=False)

    @property
    def port(self) -> int:
        port: int = self.reserved.getsockname()[1]
        return port

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def url(self, port: int | None = None) -> str:
        """Return the database's address, for a daemon; through something else that listens on `port`."""
        return f"postgresql://{SUPERUSER}@{HOST}:{port or self.port}/{DATABASE}"

    def connect(self, database: str = DATABASE) -> psycopg.Connection[tuple[object, ...]]:
        """Connect to it directly, as the superuser. Blocks."""
        return psycopg.connect(
            host=HOST, port=self.port, user=SUPERUSER, dbname=database, autocommit=True, connect_timeout=5,
            application_name="checker",
        )  # fmt: skip

    async def query(self, statement: str, database: str = DATABASE) -> list[tuple[object, ...]]:
        """Run a statement on a connection of its own, outside of a transaction; return its rows."""
        return await trio.to_thread.run_sync(self._query, statement, database)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        options = " ".join(f"-c {name}='{value}'" for name, value in _SETTINGS.items())
        await self.control("--log", self.directory / "log", "--options", f"{options} {self._place}", "start")

    async def stop(self, mode: StopMode) -> None:
        """Stop it; `immediate` is a crash: the next start recovers what was acknowledged."""
        await self.control("--mode", mode, "stop")

    async def promote(self) -> None:
        """Make a standby the primary."""
        await self.control("promote")

    async def control(self, *arguments: str | Path) -> None:
        """Run pg_ctl on it."""
        await self.run("pg_ctl", "--pgdata", self.data, "--wait", "--timeout", str(_START_S), "--silent", *arguments)

    async def run(self, name: str, *arguments: str | Path) -> None:
        """Run a program of PostgreSQL as the server's user."""
        await run_to_end(*self.as_user, self.programs / name, *arguments)

    @property
    def _place(self) -> str:
        return f"-c port={self.port} -k {self.directory}"

    def _query(self, statement: str, database: str) -> list[tuple[object, ...]]:
        with self.connect(database) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@asynccontextmanager
async def open_server() -> AsyncIterator[Server]:
    """Run a server with an empty database for this block. Skips the test where PostgreSQL is not installed."""
    with _place() as server:
        await server.run(
            "initdb", "--pgdata", server.data, "--auth", "trust", "--no-sync", "--username", SUPERUSER,
            "--encoding", "UTF8", "--locale", "C",
        )  # fmt: skip
        async with _running(server):
            await server.query(f"CREATE DATABASE {DATABASE}", "postgres")
            yield server


@asynccontextmanager
async def open_standby(primary: Server) -> AsyncIterator[Server]:
    """Run a standby for this block, for which every commit of the primary waits.

    If it was promoted in the meantime, its commits wait for none.
    """
    with _place() as standby:
        await standby.run(
            "pg_basebackup", "--pgdata", standby.data, "--checkpoint", "fast", "--write-recovery-conf", "--no-sync",
            "--host", HOST, "--port", str(primary.port), "--username", SUPERUSER,
        )  # fmt: skip
        async with _running(standby):
            await _wait_for_standby(primary)
            yield standby


async def is_primary(server: Server) -> bool:
    """Whether it takes writes."""
    return (await server.query("SELECT pg_is_in_recovery()", "postgres")) == [(False,)]


async def _wait_for_standby(primary: Server) -> None:
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'", "postgres")
    await primary.query("SELECT pg_reload_conf()", "postgres")

    async def is_synchronous() -> bool:
        found = await primary.query("SELECT sync_state FROM pg_stat_replication", "postgres")
        return found == [("sync",)]

    await until(is_synchronous, within_s=_START_S)


@contextmanager
def _place() -> Iterator[Server]:
    programs = find_programs()
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-cluster-"))
    reserved = reserve_port()
    try:
        yield Server(directory, programs, as_server_user(directory), reserved)
    finally:
        reserved.close()
        shutil.rmtree(directory, ignore_errors=True)


@asynccontextmanager
async def _running(server: Server) -> AsyncIterator[None]:
    await server.start()
    try:
        yield
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _START_S):
            if (server.data / "postmaster.pid").exists():
                await server.stop("immediate")
