"""A healthy team beside one that misbehaves: it submits at a steady pace and notes how it fares.

    async with watched_neighbour(daemon) as watch:
        ...                       # what the other team does
    check_neighbour(watch.seen)   # in time, never refused, never blamed; the watchdog fed, memory flat

`python -m tests.security.neighbour URL KEY_FILE HOST` runs it in a process of its own, so that the attack's load is
not measured with it. It prints a line when it has begun, submits until its stdin is closed, and prints what it saw.
"""

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.faults.overload_run import percentile
from tests.support.patient_client import make_patient_client
from tests.support.process import REPOSITORY, DaemonProcess, clean_environment
from tests.support.receivers import ReceivedRequest, Receiver, open_receiver

MIB = 1024 * 1024
WATCHDOG_S = 4
WATCHDOG = {"WATCHDOG_USEC": str(WATCHDOG_S * 1_000_000)}

_TEAM = "team_neighbour"
_WEBHOOKS = 3
_EACH_S = 0.1
_LAST_DELIVERY_S = 15


@dataclass(slots=True)
class Seen:
    """How the neighbour fared: times in seconds, memory in bytes; `blamed` counts its failures."""

    accepted_s: list[float] = field(default_factory=list)
    delivered_s: list[float] = field(default_factory=list)
    refused: int = 0
    missing: int = 0
    repeated_attempts: int = 0
    blamed: int = 0
    longest_unfed_s: float = 0
    memory: int = 0


@dataclass(slots=True)
class Watch:
    """A neighbour under watch; `seen` is whole when its block has been left."""

    seen: Seen = field(default_factory=Seen)


@asynccontextmanager
async def watched_neighbour(daemon: DaemonProcess, host: str = "127.0.0.1") -> AsyncIterator[Watch]:
    """Run a neighbour whose webhooks name `host` for this block. Start the daemon with `environment=WATCHDOG`."""
    watch = Watch()
    command = [sys.executable, "-m", "tests.security.neighbour", daemon.installation.url]
    process = await trio.lowlevel.open_process(
        [*command, str(daemon.installation.state_dir / "operator.key"), host],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_environment({}), cwd=REPOSITORY,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert await process.stdout.receive_some(6) == b"ready\n"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_time_watchdog, daemon, watch)
            yield watch
            await process.stdin.aclose()
            said = json.loads(b"".join([data async for data in process.stdout]))
            nursery.cancel_scope.cancel()
        unfed_s = watch.seen.longest_unfed_s
        watch.seen = Seen(**{**said, "longest_unfed_s": unfed_s, "memory": _peak_bytes(daemon.process.pid)})
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await process.wait()
        await trio.aclose_forcefully(process.stdout)


def check_neighbour(seen: Seen, *, slack: float = 1) -> None:
    """Assert what each team is promised, whatever another one does (contract "Budgets of a team").

    Times may be `slack` times as long, for a machine that does other things, too.
    """
    assert len(seen.accepted_s) > 10, "it went on submitting"
    assert (seen.refused, seen.missing, seen.repeated_attempts, seen.blamed) == (0, 0, 0, 0)
    assert percentile(seen.accepted_s, 0.99) < 0.25 * slack
    assert percentile(seen.delivered_s, 0.99) < 1 * slack
    assert seen.longest_unfed_s < WATCHDOG_S * slack
    assert seen.memory < 200 * MIB


def figures(seen: Seen) -> str:
    """Return one line about how the neighbour fared."""
    return (
        f"{len(seen.accepted_s)} submissions, p99 {percentile(seen.accepted_s, 0.99) * 1000:.0f} ms to the 202 and "
        f"{percentile(seen.delivered_s, 0.99) * 1000:.0f} ms to the receiver, {seen.refused} refused, {seen.blamed} "
        f"blamed; watchdog unfed for {seen.longest_unfed_s:.1f} s at most; {seen.memory // MIB} MiB"
    )


async def _time_watchdog(daemon: DaemonProcess, watch: Watch) -> None:
    fed, since = daemon.notices.count("WATCHDOG=1"), trio.current_time()
    try:
        while True:
            await daemon.noticed("WATCHDOG=1", fed + 1)
            now = trio.current_time()
            watch.seen.longest_unfed_s = max(watch.seen.longest_unfed_s, now - since)
            fed, since = daemon.notices.count("WATCHDOG=1"), now
    finally:
        watch.seen.longest_unfed_s = max(watch.seen.longest_unfed_s, trio.current_time() - since)


def _peak_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [peak] = [line for line in lines if line.startswith("VmHWM:")]
    return int(peak.split()[1]) * 1024


async def _live(url: str, key: str, host: str) -> Seen:
    """Register, submit until stdin is closed, wait for what is still on its way; return what was seen."""
    seen, sent_at = Seen(), dict[int, float]()
    async with make_patient_client(url, key, 30) as http, open_receiver(name=host) as receiver:
        await _register(http, receiver)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_note_arrivals, receiver, sent_at, seen)
            await _submit_until_told(http, seen, sent_at)
            with trio.move_on_after(_LAST_DELIVERY_S):
                await receiver.received_in_time(len(sent_at) * _WEBHOOKS)
            nursery.cancel_scope.cancel()
        seen.missing = len(sent_at) * _WEBHOOKS - len(seen.delivered_s)
        seen.blamed = await _failures(http)
    return seen


async def _register(http: httpx.AsyncClient, receiver: Receiver) -> None:
    (await http.post("/v1/teams", json={"id": _TEAM, "name": "Neighbour", "notificationEmails": []})).raise_for_status()
    for number in range(_WEBHOOKS):
        webhook = {"teamId": _TEAM, "name": f"Healthy {number}", "url": f"{receiver.url}/{number}", "events": ["*"]}
        (await http.post("/v1/webhooks", json=webhook)).raise_for_status()


async def _submit_until_told(http: httpx.AsyncClient, seen: Seen, sent_at: dict[int, float]) -> None:
    number = 0
    async with trio.open_nursery() as submissions, trio.open_nursery() as listening:
        told = trio.Event()
        listening.start_soon(_until_stdin_ends, told)
        while not told.is_set():
            submissions.start_soon(partial(_submit, http, number, seen, sent_at))
            number += 1
            with trio.move_on_after(_EACH_S):
                await told.wait()


async def _until_stdin_ends(told: trio.Event) -> None:
    await trio.lowlevel.wait_readable(sys.stdin)
    told.set()


async def _submit(http: httpx.AsyncClient, number: int, seen: Seen, sent_at: dict[int, float]) -> None:
    sent_at[number] = started = trio.current_time()
    event = {"event": "linkedin.message.sent", "teamId": _TEAM, "data": {"n": number}}
    answer = await http.post("/v1/events", json=event)
    if answer.status_code == 202:
        seen.accepted_s.append(trio.current_time() - started)
    else:
        seen.refused += 1
        del sent_at[number]


async def _note_arrivals(receiver: Receiver, sent_at: dict[int, float], seen: Seen) -> None:
    noted = 0
    while True:
        for request in (await receiver.received_in_time(noted + 1))[noted:]:
            noted += 1
            _note(request, sent_at, seen)


def _note(request: ReceivedRequest, sent_at: dict[int, float], seen: Seen) -> None:
    number = json.loads(request.body)["data"]["n"]
    seen.repeated_attempts += request.header("X-Kakiyo-Attempt") != "1"
    seen.delivered_s.append(trio.current_time() - sent_at[number])


async def _failures(http: httpx.AsyncClient) -> int:
    answer: dict[str, Any] = (await http.get("/v1/webhooks", params={"teamId": _TEAM})).json()
    return sum(item["consecutiveFailures"] + (not item["active"]) for item in answer["items"])


def main() -> None:
    """Run a neighbour; its last line is what it saw, as JSON."""
    url, key_file, host = sys.argv[1:]
    seen = trio.run(_live, url, Path(key_file).read_text("ascii").strip(), host)
    print(json.dumps(asdict(seen)), flush=True)


if __name__ == "__main__":
    main()
