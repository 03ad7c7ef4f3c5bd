"""A process that has imported the daemon's modules and is forked for each program that `tests.support.forked` asks for.

`python -m tests.support.fork_server DESCRIPTOR`: a request comes over the socket of that number, as JSON with the
descriptors that the program is to have. It ends when nobody has the socket's other end any more.
"""

import atexit
import fcntl
import gc
import json
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

_LONGEST = 1 << 20
_DESCRIPTORS = 20
# To load the system's own 150 takes a quarter of a start, and nobody whom a test talks to has a certificate of theirs.
_AUTHORITY = str(Path(__file__).with_name("one_authority.pem"))


@dataclass(frozen=True, slots=True)
class _Request:
    """What to run, and on which descriptors: where to report, then stdin, stdout, stderr, then those of `numbers`."""

    module: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    numbers: Sequence[int]
    most_descriptors: int | None
    descriptors: Sequence[int]


def _fork_at_each_request(requests: socket.socket) -> _Request:
    """Serve for ever; return, in the process that is to run it, what is to be run."""
    while True:
        data, descriptors, *_ = socket.recv_fds(requests, _LONGEST, _DESCRIPTORS)
        _reap()
        if not data:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            return _fork_and_watch(_Request(**json.loads(data), descriptors=descriptors))
        for descriptor in descriptors:
            os.close(descriptor)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _fork_and_watch(request: _Request) -> _Request:
    """Leave a process behind to run it; be its parent, which reports its id and how it ends."""
    if (pid := os.fork()) == 0:
        return request
    report, *others = request.descriptors
    for descriptor in others:
        os.close(descriptor)
    reports = socket.socket(fileno=report)
    socket.send_fds(reports, [pid.to_bytes(4, "big")], [os.pidfd_open(pid)])
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):
        reports.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(request: _Request) -> None:
    """Make this process what a new one would be."""
    targets = [0, 1, 2, *request.numbers]
    beyond = max(targets) + 1  # a target may have the number of another one's source
    sources = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, beyond) for descriptor in request.descriptors[1:]]
    for source, target in zip(sources, targets, strict=True):
        os.dup2(source, target)
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")}.difference(targets):  # noqa: PTH208 - numbers
        with suppress(OSError):  # the one that listed them
            os.close(descriptor)
    if request.most_descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (request.most_descriptors,) * 2)
    os.environ.clear()
    os.environ.update({"SSL_CERT_FILE": _AUTHORITY, **request.environment})
    sys.argv[1:] = request.arguments
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", 1, closefd=False)


def _end(code: object) -> None:
    """End as the interpreter does, but leave the memory to the kernel: to free each object takes longer than the rest.

    A code that is no number, and a stream that takes no more, are left to the interpreter.
    """
    for thread in set(threading.enumerate()) - {threading.current_thread()}:
        if not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
        if code is None or isinstance(code, int):
            os._exit(code or 0)
    raise SystemExit(code)


def _main_of(module: str) -> Callable[[], None]:
    """Return what `python -m` calls: it takes the process's arguments, and so knows that the process ends with it."""
    main: Callable[[], None] = import_module("daemon.cli" if module == "daemon" else module).main
    return main


def _import_all() -> None:
    for module in ("daemon.cli.app", "daemon.cli.settings", "daemon.app", "alembic.command"):
        import_module(module)


if __name__ == "__main__":
    _import_all()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks, and for what is forked
    asked = _fork_at_each_request(socket.socket(fileno=int(sys.argv[1])))
    gc.unfreeze()
    _become(asked)
    try:
        _main_of(asked.module)()
    except SystemExit as end:
        _end(end.code)
