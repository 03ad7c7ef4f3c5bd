"""The client: wrk, which sends the next request on each connection as soon as the last one is answered."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import run_json
from tests.bench.usage import usage_of
from tests.bench.workbench import middle

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True, slots=True)
class Target:
    """Which process to load, and where it listens."""

    pid: int
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of load came to: requests, its seconds, and the CPU seconds of the target."""

    requests: int
    seconds: float
    cpu_s: float


async def post(target: Target, path: str, bodies: Path, connections: int, seconds: int) -> Load:
    """POST the lines of `bodies` over so many connections for so long. Raises RuntimeError if any is not taken."""
    options = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s", "--timeout", "10s"]
    command = ["wrk", *options, "--script", str(_SCRIPT), target.url + path, "--", str(bodies), target.key]
    before = usage_of(target.pid).cpu_s
    done = await run_json(command)
    if done["failed"]:
        raise RuntimeError(f"{path}: {done['failed']} of {done['requests']} requests failed: look at the daemon's log")
    return Load(done["requests"], done["seconds"], usage_of(target.pid).cpu_s - before)


def rate(loads: Sequence[Load]) -> float:
    """Return requests per second, the median of the rounds."""
    return middle([load.requests / load.seconds for load in loads])


def cpu_us(loads: Sequence[Load]) -> float:
    """Return the target's CPU microseconds per request, the median of the rounds."""
    return middle([load.cpu_s / load.requests * 1e6 for load in loads])
