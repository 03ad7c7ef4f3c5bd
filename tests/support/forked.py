"""Daemons that start at once: forked from a process that has already imported their modules (`fork_server`).

Importing them is most of the work of a start. What is forked is a process like any other, with an id, descriptors,
environment, signals and exit code of its own; tests of the start itself run the command.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from tests.support.forking import DAEMON, Forked, Program, fork


@dataclass(slots=True)
class ForkedProcess:
    """A process that was forked, as far as tests use a `trio.Process`."""

    stdout: trio.abc.ReceiveStream | None
    stderr: trio.abc.ReceiveStream | None
    _forked: Forked = field(repr=False)
    returncode: int | None = None
    _waiting: trio.Lock = field(default_factory=trio.Lock, repr=False)

    @property
    def pid(self) -> int:
        return self._forked.pid

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            self._forked.send_signal(number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, or the negative number of the signal that ended it."""
        async with self._waiting:
            if self.returncode is None:
                await trio.lowlevel.wait_readable(self._forked.end)
                self.returncode = self._forked.collect()
        return self.returncode


async def start_forked(
    program: Program, *, stdout: int = subprocess.DEVNULL, stderr: int = subprocess.PIPE
) -> ForkedProcess:
    """Run a program. A stream of it is a descriptor, subprocess.DEVNULL or PIPE."""
    (read_out, out), (read_err, err) = _opened(stdout), _opened(stderr)
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        return ForkedProcess(read_out, read_err, await trio.to_thread.run_sync(fork, program, null, out, err))
    finally:
        for descriptor in (null, out, err):
            os.close(descriptor)


async def run_forked(
    arguments: Sequence[str], *, environment: Mapping[str, str], program: Sequence[str] = DAEMON
) -> subprocess.CompletedProcess[bytes]:
    """Run `kakiyo-webhooks`, or another program, with these arguments to its end, however it ends."""
    process = await start_forked(Program([*program, *arguments], environment), stdout=subprocess.PIPE)
    said: dict[str, bytes] = {}

    async def read(name: str, stream: trio.abc.ReceiveStream | None) -> None:
        assert stream is not None
        async with stream:
            said[name] = b"".join([part async for part in stream])

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, "stdout", process.stdout)
            nursery.start_soon(read, "stderr", process.stderr)
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
                await process.wait()
    return subprocess.CompletedProcess(["kakiyo-webhooks", *arguments], await process.wait(), **said)


def _opened(stream: int) -> tuple[trio.abc.ReceiveStream | None, int]:
    """Return what we read it from, if we do, and the descriptor to write to."""
    if stream == subprocess.PIPE:
        reading, writing = os.pipe()
        return trio.lowlevel.FdStream(reading), writing
    return None, os.open(os.devnull, os.O_WRONLY) if stream == subprocess.DEVNULL else os.dup(stream)
