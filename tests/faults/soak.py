"""The long versions of the crash, overload, hell, state machine and HTTP suites, with a progress bar and a summary.

    python -m tests.faults.soak [--kills 50] [--seconds 60] [--rounds 5] [--examples 500] [--pending 5000000]
                                [--requests 100000] [--ways 10000] [--seed N] [--only large]

Ends with 0 when every promise held. The seed is printed: give it again to repeat the plan.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from os import devnull
from pathlib import Path
from typing import get_args

import trio
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.faults.checker import violations
from tests.faults.hell import PLAIN
from tests.faults.hell_daemon import survive
from tests.faults.hell_daemon import violations as hell_violations
from tests.faults.hell_tls import under_tls
from tests.faults.kill_plan import KillPlan
from tests.faults.kill_run import run_kills
from tests.faults.large_run import LONGEST_S, slowest
from tests.faults.overload_run import OverloadPlan, run_overload
from tests.faults.state_machine import WebhooksMachine
from tests.load.test_overload import check_overload, figures
from tests.security.both_ways import compare, served_both_ways
from tests.security.budgets_soak import soak_fan_out, soak_mass_cancelling, soak_slow_names
from tests.security.http_fuzz import fuzz
from tests.security.mass_cancel_attack import Way

Advance = Callable[[], None]


def soak_kills(directory: Path, kills: int, chosen_seed: int, advance: Advance) -> str:
    """Kill again and again; return the figures. Raises AssertionError with the first violations."""
    with _quiet():
        run = trio.run(partial(run_kills, directory, KillPlan(chosen_seed, kills), advance))
    found = violations(run.evidence)
    assert not found, found[:10]
    assert run.cut_fan_outs, "kills came in the middle of fan-outs"
    ends = Counter(delivery.status for delivery in run.evidence.deliveries)
    return (
        f"{kills} kills, {run.cut_fan_outs} of them in the middle of a fan-out, {len(run.evidence.receipts)} events "
        f"acknowledged, {len(run.evidence.deliveries)} deliveries checked ({ends['succeeded']} succeeded, "
        f"{ends['failed']} failed, {ends['cancelled']} cancelled), "
        f"{len(run.evidence.arrivals)} attempts, {len(run.evidence.mails)} mails, {run.ledger.enablings} enablings, "
        f"{len(run.ledger.by_hand)} webhooks changed at will: nothing lost, nothing repeated wrongly"
    )


def soak_overload(directory: Path, seconds: int, advance: Advance) -> str:
    """Overload a daemon; return the figures."""
    with _quiet():
        run = trio.run(run_overload, directory, OverloadPlan(seconds))
    check_overload(run)
    advance()
    return figures(run)


def soak_hell(directory: Path, rounds: int, advance: Advance) -> str:
    """Put one daemon a round among all receivers from hell at once; return the figures."""
    fiends, attempts, grown_mib = [*PLAIN, *under_tls()], 0, 0.0
    for number in range(rounds):
        state_dir = directory / f"round-{number}"
        state_dir.mkdir()
        with _quiet():
            survival = trio.run(survive, state_dir, fiends)
        found = hell_violations(fiends, survival)
        assert not found, found[:10]
        attempts += sum(map(len, survival.attempts.values()))
        grown_mib = max(grown_mib, survival.grown_mib)
        advance()
    return (
        f"{rounds} rounds of {len(fiends)} receivers from hell, {attempts} attempts: each ended as it should and in "
        f"time, at most {grown_mib:.1f} MiB more memory, no socket left open"
    )


def soak_state_machine(examples: int, chosen_seed: int, advance: Advance) -> str:
    """Compare the daemon with the model of the contract in random sequences; return the figures."""

    class CountedMachine(WebhooksMachine):
        def teardown(self) -> None:
            super().teardown()
            advance()

    long = settings(
        max_examples=examples,
        stateful_step_count=60,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(chosen_seed)(CountedMachine), settings=long)
    return f"{examples} sequences of up to 60 steps did as the model of the contract does"


def soak_attack(attack: Callable[[Path], str], directory: Path, advance: Advance) -> str:
    """Attack what all teams share; return the figures."""
    with _quiet():
        told = attack(directory)
    advance()
    return told


def soak_large(directory: Path, count: int, advance: Advance) -> str:
    """Time each command and query with `count` pending deliveries; return the figures."""
    name, seconds = slowest(directory, count)
    assert seconds < LONGEST_S, (name, seconds)
    advance()
    return f"with {count} pending deliveries the slowest command or query is {name}: {seconds * 1000:.0f} ms"


def soak_http(directory: Path, requests: int, chosen_seed: int, advance: Advance) -> str:
    """Send what HTTP's grammar makes, half of it broken; return the figures."""
    with _quiet():
        fuzzed = trio.run(fuzz, directory, chosen_seed, requests, advance)
    assert not fuzzed.faults, fuzzed.faults[:10]
    return str(fuzzed)


def soak_lane(directory: Path, requests: int, chosen_seed: int, advance: Advance) -> str:
    """Send requests to the fast lane and the general server. Raises AssertionError with those answered differently."""

    async def send() -> None:
        async with served_both_ways(directory) as both:
            unlike = await compare(both, chosen_seed, requests, advance)
            assert not unlike, unlike[:5]
            assert not both.faults()

    with _quiet():
        trio.run(send)
    return f"{requests} requests, the same answers both ways"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the daemons log off the screen."""
    with Path(devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield


@contextmanager
def _directory() -> Iterator[Path]:
    """Make a directory for all runs; it stays when one fails, for whoever looks into it."""
    directory = Path(tempfile.mkdtemp(prefix="kakiyo-soak-"))
    yield directory
    shutil.rmtree(directory)


def _within(directory: Path, name: str) -> Path:
    (directory / name).mkdir()
    return directory / name


def main() -> int:
    """Run all suites; return the exit code."""
    options = _options()
    console = Console()
    console.print(f"seed {options.seed}")
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress, _directory() as directory:
        suites: list[tuple[str, int, Callable[[Advance], str]]] = [
            ("kills", options.kills, partial(soak_kills, _within(directory, "kills"), options.kills, options.seed)),
            ("overload", 1, partial(soak_overload, _within(directory, "overload"), options.seconds)),
            ("hell", options.rounds, partial(soak_hell, _within(directory, "hell"), options.rounds)),
            ("slow names", 1, partial(soak_attack, soak_slow_names, _within(directory, "slow-names"))),
            ("fan-out", 1, partial(soak_attack, soak_fan_out, _within(directory, "fan-out"))),
            *(
                (
                    way,
                    1,
                    partial(soak_attack, partial(soak_mass_cancelling, way, options.pending), _within(directory, way)),
                )
                for way in get_args(Way)
            ),
            ("large", 1, partial(soak_large, _within(directory, "large"), options.pending)),
            ("state machine", options.examples, partial(soak_state_machine, options.examples, options.seed)),
            ("http", options.requests, partial(soak_http, _within(directory, "http"), options.requests, options.seed)),
            ("lane", options.ways, partial(soak_lane, _within(directory, "lane"), options.ways, options.seed)),
        ]
        for name, total, run in suites:
            if options.only and name not in options.only:
                continue
            task = progress.add_task(name, total=total)
            console.print(f"[green]ok[/] {name}: {run(partial(progress.advance, task))}", highlight=False)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="Break every promise for a while, and see them hold.")
    parser.add_argument("--only", action="append", help="a suite to run, such as large; may be repeated")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60, help="how long the overload lasts")
    parser.add_argument("--rounds", type=int, default=5, help="how often all receivers from hell")
    parser.add_argument("--examples", type=int, default=500, help="how many random sequences")
    parser.add_argument("--pending", type=int, default=5_000_000, help="how many deliveries are cancelled at once")
    parser.add_argument("--requests", type=int, default=100_000, help="how many from HTTP's grammar")
    parser.add_argument("--ways", type=int, default=10_000, help="how many to lane and general server")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
