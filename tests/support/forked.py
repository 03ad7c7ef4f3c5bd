"""Daemons that start at once: forked from a process that has already imported their modules (`fork_server`).

Importing them is most of the work of a start. What is forked is a process like any other, with an id, descriptors,
environment, signals and exit code of its own; tests of the start itself run the command.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import trio

_REPOSITORY = Path(__file__).parents[2]
_one_request = threading.Lock()


@dataclass(slots=True)
class ForkedProcess:
    """A process that was forked, as far as tests use a `trio.Process`."""

    pid: int
    stdout: trio.abc.ReceiveStream | None
    stderr: trio.abc.ReceiveStream | None
    _handle: int = field(repr=False)
    _end: socket.socket = field(repr=False)
    returncode: int | None = None
    _waiting: trio.Lock = field(default_factory=trio.Lock, repr=False)

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end; return its exit code, or the negative number of the signal that ended it."""
        async with self._waiting:
            if self.returncode is None:
                await trio.lowlevel.wait_readable(self._end)
                self.returncode = int(self._end.recv(100))
                self._end.close()
                os.close(self._handle)
        return self.returncode


async def start_forked(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> ForkedProcess:
    """Run `kakiyo-webhooks` with these arguments. A stream of it is a descriptor, subprocess.DEVNULL or PIPE."""
    end, report = socket.socketpair()
    (read_out, out), (read_err, err) = _opened(stdout), _opened(stderr)
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        asked = {"arguments": list(arguments), "environment": dict(environment), "numbers": list(pass_fds)}
        await trio.to_thread.run_sync(_ask, json.dumps(asked).encode(), [report.fileno(), null, out, err, *pass_fds])
    finally:
        report.close()
        for descriptor in (null, out, err):
            os.close(descriptor)
    pid = int.from_bytes(await trio.to_thread.run_sync(end.recv, 4), "big")
    return ForkedProcess(pid, read_out, read_err, os.pidfd_open(pid), end)


async def run_forked(arguments: Sequence[str], *, environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run `kakiyo-webhooks` with these arguments to its end, however it ends."""
    process = await start_forked(arguments, environment=environment, stdout=subprocess.PIPE)
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


def _ask(request: bytes, descriptors: Sequence[int]) -> None:
    with _one_request:
        socket.send_fds(_server(), [request], descriptors)


@cache
def _server() -> socket.socket:
    """Start the server. It ends with this process, which alone has the other end of its socket."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        command = [sys.executable, "-m", "tests.support.fork_server", str(there.fileno())]
        server = subprocess.Popen(command, cwd=_REPOSITORY, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
    atexit.register(server.wait)
    atexit.register(here.close)
    return here
