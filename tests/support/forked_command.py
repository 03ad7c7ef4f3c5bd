"""Commands of the command line in processes of their own, forked as daemons are (`forked`), for synchronous tests."""

import os
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from tests.support.forking import DAEMON, Forked, Program, fork

_NULL = Path(os.devnull)


@dataclass(slots=True)
class ForkedCommand:
    """A command that runs, as far as tests use a `subprocess.Popen`."""

    stdout: IO[str]
    stderr: IO[str]
    _forked: Forked = field(repr=False)
    _returncode: int | None = None

    def send_signal(self, number: int) -> None:
        if self._returncode is None:
            self._forked.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Wait for its end, but for so many seconds at the most; return its exit code."""
        if self._returncode is None:
            assert select.select([self._forked.end], [], [], timeout)[0], f"it has not ended within {timeout} s"
            self._returncode = self._forked.collect()
        return self._returncode


@contextmanager
def running_command(*arguments: str) -> Iterator[ForkedCommand]:
    """Run `kakiyo-webhooks` with these arguments, and end it with the block."""
    with ExitStack() as streams:
        (stdout, out), (stderr, err) = [_piped(streams) for _ in range(2)]
        with _NULL.open("rb") as null, os.fdopen(out, "wb"), os.fdopen(err, "wb"):
            forked = fork(Program([*DAEMON, *arguments], os.environ), null.fileno(), out, err)
        command = ForkedCommand(stdout, stderr, forked)
        try:
            yield command
        finally:
            command.send_signal(signal.SIGKILL)
            command.wait(10)


def run_command(
    *arguments: str, stdin: int | None = None, stdout: int | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `kakiyo-webhooks` with these arguments to its end, on these descriptors or on none; return what it said."""
    program = Program([*DAEMON, *arguments], {**os.environ, **(environment or {})})
    with _NULL.open("rb") as null, TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        given = null.fileno() if stdin is None else stdin
        code = fork(program, given, out.fileno() if stdout is None else stdout, err.fileno()).collect()
        for said in (out, err):
            said.seek(0)
        return subprocess.CompletedProcess(["kakiyo-webhooks", *arguments], code, out.read(), err.read())


def _piped(streams: ExitStack) -> tuple[IO[str], int]:
    """Return what is read from a new pipe, and the descriptor that is written to."""
    reading, writing = os.pipe()
    return streams.enter_context(os.fdopen(reading)), writing
