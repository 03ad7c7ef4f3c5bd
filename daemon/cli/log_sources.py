"""Where the log comes from: a file that may be rotated, a pipe, or systemd's journal.

Each source gives lines without their end.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from daemon.cli.exits import CommandError, ExitCode
from daemon.cli.log_filter import LogFilter
from daemon.systemd.journal import field_name

_LOOK_AGAIN_S = 0.2
_LONGEST_LINE = 1024 * 1024  # what is longer comes in pieces
_PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3"}


def read_pipe(pipe: IO[bytes]) -> Iterator[str]:
    """Give the lines of a pipe until it ends. Raises CommandError (USAGE) when it cannot be read."""
    with _refusing("standard input"):
        while line := pipe.readline(_LONGEST_LINE):
            yield _text(line)


def read_file(file: Path, follow: bool) -> Iterator[str]:
    """Give the lines of a file; with `follow` go on for ever, also after it was rotated or truncated.

    Raises CommandError (USAGE) when it cannot be opened at first, or cannot be read. A line that is still being written
    is given when it is complete; the last one of a rotated file, and of one that is not followed, as it stands.
    """
    stream = _open(file)
    while True:
        with _refusing(str(file)):
            yield from _read_until_replaced(stream, file, follow)
        if not follow:
            return
        stream = _open_again(file)


def read_journal(unit: str, follow: bool, chosen: LogFilter) -> Iterator[str]:
    """Give the unit's lines in the journal, oldest first; with `follow` go on until the reader stops.

    The journal leaves out by its indexes most of what `chosen` does not want; the rest is for the caller to leave out.
    Raises CommandError (USAGE) when there is no journalctl, or when it fails.
    """
    command = ["journalctl", "--unit", unit, "--output", "cat", "--no-pager", "--quiet", *_matches(chosen)]
    try:
        # `--follow` alone would begin with the last 10 lines only.
        journal = subprocess.Popen([*command, "--follow", "--no-tail"] if follow else command, stdout=subprocess.PIPE)
    except OSError:
        raise CommandError(
            "There is no journal here (journalctl is missing): name a log file, or pipe the log in.", ExitCode.USAGE
        ) from None
    try:
        assert journal.stdout is not None, "asked for with PIPE"
        yield from read_pipe(journal.stdout)
        if journal.wait() != 0:
            raise CommandError(f"journalctl could not read the journal of {unit}: see its words above.", ExitCode.USAGE)
    finally:
        _end(journal)


def _matches(chosen: LogFilter) -> Iterator[str]:
    if chosen.since is not None:
        yield f"--since=@{chosen.since.timestamp():.6f}"
    if chosen.level in _PRIORITIES:
        yield f"--priority={_PRIORITIES[chosen.level]}"
    yield from (f"{field_name(name)}={value}" for name, value in chosen.fields.items())


def _open(file: Path) -> IO[bytes]:
    with _refusing(str(file)):
        return file.open("rb")


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{name}: cannot be read ({error.strerror}): check the path.", ExitCode.USAGE) from None
    except ValueError:
        raise CommandError(f"{name!r}: no file has such a name: check the path.", ExitCode.USAGE) from None


def _open_again(file: Path) -> IO[bytes]:
    while not file.exists():  # between the old file's renaming and the new one's making there is none
        time.sleep(_LOOK_AGAIN_S)
    return _open(file)


def _read_until_replaced(stream: IO[bytes], file: Path, follow: bool) -> Iterator[str]:
    begun = b""
    with stream:
        while True:
            # Asked before the reading, so that nothing is missed that was written just before the rotation.
            replaced = follow and _is_replaced(stream, file)
            while piece := stream.readline(_LONGEST_LINE - len(begun)):
                begun += piece
                if begun.endswith(b"\n") or len(begun) == _LONGEST_LINE:
                    yield _text(begun)
                    begun = b""
            if replaced or not follow:
                break
            begun = _wait(stream, begun)
    if begun:
        yield _text(begun)


def _wait(stream: IO[bytes], begun: bytes) -> bytes:
    time.sleep(_LOOK_AGAIN_S)
    if os.fstat(stream.fileno()).st_size < stream.tell():  # truncated in place, as logrotate's copytruncate does
        stream.seek(0)
        return b""
    return begun


def _is_replaced(stream: IO[bytes], file: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(stream.fileno()), file.stat())
    except FileNotFoundError:
        return True


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")


def _end(journal: "subprocess.Popen[bytes]") -> None:
    if journal.poll() is None:
        journal.terminate()
    journal.wait()
    if journal.stdout:
        journal.stdout.close()
