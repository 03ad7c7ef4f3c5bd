"""What commands print: lines for people, JSON for scripts (tables: `daemon.cli.tables`).

A reader that leaves (`| head`) ends the command quietly.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from daemon.cli.exits import CommandError, ExitCode
from daemon.domain.printable import printable, printable_json


@contextmanager
def quiet_when_reader_leaves(not_shown: str | None = None) -> Iterator[None]:
    """End the command with 0 and no message when stdout was closed by whoever read it.

    Any other failure to write raises CommandError (NOT_SHOWN), and so does this one when there is something that is
    shown only once: `not_shown` says what it is and what to do.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        # The interpreter flushes stdout once more at its exit: let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError) and not_shown is None:
            raise click.exceptions.Exit(ExitCode.DONE) from None
        what = not_shown or "It is done, but not all of the output was written: see to it that it can be."
        raise CommandError(
            f"Standard output cannot be written ({error.strerror}). {what}", ExitCode.NOT_SHOWN
        ) from None


def print_line(line: str) -> None:
    """Print a line for people, at once."""
    with quiet_when_reader_leaves():
        print(printable(line, keep="\n\t"), flush=True)


def print_json_text(text: str, not_shown: str | None = None) -> None:
    """Print a JSON text, with terminal control characters escaped. For `not_shown` see `quiet_when_reader_leaves`."""
    with quiet_when_reader_leaves(not_shown):
        print(printable_json(text), flush=True)


def print_json(value: Any) -> None:
    """Print a value as JSON on one line, for what is not the API's own text."""
    print_json_text(json.dumps(value, ensure_ascii=False))
