"""SIGTERM and SIGINT before the daemon can take requests, and a second Ctrl-C (contract "Command line")."""

import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio
from sqlalchemy import create_engine

from daemon.maintenance.state_dir import DATABASE
from daemon.store.migrate import migrate
from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, operated
from tests.e2e.test_stopping import backlog
from tests.support.process import REPOSITORY, Installation, clean_environment
from tests.support.receivers import open_receiver

# Runs as the interpreter starts: it says so, and then holds the import of a module until it is told to go on.
HOLD_AN_IMPORT = """
import os, sys
class Hold:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["HOLD"]:
            os.write(1, b"held\\n")
            while True:
                try:
                    os.read(0, 1)
                    break
                except InterruptedError:
                    pass
sys.meta_path.insert(0, Hold())
"""


MIGRATING = "alembic.command"


@dataclass(frozen=True)
class Starting:
    process: trio.Process
    installation: Installation

    async def ends_cleanly(self) -> None:
        assert self.process.stderr is not None
        said = b"".join([part async for part in self.process.stderr])
        assert await self.process.wait() == 0, said
        assert b"Traceback" not in said
        if (lock := self.installation.state_dir / "lock").exists():
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def make_first_database(installation: Installation) -> None:
    installation.state_dir.mkdir(mode=0o700)
    engine = create_engine(f"sqlite:///{installation.state_dir / DATABASE}")
    with engine.begin() as connection:
        migrate(connection, "0001")
    engine.dispose()


@asynccontextmanager
async def starting(installation: Installation, held: str, *prefix: str) -> AsyncIterator[Starting]:
    """Start a daemon that is held at the import of a module: of Alembic's, over a database of the first version."""
    if held == MIGRATING:
        make_first_database(installation)
    site = installation.state_dir.parent / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(HOLD_AN_IMPORT)
    process = await trio.lowlevel.open_process(
        [*prefix, *installation.command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment({"PYTHONPATH": str(site), "HOLD": held}),
        cwd=REPOSITORY,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.receive_some() == b"held\n"
        yield Starting(process, installation)
    finally:
        process.kill()
        await process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            await trio.aclose_forcefully(pipe)


@pytest.mark.parametrize(
    ("held", "number"),
    [("click", signal.SIGINT), ("daemon.app", signal.SIGTERM), (MIGRATING, signal.SIGINT)],
)
@ends_within(30)
async def test_a_signal_during_the_start_ends_it_cleanly(
    installation: Installation, held: str, number: signal.Signals
) -> None:
    async with starting(installation, held) as daemon:
        daemon.process.send_signal(number)
        await daemon.ends_cleanly()


@pytest.mark.fault(
    "SIGTERM while the daemon starts, as process 1 of a container",
    "it ends with 0, without a traceback, and another can start",
)
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root and unshare")
@ends_within(30)
async def test_process_1_of_a_container_is_ended_by_a_signal_during_its_start(installation: Installation) -> None:
    async with starting(installation, MIGRATING, "unshare", "--pid", "--fork", "--kill-child") as daemon:
        children = f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children"
        with open(children) as file:  # noqa: PTH123, ASYNC230 - no file that could block
            os.kill(int(file.read()), signal.SIGTERM)
        await daemon.ends_cleanly()


@pytest.mark.fault(
    "SIGTERM while a database is being migrated",
    "it ends with 0 at once; the next start migrates",
)
@ends_within(40)
async def test_a_signal_during_a_migration_ends_it_and_the_next_start_continues(installation: Installation) -> None:
    async with operated(installation) as operator:
        await operator.make_team()
    with closing(sqlite3.connect(installation.state_dir / DATABASE)) as other:
        other.execute("BEGIN EXCLUSIVE")  # the migration waits, in its thread
        process = await trio.lowlevel.open_process(
            installation.command, stderr=subprocess.PIPE, env=clean_environment({}), cwd=REPOSITORY
        )
        await locked(installation)
        process.terminate()
        await Starting(process, installation).ends_cleanly()
        assert process.stderr is not None
        await trio.aclose_forcefully(process.stderr)
        other.rollback()
    async with operated(installation) as operator:
        assert [team["id"] for team in await operator.list_all("/v1/teams")] == ["acme"]


@pytest.mark.fault("SIGHUP while the daemon starts", "It starts, and reads its configuration again")
@pytest.mark.parametrize("held", ["click", MIGRATING])
@ends_within(30)
async def test_a_hangup_during_the_start_is_handled_when_it_has_started(installation: Installation, held: str) -> None:
    async with starting(installation, held) as daemon:
        daemon.process.send_signal(signal.SIGHUP)
        assert daemon.process.stdin is not None
        assert daemon.process.stderr is not None
        await daemon.process.stdin.send_all(b"x")
        said = b""
        while b"settings_reloaded" not in said or b"daemon_ready" not in said:
            part = await daemon.process.stderr.receive_some()
            assert part, said
            said += part
        daemon.process.terminate()
        assert await daemon.process.wait() == 0


async def locked(installation: Installation) -> None:
    """Wait until a daemon holds the state directory."""
    while True:
        with (installation.state_dir / "lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        await trio.sleep(0.01)


@ends_within(30)
async def test_a_second_ctrl_c_ends_the_daemon_immediately(new_installation: MakeInstallation) -> None:
    gate, installation = Gate(), new_installation(delivery={"stop_grace_s": 60})
    async with open_receiver(gate) as receiver, operated(installation) as operator, backlog(operator, receiver):
        operator.daemon.signal(signal.SIGINT)
        await operator.daemon.logged("daemon_stopping")
        operator.daemon.killed = True  # it does not end with 0
        operator.daemon.signal(signal.SIGINT)
        assert await operator.daemon.ended() == 130
        assert not any(b"Traceback" in line for line in operator.daemon.stderr)


@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">/dev/full 2>/dev/full"])
@ends_within(30)
async def test_the_daemon_serves_whatever_its_standard_streams_are(installation: Installation, closed: str) -> None:
    """A descriptor that is closed is the next to be opened: the log must not end up in the database."""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh"]
    process = await trio.lowlevel.open_process(
        [*shell, *installation.command], env=clean_environment({}), cwd=REPOSITORY
    )
    try:
        await reachable(installation)
        assert not [file for file in standard_streams(process.pid) if file.is_relative_to(installation.state_dir)]
        process.terminate()
        assert await process.wait() == 0
    finally:
        process.kill()


async def reachable(installation: Installation) -> None:
    while True:
        try:
            await trio.aclose_forcefully(await trio.open_tcp_stream(*installation.reserved.getsockname()))
        except OSError:
            await trio.sleep(0.05)
        else:
            return


def standard_streams(pid: int) -> list[Path]:
    return [Path(f"/proc/{pid}/fd/{number}").readlink() for number in (0, 1, 2)]
