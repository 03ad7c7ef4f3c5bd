"""How far a copy has come: a bar on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as SpeedColumn

from daemon.cli.output import print_line
from daemon.maintenance.backup import ReportProgress

_LINE_EVERY_S = 2.0


@contextmanager
def reporting_progress(*, quiet: bool) -> Iterator[ReportProgress]:
    """Give what shows progress: (what is done, bytes done, bytes in all; 0 of 0 when nobody knows).

    The bar is on stderr. Without a terminal there are lines on stdout, but none with `quiet`.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (BarColumn(), DownloadColumn(), SpeedColumn(), TimeRemainingColumn())
        with Progress(TextColumn("{task.description}"), *columns, console=console) as progress:
            yield _bar(progress)
    else:
        yield _nothing if quiet else _lines()


def _bar(progress: Progress) -> ReportProgress:
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, of: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what)
        # Without a total the bar only shows that it goes on.
        progress.update(tasks[what], completed=done, total=of or None)

    return report


def _lines() -> ReportProgress:
    told_at = time.monotonic()

    def report(what: str, done: int, of: int) -> None:
        nonlocal told_at
        now = time.monotonic()
        if of and now - told_at >= _LINE_EVERY_S:
            told_at = now
            print_line(f"{what}: {done / 1e6:,.0f} of {of / 1e6:,.0f} MB ({done * 100 // of} %)")

    return report


def _nothing(_what: str, _done: int, _of: int) -> None:
    pass
