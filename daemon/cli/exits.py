"""How a command ends: the one place that documents the exit codes. They are stable: scripts may rely on them.

0    it is done
1    the daemon refused it, the demo or `doctor` found something that is not as it should be, or what `trigger` sent was
     not delivered
2    wrong usage, a wrong setting, or a file (the key's, a backup) that is missing, may not be read or written, or is
     not what it should be
3    the daemon cannot be reached, or gave no answer
4    no such team, key, webhook, event or delivery
5    it is done, but what there was to print could not be written: standard output is closed, or its disk is full
6    `serve` was stopped, cleanly, and acknowledged commits are missing from its database: see `doctor`
70   something that nobody expected: a bug
130  ended by Ctrl-C (`logs`, `listen` and `deliveries tail` are meant to be ended so: 0)
"""

import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import TextIO

from daemon.domain.printable import printable

DEBUG_VARIABLE = "KAKIYO_WEBHOOKS_DEBUG"


class ExitCode(IntEnum):
    """The exit codes, as the module's table explains them."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    NOT_SHOWN = 5
    COMMITS_LOST = 6
    UNEXPECTED = 70
    INTERRUPTED = 130


class CommandError(Exception):
    """Ends the command with `exit_code`; its text is for the user: what is wrong, where, what to do."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class TryLater(CommandError):
    """The daemon refused it for now: the same may be done in a moment."""


def discard_if_broken(stream: TextIO) -> None:
    """Let what is left of a stream that cannot be written go nowhere.

    The interpreter flushes it once more at its exit, and would complain.
    """
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(sentence: str) -> None:
    """Say what is wrong on stderr, if anybody can hear it."""
    with suppress(OSError):
        print(printable(sentence, keep="\n"), file=sys.stderr, flush=True)
