"""Asks the server (`fork_server`) for a process, which it forks: what `forked` and `forked_command` are made of."""

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

DAEMON = ("daemon",)
_REPOSITORY = Path(__file__).parents[2]
_one_request = threading.Lock()


@dataclass(frozen=True, slots=True)
class Program:
    """What is run: a module that has a `main`, with arguments; in an environment, with descriptors of these numbers.

    It can have no more than `most_descriptors`, whatever it does.
    """

    module_and_arguments: Sequence[str]
    environment: Mapping[str, str]
    pass_fds: Sequence[int] = ()
    most_descriptors: int | None = None


@dataclass(slots=True)
class Forked:
    """A process that was forked. `end` can be read when it has ended."""

    pid: int
    end: socket.socket = field(repr=False)
    _handle: int = field(repr=False)

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, number)

    def collect(self) -> int:
        """Wait for its end, once; return its exit code, or the negative number of the signal that ended it."""
        code = int(self.end.recv(100))
        self.end.close()
        os.close(self._handle)
        return code


def fork(program: Program, stdin: int, stdout: int, stderr: int) -> Forked:
    """Run a program on these streams, which stay open here."""
    end, report = socket.socketpair()
    module, *arguments = program.module_and_arguments
    asked = {"module": module, "arguments": arguments, "environment": dict(program.environment),
             "numbers": list(program.pass_fds), "most_descriptors": program.most_descriptors}  # fmt: skip
    with report, _one_request:
        descriptors = [report.fileno(), stdin, stdout, stderr, *program.pass_fds]
        socket.send_fds(_server(), [json.dumps(asked).encode()], descriptors)
    pid, [handle], *_ = socket.recv_fds(end, 4, 1)  # by now the process may have ended
    return Forked(int.from_bytes(pid, "big"), end, handle)


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
