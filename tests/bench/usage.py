"""What a process has used so far, from its CPU clock (clock_getcpuclockid(3)) and from /proc (proc(5))."""

import time
from dataclasses import dataclass
from pathlib import Path

# The kernel's number of a process's clock that counts what the scheduler gave all its threads, also those that ended.
_OF_THE_SCHEDULER = 2


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of all threads (user and system), memory resident now and at its peak, in bytes."""

    cpu_s: float
    resident_bytes: int
    peak_bytes: int


def usage_of(pid: int) -> Usage:
    """Return what the process has used."""
    status = _status(Path(f"/proc/{pid}/status"))
    return Usage(cpu_s_of(pid), _bytes_of(status["VmRSS"]), _bytes_of(status["VmHWM"]))


def cpu_s_of(pid: int) -> float:
    """Return the CPU seconds that the process has used, by its own clock."""
    return time.clock_gettime(~pid << 3 | _OF_THE_SCHEDULER)


def switches_of(pid: int) -> dict[str, int]:
    """Return how often each thread that there is now has gone to sleep of itself, by the thread's number."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {thread.name: int(_status(thread / "status")["voluntary_ctxt_switches"]) for thread in threads}


def switches_between(before: dict[str, int], after: dict[str, int]) -> int:
    """Return the switches from one look to the next; a thread that ended in between takes its own with it."""
    return sum(count - before.get(thread, 0) for thread, count in after.items())


def _status(path: Path) -> dict[str, str]:
    return dict(line.split(":", 1) for line in path.read_text("utf-8").splitlines())


def _bytes_of(kilobytes: str) -> int:
    return int(kilobytes.split()[0]) * 1024
