"""The long form of the cluster's tests: each chaos for some minutes, and the checker after each.

    python -m tests.cluster.soak [--minutes 30] [--nodes 3] [--rate 20] [--seed N] [--only kills]

Ends with 0 when every promise held; what was violated is printed, and the nodes' logs and the database stay as files.
The seed is printed: give it again to repeat the plan, though not the moments at which it meets the processes.
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

from tests.cluster.chaos.plan import Plan
from tests.cluster.chaos.run import Run, run_chaos
from tests.cluster.chaos.scenarios import SCENARIOS

_SHOWN = 20


def main() -> int:
    """Run the scenarios one after the other; return the exit code."""
    options, console = _options(), Console(highlight=False, soft_wrap=True)
    console.print(f"seed {options.seed}")
    names = [name for name in options.only or SCENARIOS if SCENARIOS[name].nodes <= options.nodes]
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-cluster-soak-"))
    plan = Plan(options.seed, nodes=options.nodes, rate=options.rate)
    failed = 0
    for name in names:
        try:
            run = _run(name, directory, plan, options.minutes * 60 / len(names))
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


def _run(name: str, directory: Path, plan: Plan, seconds: float) -> Run:
    scenario, own = SCENARIOS[name], directory / name.replace(" ", "-")
    own.mkdir()
    return trio.run(partial(run_chaos, own, scenario.plan(plan), scenario.chaos, seconds=seconds))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Do everything to a cluster, and see its promises hold.")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS), help="a scenario; may be repeated")
    parser.add_argument("--minutes", type=float, default=30, help="how long all of them take together")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=20, help="submissions a second")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
