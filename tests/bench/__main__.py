"""`python -m tests.bench`: measure everything, each against its floor (docs/performance.md).

With `--against REVISION` the daemon of another revision is measured in turns with this one, and each figure has its
ratio to the other's instead.

Exit code 0 when it was measured, 1 when a suite failed, or missed a goal and `--strict` was given, 2 when something is
not installed or the revision cannot be had, 130 when it was interrupted. What was measured until then is shown in any
case.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench.comparison import measure_in_turns
from tests.bench.figures import Figure, table_of, write_json
from tests.bench.machine import describe_machine, missing_programs
from tests.bench.revision import RevisionError, Tree, check_out
from tests.bench.stores import SQLITE, Store, opened_store
from tests.bench.suites import SUITES, Suite
from tests.bench.workbench import Bench
from tests.support.postgresql import is_installed

_INTERRUPTED = 130
# Where no terminal says its width.
_FILE_WIDTH = 180


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    quick: bool = False
    only: Sequence[str] = ()
    json: Path | None = None
    strict: bool = False
    against: str | None = None
    rounds: int | None = None
    store: str = SQLITE.name

    @property
    def suites(self) -> list[Suite]:
        """Those asked for, or all that can be measured so."""
        usual = [suite.name for suite in SUITES if suite.comparable or self.against is None]
        return [suite for suite in SUITES if suite.name in (self.only or usual)]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all suites have in common: what was asked for, the other revision if there is one, and the store."""

    options: Options
    other: Tree | None
    store: Store


@dataclass(slots=True)
class Results:
    """What was measured, the suites that failed, and whether a signal ended it before the last one.

    `refused` says why nothing could be measured.
    """

    figures: list[Figure] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    interrupted: bool = True
    refused: str = ""


def main() -> int:
    """Measure what the command line asks for, show it, and return the exit code."""
    options, console = read_options(sys.argv[1:]), Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    if refusal := _what_is_missing(options):
        console.print(refusal)
        return 2
    results = trio.run(measure, options.suites, options, console)
    if results.refused:
        console.print(results.refused, markup=False)
        return 2
    console.print(table_of(results.figures))
    if options.json is not None:
        write_json(options.json, describe_machine() | {"store": options.store}, results.figures)
    if results.interrupted:
        return _INTERRUPTED
    missed = any(figure.met is False for figure in results.figures)
    return int(bool(results.failed) or (options.strict and missed))


def _what_is_missing(options: Options) -> str:
    if missing := missing_programs():
        names = " and ".join(missing)
        return f"The bench needs {names}, not found on the PATH: install with [bold]apt install wrk nginx[/]."
    if options.store != SQLITE.name and not is_installed():
        return "The bench needs PostgreSQL's programs: install with [bold]apt install postgresql[/]."
    return ""


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the process with a sentence for a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure it all against its floors.")
    parser.add_argument("--quick", action="store_true", help="small versions, to see that it works")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[suite.name for suite in SUITES], default=[],
                        help="only these: " + ", ".join(suite.name for suite in SUITES))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--against", metavar="REVISION", help="measure that revision's daemon in turns with this one's")
    parser.add_argument(
        "--rounds", type=_rounds, metavar="N", help="measure so often (3, with --quick 1): medians count"
    )
    where = "where the daemons keep their data: a file each, or a PostgreSQL of the bench's own"
    parser.add_argument("--store", choices=["sqlite", "postgresql"], default=SQLITE.name, help=where)
    options = Options(**vars(parser.parse_args(arguments)))
    if options.against and (unfit := [suite.name for suite in options.suites if not suite.comparable]):
        fit = ", ".join(suite.name for suite in SUITES if suite.comparable)
        parser.error(
            f"--against cannot measure {', '.join(unfit)}: these fill a database of this revision; it can: {fit}"
        )
    return options


def _rounds(argument: str) -> int:
    if (rounds := int(argument)) < 1:
        raise argparse.ArgumentTypeError("at least 1 round is needed")
    return rounds


async def measure(suites: Sequence[Suite], options: Options, console: Console) -> Results:
    """Run the suites. One that fails is told on the console, and the others are run all the same."""
    results = Results()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_on_signal, nursery.cancel_scope)
        with tempfile.TemporaryDirectory(prefix="bench-revision-") as directory:
            try:
                other = await check_out(options.against, Path(directory)) if options.against else None
                async with opened_store(options.store) as store:
                    await run_suites(suites, Setting(options, other, store), results, console)
            except RevisionError as error:
                results.refused = str(error)
        results.interrupted = False
        nursery.cancel_scope.cancel()
    return results


async def run_suites(suites: Sequence[Suite], setting: Setting, results: Results, console: Console) -> None:
    """Add to the results what the suites measure, and which failed; one that measures nothing here says why."""
    with _progress(console) as progress:
        for suite in suites:
            if suite.needs_a_file and setting.store != SQLITE:
                console.print(f"{suite.name}: {suite.needs_a_file}", markup=False)
                continue
            try:
                results.figures += await run_suite(suite, setting, progress)
            except Exception:
                results.failed.append(suite.name)
                console.print_exception()


async def run_suite(suite: Suite, setting: Setting, progress: Progress) -> list[Figure]:
    """Run one suite, in turns with the other tree if there is one, in a directory that is removed afterwards."""
    options, other = setting.options, setting.other
    as_usual = other is None and options.rounds is None
    task = progress.add_task(suite.name, total=suite.steps if as_usual else None, what="")

    def advance(what: str) -> None:
        progress.update(task, advance=1, what=what)

    with tempfile.TemporaryDirectory(prefix=f"bench-{suite.name}-") as directory:
        rounds = options.rounds or (1 if options.quick else 3)
        bench = Bench(Path(directory), options.quick, advance, rounds, store=setting.store)
        figures = await (suite.run(bench) if other is None else measure_in_turns(suite.run, bench, other))
    steps = suite.steps if as_usual else progress.tasks[task].completed
    progress.update(task, total=steps, completed=steps, what="")
    return figures


async def _cancel_on_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<11}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, TextColumn("{task.fields[what]}"), console=console)


if __name__ == "__main__":
    sys.exit(main())
