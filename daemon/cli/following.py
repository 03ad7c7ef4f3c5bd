"""Following the changes of a team: looking again whenever the daemon says that there may be something to see."""

import time
from collections.abc import Callable

from daemon.cli.client import Client, Query
from daemon.cli.exits import CommandError, ExitCode, TryLater, say

WAITS_S = (0.5, 1, 2, 5)


def follow(client: Client, query: Query, look: Callable[[], bool]) -> None:
    """Call `look` now and at each change that `query` is about, until it returns True.

    A connection that is lost is tried again until it is there, and both is said on stderr. Raises CommandError if there
    is none to begin with, and for what the daemon refuses.
    """
    failures, was_there = 0, False
    while True:
        why = "Connection lost, trying again."
        try:
            for line in client.lines("/v1/deliveries/changes", query):
                if failures:
                    say("Connected again.")
                failures, was_there = 0, True
                if line.startswith((b"event:", b":")) and look():
                    return
                client.http.close()  # the daemon may close it until the next look
        except CommandError as error:
            if not (was_there and may_pass(error)):
                raise
            why = str(error) if isinstance(error, TryLater) else why
        client.http.close()
        if not failures:
            say(why)
        time.sleep(WAITS_S[min(failures, len(WAITS_S) - 1)])
        failures += 1


def may_pass(error: CommandError) -> bool:
    """Whether the same may work in a moment."""
    return isinstance(error, TryLater) or error.exit_code is ExitCode.UNREACHABLE
