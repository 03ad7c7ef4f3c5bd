"""Values against JSON Schemas, in a process of its own (contract "Event types").

The library holds the interpreter's lock for as long as a schema and a value make it: in a thread it would hold up the
event loop, and nothing could end it. A process can be ended, and is, by the kernel, when its share of CPU time is over.
It is started with the first value that there is to validate, and goes when the daemon does.
"""

import os
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from daemon.domain.errors import DaemonError, Overloaded

MOST_FAULTS = 20
CPU_S = 0.5
_LONGEST_WAIT_S = 10.0
_ASKED, _ANSWERED = struct.Struct(">dI"), struct.Struct(">I")  # CPU seconds and a length; a length
# How the process ends that has used up its share of CPU time or of memory.
_USED_UP = (-signal.SIGPROF, -signal.SIGABRT, -signal.SIGSEGV, 3)
_PROGRAM = Path(__file__).with_name("process_main.py")


class WrongSchema(DaemonError):
    """It is no JSON Schema that we take: `path` leads to the place in it, `words` say what is wrong."""

    def __init__(self, path: Sequence[str | int], words: str) -> None:
        super().__init__(words)
        self.path = path
        self.words = words


class TooCostly(DaemonError):
    """These values could not be validated with the share of CPU time that there is for it."""


@dataclass(frozen=True, slots=True)
class Group:
    """Values, as JSON, that are all to meet one schema, a JSON text, too."""

    schema: bytes
    values: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value: by the numbers of its group and of the value in it, the place, and the words."""

    group: int
    value: int
    path: Sequence[str | int]
    words: str


class Validation:
    """Asks the process. Each call blocks: one at a time, and not in the event loop."""

    def __init__(self, cpu_s: float = CPU_S) -> None:
        self._cpu_s = cpu_s
        self._process: subprocess.Popen[bytes] | None = None

    def faults(self, groups: Sequence[Group]) -> Sequence[Fault]:
        """Return the first `MOST_FAULTS` of what is wrong with all values.

        Raises WrongSchema, TooCostly, and Overloaded if the process cannot be had now.
        """
        answer = orjson.loads(self._ask(_request(groups)))
        if "wrong" in answer:
            raise WrongSchema(answer["path"], answer["message"])
        return [Fault(*fault) for fault in answer["faults"]]

    @property
    def process_id(self) -> int | None:
        """The process, None if there is none."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def _ask(self, request: bytes) -> bytes:
        process = self._running()
        try:
            return _exchange(process, _ASKED.pack(self._cpu_s, len(request)) + request)
        except TimeoutError:
            self.close()
            raise Overloaded("the machine is too busy to validate: send it again in a moment") from None
        except (OSError, EOFError):
            ended = process.wait()
            self.close()
            if ended in _USED_UP:
                raise TooCostly("it takes too long to validate") from None
            raise Overloaded(f"the process that validates ended by itself ({ended}): send it again") from None

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", str(_PROGRAM)],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            except OSError:
                raise Overloaded("no process can be started to validate: send it again in a moment") from None
        return self._process


def _request(groups: Sequence[Group]) -> bytes:
    """Return the request as JSON: the schemas and values stand in it as they came."""
    parts = (
        b'{"key":"%s","schema":%s,"values":[%s]}'
        % (sha256(group.schema).hexdigest().encode(), group.schema, b",".join(group.values))
        for group in groups
    )
    return b'{"most":%d,"groups":[%s]}' % (MOST_FAULTS, b",".join(parts))


def _exchange(process: "subprocess.Popen[bytes]", message: bytes) -> bytes:
    """Send a frame and return the one that answers it. Raises OSError, EOFError, TimeoutError."""
    assert process.stdin is not None
    assert process.stdout is not None
    until = time.monotonic() + _LONGEST_WAIT_S
    rest = memoryview(message)
    os.set_blocking(process.stdin.fileno(), False)
    while rest:
        _wait(process.stdin, until, writes=True)
        rest = rest[process.stdin.write(rest) or 0 :]
    [length] = _ANSWERED.unpack(_read(process.stdout, _ANSWERED.size, until))
    return _read(process.stdout, length, until)


def _read(stream: Any, size: int, until: float) -> bytes:
    read = bytearray()
    while len(read) < size:
        _wait(stream, until)
        piece = stream.read(size - len(read))
        if not piece:
            raise EOFError
        read += piece
    return bytes(read)


def _wait(stream: Any, until: float, *, writes: bool = False) -> None:
    poll = select.poll()
    poll.register(stream, select.POLLOUT if writes else select.POLLIN)
    if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
        raise TimeoutError


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            assert stream is not None
            stream.close()
    process.wait()
