"""A daemon in a process of its own, on an ephemeral port that outlives its restarts.

    installation = make_installation(tmp_path, {"delivery": {"retry_delays_s": [0.01]}})
    async with daemon_process(installation) as daemon:     # it has said READY=1
        await daemon.logged("delivery_succeeded")   # wait, without sleeping, for a line of its log
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0

Nothing here sleeps or polls: the daemon's log comes through a pipe, its readiness through the service manager's socket.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from daemon.telemetry.log_events import LOG_EVENTS
from tests.support.forked import ForkedProcess, run_forked, start_forked
from tests.support.forking import Program

REPOSITORY = Path(__file__).parent.parent.parent
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "COVERAGE_PROCESS_START", "COVERAGE_FILE")
# Read as the interpreter starts.
_OF_THE_INTERPRETER = ("PYTHONPATH", "PYTHONFAULTHANDLER")
_START_S = 20
_ENDS = (b'"event":"delivery_succeeded"', b'"event":"delivery_failed"')
# Longer than the grace that a daemon of the tests gives its attempts.
_STOP_S = 20

Sections = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Installation:
    """A daemon's state directory, configuration file and port, which outlive its restarts; `reserved` keeps the port.

    Its daemons are `forked`, unless a test examines their start or their memory. `program` is what `python -m` is given
    before the arguments: a module other than the daemon's own changes some modules before they are used.
    """

    state_dir: Path
    config: Path
    bind: str
    reserved: socket.socket = field(repr=False)
    dev: bool = True
    descriptors: int | None = None
    forked: bool = True
    program: Sequence[str] = ("daemon",)

    @property
    def url(self) -> str:
        host, port = self.reserved.getsockname()
        return f"http://{host}:{port}"

    @property
    def command(self) -> list[str]:
        """The command line of its daemon."""
        limited = ["sh", "-c", f'ulimit -n {self.descriptors} && exec "$@"', "sh"] if self.descriptors else []
        return [*limited, sys.executable, "-m", *self.program, *self.arguments]

    @property
    def arguments(self) -> list[str]:
        options = ["--config", self.config, "--state-dir", self.state_dir, "--bind", self.bind]
        return ["serve", *map(str, options), *(["--dev"] if self.dev else [])]

    @property
    def can_be_forked(self) -> bool:
        return self.forked and type(self).command is Installation.command

    def read_key(self) -> str:
        """Return the operator key that the daemon made at its first start."""
        return (self.state_dir / "operator.key").read_text("ascii").strip()

    def close(self) -> None:
        self.reserved.close()


def make_installation(
    directory: Path, sections: Sections | None = None, *, dev: bool = True, forked: bool = True
) -> Installation:
    """Write a configuration file (log level debug, unless it says otherwise) and reserve a port."""
    config = directory / "config.toml"
    config.write_text(_toml({"log": {"level": "debug"}, **(sections or {})}), "utf-8")
    # Bound but not listening: nobody else gets the port, a connection to it is refused, and the daemon may share it.
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    bind = f"127.0.0.1:{reserved.getsockname()[1]}"
    return Installation(directory / "state", config, bind, reserved, dev, forked=forked)


@dataclass(slots=True)
class DaemonProcess:
    """A daemon that runs, or ran: the lines of its stderr, and what it sent its service manager, as they come in."""

    installation: Installation
    process: trio.Process | ForkedProcess = field(repr=False)
    stderr: list[bytes] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    ended_deliveries: int = 0
    killed: bool = False
    _changed: trio.Event = field(default_factory=trio.Event, repr=False)
    _log_ended: trio.Event = field(default_factory=trio.Event, repr=False)

    async def ready(self) -> None:
        """Wait for READY=1."""
        await self.noticed("READY=1")

    async def noticed(self, notice: str, count: int = 1) -> None:
        """Wait until the service manager was sent this line `count` times."""
        with trio.fail_after(_START_S):
            while self.notices.count(notice) < count:
                assert not self._log_ended.is_set(), f"the daemon ended without {notice}"
                await self._changed.wait()

    async def logged(self, event: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        """Wait until so many lines with these fields have been logged; return them all.

        Raises ValueError for an event or a field that the daemon never logs.
        """
        with trio.fail_after(_START_S):
            while len(found := self.log_lines(event, **fields)) < count:
                assert not self._log_ended.is_set(), f"the daemon ended with {len(found)} of {count} {event}"
                await self._changed.wait()
        return found

    async def deliveries_ended(self, count: int) -> None:
        """Wait until so many deliveries have been logged as succeeded or failed."""
        while self.ended_deliveries < count:
            assert not self._log_ended.is_set(), f"the daemon ended with {self.ended_deliveries} of {count} deliveries"
            await self._changed.wait()

    def log_lines(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """The lines logged so far of this event and with these fields. Raises ValueError for what is never logged."""
        _require_documented(event, fields)
        name = f'"event":"{event}"'.encode()
        lines = [json.loads(line) for line in self.stderr if name in line]
        return [line for line in lines if line.items() >= fields.items()]

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it as a power cut would, and wait until all that it logged is here."""
        self.killed = True
        self.process.kill()
        await self.process.wait()
        await self._log_ended.wait()

    async def ended(self) -> int:
        """Wait until it has ended and all that it logged is here; return its exit code."""
        with trio.fail_after(_STOP_S):
            code = await self.process.wait()
            await self._log_ended.wait()
        return code

    async def read_log(self) -> None:
        """Read its stderr until it is closed; without one to read, wait for the process to end."""
        if self.process.stderr is None:
            await self.process.wait()
            self._log_ended.set()
            self._notify()
            return
        rest = b""
        async for data in self.process.stderr:
            *lines, rest = (rest + data).split(b"\n")
            self.stderr += lines
            self.ended_deliveries += sum(any(end in line for end in _ENDS) for line in lines)
            self._notify()
        self.stderr += [rest] if rest else []  # a kill can cut a line
        self._log_ended.set()
        self._notify()

    async def read_notices(self, manager: trio.socket.SocketType) -> None:
        """Read what it sends its service manager."""
        while True:
            self.notices += (await manager.recv(4096)).decode().split("\n")
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def daemon_process(
    installation: Installation,
    *,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    stderr: int = subprocess.PIPE,
    exit_code: int = 0,
) -> AsyncIterator[DaemonProcess]:
    """Run a daemon that is ready; leaving the block stops it with SIGTERM, if it runs, and asserts this exit code.

    Its last lines on stderr are printed, for pytest to show when the test fails. With a descriptor as `stderr` the log
    goes there, and is the test's to read.
    """
    with service_manager() as manager:
        variables = clean_environment({**notify_variable(manager), **(environment or {})})
        process = await open_process(installation, variables, stderr, pass_fds)
        daemon = DaemonProcess(installation, process)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(daemon.read_log)
                nursery.start_soon(daemon.read_notices, manager)
                await daemon.ready()
                yield daemon
                await _stop(daemon, exit_code)
                nursery.cancel_scope.cancel()
        finally:
            await _end(process)
            sys.stderr.write(b"\n".join(daemon.stderr[-200:]).decode("utf-8", "replace") + "\n")


async def run_to_its_end(installation: Installation, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a daemon that should refuse to start; return how it ended."""
    with trio.fail_after(_START_S):
        if installation.can_be_forked:
            return await run_forked(
                installation.arguments, environment=clean_environment(environment), program=installation.program
            )
        return await trio.run_process(
            installation.command, capture_stdout=True, capture_stderr=True, check=False,
            env=clean_environment(environment), cwd=REPOSITORY,
        )  # fmt: skip


def clean_environment(added: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with these variables, without any other that configures a daemon."""
    return {**{name: os.environ[name] for name in _INHERITED if name in os.environ}, **added}


def _require_documented(event: str, fields: Mapping[str, Any]) -> None:
    """Refuse names that are never logged: a test that asserts their absence would pass whatever happens."""
    if event not in LOG_EVENTS:
        raise ValueError(f"{event!r} is not in daemon/telemetry/log_events.py")
    if unknown := fields.keys() - {"level", "timestamp", "node", *LOG_EVENTS[event].fields}:
        raise ValueError(f"{event!r} has no fields {', '.join(sorted(unknown))} in daemon/telemetry/log_events.py")


def service_manager() -> trio.socket.SocketType:
    """Return the socket that a daemon sends its notices to, READY=1 among them."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind("")  # Linux gives it an abstract name
    return trio.socket.from_stdlib_socket(manager)


def notify_variable(manager: trio.socket.SocketType) -> dict[str, str]:
    """Return the variable that tells a daemon of this socket."""
    return {"NOTIFY_SOCKET": "@" + manager.getsockname()[1:].decode()}


async def _stop(daemon: DaemonProcess, exit_code: int) -> None:
    if daemon.process.returncode is None:
        daemon.signal(signal.SIGTERM)
    code = await daemon.ended()
    assert daemon.killed or code == exit_code, f"the daemon ended with {code}"


async def open_process(
    installation: Installation, environment: Mapping[str, str], stderr: int, pass_fds: Sequence[int] = ()
) -> trio.Process | ForkedProcess:
    """Start it: forked, unless a variable only takes effect in a new interpreter."""
    special = any(environment.get(name) != os.environ.get(name) for name in _OF_THE_INTERPRETER)
    if installation.can_be_forked and not special:
        arguments = [*installation.program, *installation.arguments]
        return await start_forked(Program(arguments, environment, pass_fds, installation.descriptors), stderr=stderr)
    return await trio.lowlevel.open_process(
        installation.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, env=environment,
        cwd=REPOSITORY, pass_fds=pass_fds,
    )  # fmt: skip


async def _end(process: trio.Process | ForkedProcess) -> None:
    if process.returncode is None:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await process.wait()
    if process.stderr is not None:
        await trio.aclose_forcefully(process.stderr)


def _toml(sections: Sections) -> str:
    """JSON's strings, numbers, booleans and lists are TOML's too."""
    tables = (
        "\n".join([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())])
        for name, section in sections.items()
    )
    return "\n".join(tables) + "\n"
