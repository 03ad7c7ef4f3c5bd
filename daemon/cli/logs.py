"""`kakiyo-webhooks logs`: the daemon's structured log, followed, filtered and made readable."""

import gc
import os
import stat
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click

from daemon.cli.declared import argument, option
from daemon.cli.exits import ExitCode

if TYPE_CHECKING:
    from daemon.cli.log_filter import LogFilter


class Level(StrEnum):
    """What `--level` takes, from the least to the most urgent."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


def logs(
    file: Annotated[Path | None, argument(metavar="[FILE]", help="The log file; - for standard input.")] = None,
    follow: Annotated[bool, option("--follow", "-f", help="Go on as the log grows, also when it is rotated.")] = False,
    unit: Annotated[str, option("--unit", help="The systemd unit whose journal is read.")] = "kakiyo-webhooks",
    webhook_id: Annotated[str | None, option("--webhook", metavar="ID", help="Only about this webhook.")] = None,
    team_id: Annotated[str | None, option("--team", metavar="ID", help="Only about this team.")] = None,
    delivery_id: Annotated[str | None, option("--delivery", metavar="ID", help="Only about this delivery.")] = None,
    event_id: Annotated[str | None, option("--event-id", metavar="ID", help="Only about this event.")] = None,
    name: Annotated[str | None, option("--name", help="Only lines of this name, such as attempt_ended.")] = None,
    level: Annotated[Level | None, option("--level", help="Only lines of this level or a more urgent one.")] = None,
    since: Annotated[str | None, option("--since", help="A time (2025-07-15T10:30:00Z) or an age (15m, 2h).")] = None,
    as_json: Annotated[bool, option("--json", help="Print the JSON lines unchanged.")] = False,
) -> None:
    """Read the log from a file, a pipe or (when neither is there) the journal of the service.

    With --delivery it begins with the event's acceptance, so that a delivery is seen from its submission to its end.
    """
    from daemon.cli.log_filter import LogFilter
    from daemon.cli.log_lines import print_lines
    from daemon.cli.times import parse_time
    from daemon.telemetry.log_events import LOG_EVENTS

    if name is not None and name not in LOG_EVENTS:
        raise click.UsageError(f"{name} is no name of a line: docs/logs.md lists them")
    gc.enable()  # a log may be long, and `--follow` has no end
    moment = parse_time(since) if since else None
    ids = {"webhookId": webhook_id, "teamId": team_id, "deliveryId": delivery_id, "eventId": event_id, "event": name}
    chosen = LogFilter({field: value for field, value in ids.items() if value is not None}, level, moment)
    try:
        print_lines(_source(file, unit, follow=follow, chosen=chosen), chosen, as_json)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(ExitCode.DONE) from None


def _source(file: Path | None, unit: str, follow: bool, chosen: "LogFilter") -> Iterator[str]:
    from daemon.cli import log_sources

    if file == Path("-") or (file is None and _is_piped_in()):
        return log_sources.read_pipe(sys.stdin.buffer)
    if file is not None:
        return log_sources.read_file(file, follow)
    return log_sources.read_journal(unit, follow, chosen)


def _is_piped_in() -> bool:
    """Whether somebody feeds us a log: what a timer, a service or ssh gives us as standard input is none."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except OSError:
        return True  # no file at all: whoever runs this command in a process of theirs feeds it
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
