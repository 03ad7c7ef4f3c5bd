"""What a process has used so far, from /proc (proc(5))."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds of all threads (user and system), memory resident now and at its peak, in bytes."""

    cpu_s: float
    resident_bytes: int
    peak_bytes: int


def usage_of(pid: int) -> Usage:
    """Return what the process has used. CPU time comes in steps of 10 ms."""
    # The second field is the program's name in brackets, and may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return Usage((user + system) / _TICKS_PER_S, _bytes_of(status["VmRSS"]), _bytes_of(status["VmHWM"]))


def _bytes_of(kilobytes: str) -> int:
    return int(kilobytes.split()[0]) * 1024
