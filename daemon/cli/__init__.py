"""The command line, `kakiyo-webhooks` (contract "Command line"): thin, one file for each group of commands."""

import errno
import gc
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import NoReturn

_UNWRITTEN = frozenset({errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPIPE})


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end in SystemExit with one of `daemon.cli.exits.ExitCode`.

    `arguments` default to the process's. What is wrong is said in sentences on stderr, never as a traceback, unless
    $KAKIYO_WEBHOOKS_DEBUG asks for it.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    with _ended_by_signals(is_daemon=given[:1] == ["serve"]), _without_collections(at_the_end=arguments is None):
        from daemon.process.standard_streams import fill_standard_streams

        fill_standard_streams()
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # else it looks through every package for some
        _survive_narrow_encodings()
        _run(given)


@contextmanager
def _ended_by_signals(*, is_daemon: bool) -> Iterator[None]:
    """End cleanly at a signal that comes before the daemon, or whatever runs, has handlers of its own.

    A SIGHUP is for the daemon alone (`daemon.config.reload`), and waits until it reads them.
    """
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP} if is_daemon else ())
    stops = (signal.SIGTERM, signal.SIGINT) if is_daemon else ()
    before = {number: signal.signal(number, lambda _number, _frame: os._exit(0)) for number in stops}
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


@contextmanager
def _without_collections(*, at_the_end: bool) -> Iterator[None]:
    """Collect no garbage: what is imported stays, and a tenth of a command's time went into looking through it.

    A command that runs for long turns it on again. `at_the_end` of the process there is nothing left to collect for:
    that took a quarter of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
        if at_the_end:
            gc.freeze()


def _run(given: Sequence[str]) -> None:
    from daemon.cli.exits import DEBUG_VARIABLE, CommandError, ExitCode, say

    try:
        from daemon.cli.app import run_command

        sys.exit(run_command(given))
    except CommandError as error:
        say(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in _UNWRITTEN:
            _end_unwritten(error)
        if os.environ.get(DEBUG_VARIABLE):
            raise
        say(f"Something unexpected went wrong ({type(error).__name__}: {error}): set {DEBUG_VARIABLE}=1 to see where.")
        sys.exit(ExitCode.UNEXPECTED)


def _end_unwritten(error: OSError) -> NoReturn:
    """The library that reads the arguments prints help, versions and wrong usage by itself, and that failed."""
    from daemon.cli.exits import ExitCode, discard_if_broken, say

    for stream in (sys.stdout, sys.stderr):
        discard_if_broken(stream)
    wrong_usage = getattr(error.__context__, "exit_code", None)
    if wrong_usage is None:
        say(f"Standard output cannot be written ({error.strerror}).")
    sys.exit(ExitCode.NOT_SHOWN if wrong_usage is None else wrong_usage)


def _survive_narrow_encodings() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
