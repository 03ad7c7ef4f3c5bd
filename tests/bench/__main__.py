"""`python -m tests.bench`: measure everything, each against its floor (docs/performance.md).

Exit code 0 when it was measured, 1 when a suite failed, or missed a goal and `--strict` was given, 2 when something is
not installed, 130 when it was interrupted. What was measured until then is shown in any case.
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

from tests.bench.figures import Figure, table_of, write_json
from tests.bench.machine import describe_machine, missing_programs
from tests.bench.suites import SUITES, Suite
from tests.bench.workbench import Bench

_INTERRUPTED = 130
# Where no terminal says its width.
_FILE_WIDTH = 180


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    quick: bool
    only: Sequence[str]
    json: Path | None
    strict: bool


@dataclass(slots=True)
class Results:
    """What was measured, the suites that failed, and whether a signal ended it before the last one."""

    figures: list[Figure] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    interrupted: bool = True


def main() -> int:
    """Measure what the command line asks for, show it, and return the exit code."""
    options, console = read_options(sys.argv[1:]), Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    if missing := missing_programs():
        names = " and ".join(missing)
        console.print(f"The bench needs {names}, not found on the PATH: install with [bold]apt install wrk nginx[/].")
        return 2
    chosen = [suite for suite in SUITES if not options.only or suite.name in options.only]
    results = trio.run(measure, chosen, options.quick, console)
    console.print(table_of(results.figures))
    if options.json is not None:
        write_json(options.json, describe_machine(), results.figures)
    if results.interrupted:
        return _INTERRUPTED
    missed = any(figure.met is False for figure in results.figures)
    return int(bool(results.failed) or (options.strict and missed))


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the process with a sentence for a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure it all against its floors.")
    parser.add_argument("--quick", action="store_true", help="small versions, to see that it works")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[suite.name for suite in SUITES], default=[],
                        help="only these: " + ", ".join(suite.name for suite in SUITES))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    return Options(**vars(parser.parse_args(arguments)))


async def measure(suites: Sequence[Suite], quick: bool, console: Console) -> Results:
    """Run the suites. One that fails is told on the console, and the others are run all the same."""
    results = Results()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_on_signal, nursery.cancel_scope)
        with _progress(console) as progress:
            for suite in suites:
                try:
                    results.figures += await run_suite(suite, quick, progress)
                except Exception:
                    results.failed.append(suite.name)
                    console.print_exception()
        results.interrupted = False
        nursery.cancel_scope.cancel()
    return results


async def run_suite(suite: Suite, quick: bool, progress: Progress) -> list[Figure]:
    """Run one suite in a directory of its own, which is removed afterwards."""
    task = progress.add_task(suite.name, total=suite.steps, what="")

    def advance(what: str) -> None:
        progress.update(task, advance=1, what=what)

    with tempfile.TemporaryDirectory(prefix=f"bench-{suite.name}-") as directory:
        figures = await suite.run(Bench(Path(directory), quick, advance))
    progress.update(task, completed=suite.steps, what="")
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
