"""A whole daemon among receivers from hell, under its real deadline.

`python -m tests.faults.hell_daemon` tries them all. Each fiend is the receiver of a webhook of its own, all at once:
what one does must not show at another.
"""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from daemon.domain.model import OutcomeKind
from tests.e2e.operating import Operator, operated
from tests.faults.hell import PLAIN
from tests.faults.hell_server import Fiend, Hell, running_hell
from tests.faults.hell_tls import server_contexts, under_tls
from tests.support.process import Sections, make_installation
from tests.support.tls import make_authority

DEADLINE_MS = 10_000
TOLERANCE_MS = 1_500
MEMORY_MIB = 64
_HOST = "127.0.0.1"
_RETRY_S = 0.2  # a conduct that is over by then is out of the next attempt's way
_SETTLING_S = 60


@dataclass(frozen=True, slots=True)
class Survival:
    """The result: each fiend's attempts as the API reports them, and what the daemon's process used."""

    attempts: dict[str, list[dict[str, Any]]]
    grown_mib: float
    sockets_left: int


async def survive(directory: Path, fiends: Sequence[Fiend]) -> Survival:
    """Run a daemon with a webhook at each fiend, submit one event for all, and return when all is over."""
    authority = make_authority(directory)
    contexts = server_contexts(authority, directory, _HOST)
    delivery = {"retry_delays_s": [_RETRY_S], "idle_connection_s": 0.5, "idle_actor_s": 1}
    sections: Sections = {"delivery": delivery, "egress": {"ca_file": str(authority.ca_file)}}
    installation = make_installation(directory, sections, forked=False)  # its memory is looked at
    try:
        async with AsyncExitStack() as stack:
            hells = [await stack.enter_async_context(running_hell(fiend, contexts)) for fiend in fiends]
            operator = await stack.enter_async_context(operated(installation))
            return await _survive(operator, hells)
    finally:
        installation.close()


async def _survive(operator: Operator, hells: Sequence[Hell]) -> Survival:
    process = Path(f"/proc/{operator.daemon.process.pid}")
    await operator.make_team()
    names = {(await operator.make_webhook(hell.url_at(_HOST)))["id"]: hell.fiend.name for hell in hells}
    memory, sockets = _peak_memory_mib(process), _sockets(process)
    await operator.submit(1)
    with trio.fail_after(_SETTLING_S):
        await operator.daemon.deliveries_ended(len(hells))
    grown = _peak_memory_mib(process) - memory
    deliveries = [await operator.delivery(item["id"]) for item in await operator.deliveries()]
    for hell in hells:
        hell.victim_is_gone.set()
        await hell.deserted()  # the daemon closes what is idle by itself
    left = _sockets(process) - sockets
    return Survival({names[one["webhookId"]]: one["attempts"] for one in deliveries}, grown, left)


def violations(fiends: Sequence[Fiend], survival: Survival) -> list[str]:
    """Return a sentence for each deviation from the table; there should be none."""
    found = [line for fiend in fiends for line in _violations(fiend, survival.attempts[fiend.name])]
    if survival.grown_mib > MEMORY_MIB:
        found.append(f"the daemon grew by {survival.grown_mib:.0f} MiB")
    if survival.sockets_left > 0:
        found.append(f"{survival.sockets_left} sockets were left open")
    return found


def _violations(fiend: Fiend, attempts: Sequence[dict[str, Any]]) -> list[str]:
    outcomes = [(attempt["outcome"], attempt["status"]) for attempt in attempts]
    healed = [] if fiend.outcome is OutcomeKind.DELIVERED else [("delivered", 200)]
    if outcomes not in [[(kind, fiend.status), *healed] for kind in (fiend.outcome, fiend.or_else)]:
        return [f"{fiend.name}: {outcomes} in place of {fiend.outcome}, {fiend.status}"]
    late = [one["durationMs"] for one in attempts if one["durationMs"] > DEADLINE_MS + TOLERANCE_MS]
    early = fiend.outcome is OutcomeKind.TIMEOUT and attempts[0]["durationMs"] < DEADLINE_MS
    return [f"{fiend.name}: took {attempts[0]['durationMs']} ms"] if late or early else []


def _peak_memory_mib(process: Path) -> float:
    lines = (process / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _sockets(process: Path) -> int:
    return sum("socket:" in str(file.readlink()) for file in (process / "fd").iterdir())


def main() -> None:
    """Run the whole table, and print the result. Exit code 1 if anything deviates from the table."""
    fiends = [*PLAIN, *under_tls()]
    sys.stdout.write(f"{len(fiends)} receivers from hell, all at once, under a deadline of 10 s ...\n")
    with tempfile.TemporaryDirectory() as directory:
        survival = trio.run(survive, Path(directory), fiends)
    found = violations(fiends, survival)
    sys.stdout.write("".join(f"WRONG: {line}\n" for line in found))
    attempts = sum(map(len, survival.attempts.values()))
    sys.stdout.write(f"{attempts} attempts, {survival.grown_mib:.1f} MiB more memory, {len(found)} violations\n")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
