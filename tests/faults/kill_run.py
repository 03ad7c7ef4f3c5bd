"""A kill run from beginning to end: one receiver, one database, many lives of the daemon, what they leave behind."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import trio

from daemon.maintenance.state_dir import DATABASE
from tests.faults.evidence import Evidence, Told, gather, open_read_only
from tests.faults.impossible_rows import ALWAYS, AT_REST, find_impossible_rows
from tests.faults.kill_driver import Driver, Ledger
from tests.faults.kill_plan import KillPlan, Moment, planned_kills
from tests.faults.kill_receiver import read_log
from tests.faults.small_pieces import make_small_pieces_installation
from tests.support.process import (
    REPOSITORY,
    DaemonProcess,
    Installation,
    Sections,
    clean_environment,
    daemon_process,
)

SECTIONS: Sections = {
    "delivery": {"retry_delays_s": [0.01, 0.02, 0.03], "idle_actor_s": 0.3},
    "log": {"level": "info"},
}
_WAITING = """SELECT (SELECT count(*) FROM deliveries WHERE status = 'pending')
    + (SELECT coalesce(sum(remaining), 0) FROM fan_outs)
    + (SELECT count(*) FROM mails WHERE sent_at IS NULL)"""
# One that is begun, and has deliveries left to make.
_BEGUN_FAN_OUTS = "SELECT count(*) FROM fan_outs WHERE (next_seq, next_place) != (first_seq, 0)"
# The daemon's log does not tell of everything that ends a delivery: look again now and then.
_LOOK_AGAIN_S = 0.2


@dataclass(frozen=True, slots=True)
class KillRun:
    """What a run left: the evidence, what those who used the daemon did, and how many kills cut a fan-out in two."""

    evidence: Evidence
    ledger: Ledger
    cut_fan_outs: int


async def run_kills(directory: Path, plan: KillPlan, on_kill: Callable[[], None] = lambda: None) -> KillRun:
    """Run the plan in `directory`, then let the daemon finish and stop; return what is left. `on_kill` counts them."""
    installation, cut_fan_outs = make_small_pieces_installation(directory, SECTIONS), 0
    log = directory / "receiver.log"
    try:
        async with receiver_process(log, plan.seed) as url, trio.open_nursery() as nursery:
            driver = Driver(plan, installation.url, url)
            async with daemon_process(installation):
                await driver.register(installation.read_key())
            nursery.start_soon(driver.run, installation.read_key())
            for moment in planned_kills(plan):
                await _live_until(moment, installation, driver)
                await mark_the_kill(url)
                cut_fan_outs += bool(_count(installation, _BEGUN_FAN_OUTS))
                on_kill()
            await _finish(installation, driver)
    finally:
        installation.close()
    return KillRun(evidence_of(installation, driver.ledger, log), driver.ledger, cut_fan_outs)


@asynccontextmanager
async def receiver_process(log: Path, seed: int) -> AsyncIterator[str]:
    """Run the receiver in a process of its own until the block ends; gives its URL."""
    command = [sys.executable, "-m", "tests.faults.kill_receiver", str(log), str(seed)]
    process = await trio.lowlevel.open_process(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, env=clean_environment({})
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with trio.fail_after(20):
            url = (await process.stdout.receive_some()).decode().strip()
        yield url
        await process.stdin.aclose()
        with trio.fail_after(10):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
        await trio.aclose_forcefully(process.stdin)
        await trio.aclose_forcefully(process.stdout)


async def _live_until(moment: Moment, installation: Installation, driver: Driver) -> None:
    if moment.after == "start_ms":
        await _kill_at_start(installation, moment.count / 1000)
        return
    async with daemon_process(installation) as daemon:
        driver.up.set()
        match moment.after:
            case "events":
                await driver.reached(driver.submitted + moment.count)
            case "fan_outs":
                await _seen_in_fan_outs(installation, driver, moment.count)
            case _:
                await _deliveries_ended(daemon, driver, moment.count)
        driver.up = trio.Event()
        await daemon.kill()


async def _deliveries_ended(daemon: DaemonProcess, driver: Driver, count: int) -> None:
    """Wait until so many deliveries ended; no longer than there is something to deliver."""
    while daemon.ended_deliveries < count and not (driver.finished.is_set() and not count_waiting(daemon.installation)):
        with trio.move_on_after(_LOOK_AGAIN_S):
            await daemon.deliveries_ended(count)


async def _seen_in_fan_outs(installation: Installation, driver: Driver, looks: int) -> None:
    """Wait until so many looks found a fan-out in its middle; no longer than there is something to submit."""
    while looks and not driver.finished.is_set():
        looks -= bool(_count(installation, _BEGUN_FAN_OUTS))
        await trio.sleep(_LOOK_AGAIN_S / 20)


async def _kill_at_start(installation: Installation, seconds: float) -> None:
    """Kill a daemon in the middle of its start, or of its first attempts."""
    process = await trio.lowlevel.open_process(
        installation.command,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env=clean_environment({}),
    )
    try:
        with trio.move_on_after(seconds):
            await process.wait()
    finally:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await process.wait()


async def mark_the_kill(url: str) -> None:
    """Tell the receiver that the daemon's life is over."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        await stream.send_all(b"POST /killed HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
        await stream.receive_some()


async def _finish(installation: Installation, driver: Driver) -> None:
    async with daemon_process(installation) as daemon:
        driver.up.set()
        await driver.finished.wait()
        await until_at_rest(daemon)


async def until_at_rest(daemon: DaemonProcess) -> None:
    """Wait until nothing is pending and no mail waits."""
    while count_waiting(daemon.installation):
        with trio.move_on_after(_LOOK_AGAIN_S):
            await daemon.deliveries_ended(daemon.ended_deliveries + 100)


def count_waiting(installation: Installation) -> int:
    """Return how many deliveries are pending and mails wait."""
    return _count(installation, _WAITING)


def _count(installation: Installation, query: str) -> int:
    with closing(open_read_only(installation.state_dir / DATABASE)) as connection:
        return int(connection.execute(query).fetchone()[0])


def evidence_of(installation: Installation, ledger: Ledger, log: Path) -> Evidence:
    """Gather what a daemon that has ended left behind, and its receiver."""
    maildir = installation.state_dir / "Maildir" / "new"
    told = Told(
        arrivals=read_log(log),
        receipts=tuple(ledger.receipts),
        unsure=frozenset(ledger.unsure),
        by_hand=frozenset(ledger.by_hand),
        maildir=tuple(mail.name for mail in maildir.glob("*")),
    )
    with closing(open_read_only(installation.state_dir / DATABASE)) as connection:
        return gather(connection, told, find_impossible_rows(connection, {**ALWAYS, **AT_REST}))
