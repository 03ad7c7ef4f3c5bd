"""The long form of the cluster's tests: each chaos for some minutes, and the checker after each.

    python -m tests.cluster.soak [--minutes 30] [--nodes 3] [--rate 20] [--seed N] [--only kills]

Ends with 0 when every promise held; what was violated is printed, and the nodes' logs and the database stay as files.
The seed is printed: give it again to repeat the plan, though not the moments at which it meets the processes. Before
that come histories in virtual time, each of the next seed.
"""

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path

import trio
from rich.console import Console
from trio.testing import MockClock

from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.run import Run, run_chaos
from tests.cluster.chaos.scenarios import SCENARIOS
from tests.cluster.history import play
from tests.support.postgresql import running_server

_SHOWN = 20
_HISTORIES, _HISTORY_S = "histories", 20
_NAMES = (_HISTORIES, *SCENARIOS)


def main() -> int:
    """Run the scenarios one after the other; return the exit code."""
    options, console = _options(), Console(highlight=False, soft_wrap=True)
    console.print(f"seed {options.seed}")
    names = [name for name in options.only or _NAMES if name == _HISTORIES or SCENARIOS[name].nodes <= options.nodes]
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-cluster-soak-"))
    plan = Plan(options.seed, nodes=options.nodes, rate=options.rate)
    failed = 0
    for name in names:
        seconds = options.minutes * 60 / len(names)
        console.print(f"{time.strftime('%H:%M:%S')} {name}, for {seconds:.0f} s")
        if name == _HISTORIES:
            failed += _play(console, directory, options.seed, seconds)
            continue
        try:
            run = _run(name, directory, plan, seconds)
        except Exception:  # of whatever kind: the others are run all the same
            failed += 1
            console.print(f"FAILED {name}:\n{traceback.format_exc()}", markup=False)
            continue
        failed += bool(run.violations)
        console.print(f"{'FAILED' if run.violations else 'ok'} {name}: {run}")
        for violation in run.violations[:_SHOWN]:
            console.print(f"    {violation}", markup=False)
    if failed:
        console.print(f"logs: {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


def _play(console: Console, directory: Path, first_seed: int, seconds: float) -> int:
    """Play histories in virtual time, one after the other, for so long; return how many broke a promise."""
    failed, seed, end = 0, first_seed, time.monotonic() + seconds
    with running_server() as server:
        template = server.make_template()
        while time.monotonic() < end:
            own = directory / f"history-{seed}"
            own.mkdir()
            with server.database(template) as address:
                history = partial(play, address, own, seed=seed, seconds=_HISTORY_S)
                _, violated = trio.run(history, clock=MockClock(autojump_threshold=0))
            failed += bool(violated)
            for violation in violated[:_SHOWN]:
                console.print(f"    history {seed}: {violation}", markup=False)
            seed += 1
    console.print(
        f"{'FAILED' if failed else 'ok'} {_HISTORIES}: {seed - first_seed} of {_HISTORY_S} s, {failed} failed"
    )
    return failed


def _run(name: str, directory: Path, plan: Plan, seconds: float) -> Run:
    scenario, own = SCENARIOS[name], directory / name.replace(" ", "-")
    own.mkdir()
    return trio.run(partial(run_chaos, own, scenario.plan(plan), scenario.chaos, seconds=seconds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Do everything to a cluster, and see its promises hold.")
    parser.add_argument("--only", action="append", choices=_NAMES, help="a scenario; may be repeated")
    parser.add_argument("--minutes", type=float, default=30, help="how long all of them take together")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=20, help="submissions a second")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
