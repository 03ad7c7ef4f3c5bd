"""A node: a real daemon with a state directory of its own, which is killed, frozen, stopped and started again."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import trio

from daemon.files.private_file import write_private_file
from tests.cluster.chaos import stepped_clock
from tests.cluster.chaos.stepped_clock import set_clock
from tests.support.forked import ForkedProcess
from tests.support.process import (
    Installation,
    clean_environment,
    make_installation,
    notify_variable,
    open_process,
    service_manager,
)

_RESTART_S = 0.3
_STOP_S = 25


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended though nobody asked for it."""

    node: int
    at: float
    code: int


@dataclass(slots=True)
class Node:
    """Node `number`, from 1. Whatever ends it, it is started again while it is `wanted`, as a service manager does.

    Its log is a file, which all its lives append to.
    """

    number: int
    installation: Installation
    wanted: bool = False
    exits: list[Exit] = field(default_factory=list)
    _process: trio.Process | ForkedProcess | None = field(default=None, repr=False)
    _expected: bool = False
    _ready: trio.Event = field(default_factory=trio.Event, repr=False)
    _changed: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot, repr=False)

    @property
    def log(self) -> Path:
        return self.installation.config.with_name("log")

    def step_clock(self, seconds: float) -> None:
        """Have its wall clock go wrong by so much from now on."""
        set_clock(self.log.with_name("clock"), seconds)

    @property
    def is_ready(self) -> bool:
        """Whether its process said so, and still runs."""
        return self._ready.is_set()

    async def run(self) -> None:
        """Run the daemon while it is wanted, life after life, until cancelled."""
        while True:
            while not self.wanted:
                await self._changed.park()
            await self._live()
            if self.wanted:
                await trio.sleep(_RESTART_S)

    def start(self) -> None:
        """Want it to run."""
        self.wanted = True
        self._changed.unpark_all()

    async def ready(self, within_s: float = 30) -> None:
        """Wait until it is ready."""
        with trio.fail_after(within_s):
            while not self.is_ready:
                await self._changed.park()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._expected = True
        self._send(signal.SIGKILL)

    def freeze(self) -> None:
        """Have it do nothing, as a machine that is out of breath or being moved."""
        self._send(signal.SIGSTOP)

    def wake(self) -> None:
        """Have it go on where it was."""
        self._send(signal.SIGCONT)

    async def stop(self) -> None:
        """Stop it with SIGTERM and wait for its end; it is no longer wanted."""
        self.wanted = False
        await self.terminate()

    async def terminate(self) -> None:
        """Stop it with SIGTERM and wait for its end."""
        self._expected = True
        self._send(signal.SIGTERM)
        await self.ended()

    async def ended(self) -> None:
        """Wait for the end of the process that runs now."""
        process = self._process
        with trio.fail_after(_STOP_S):
            while process is not None and self._process is process:
                await self._changed.park()

    async def _live(self) -> None:
        self._expected = False
        with service_manager() as manager, self.log.open("ab") as log:
            variables = clean_environment(notify_variable(manager))
            self._process = await open_process(self.installation, variables, log.fileno())
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._wait_for_ready, manager)
                    code = await self._process.wait()
                    nursery.cancel_scope.cancel()
            finally:
                await self._end()
        if not self._expected or code not in (0, -signal.SIGKILL):
            self.exits.append(Exit(self.number, trio.current_time(), code))

    async def _wait_for_ready(self, manager: trio.socket.SocketType) -> None:
        while "READY=1" not in (await manager.recv(4096)).decode().split("\n"):
            pass
        self._ready.set()
        self._changed.unpark_all()
        while True:
            await manager.recv(4096)  # a full socket would keep it waiting

    async def _end(self) -> None:
        process, self._process = self._process, None
        self._ready = trio.Event()
        self._changed.unpark_all()
        if process is not None and process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                await process.wait()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


@contextmanager
def make_node(
    directory: Path, number: int, sections: Mapping[str, Mapping[str, Any]], *, keys: Mapping[str, str], clock: bool
) -> Iterator[Node]:
    """Make a node that does not run yet, with these keys in its state directory; with a `clock` that can be stepped."""
    own = directory / f"node{number}"
    own.mkdir()
    installation = make_installation(own, sections)
    if clock:
        set_clock(own / "clock", 0)
        installation = replace(installation, program=(stepped_clock.PROGRAM, str(own / "clock")))
    installation.state_dir.mkdir(mode=0o700)
    for name, key in keys.items():
        write_private_file(installation.state_dir / name, key)
    try:
        yield Node(number, installation)
    finally:
        installation.close()
