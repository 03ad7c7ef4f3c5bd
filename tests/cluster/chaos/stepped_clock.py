"""`python -m tests.cluster.chaos.stepped_clock FILE serve …` is `python -m daemon serve …` with another wall clock.

FILE says by how many seconds it goes wrong; whoever writes it steps the clock. The daemon's code knows nothing of it:
what it asks the system for is changed. Trio's clock is the machine's.
"""

import mmap
import struct
import sys
import time
from pathlib import Path

from daemon.cli import main as run_command_line

_SECONDS = struct.Struct("=d")
PROGRAM = "tests.cluster.chaos.stepped_clock"


def set_clock(path: Path, seconds: float) -> None:
    """Have the clock that `path` is for go wrong by so many seconds from now on."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(_SECONDS.pack(seconds))


def _use(path: Path) -> None:
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)
    true_ns, true_s = time.time_ns, time.time

    def wrong_by() -> float:
        seconds: float = _SECONDS.unpack(shared[:])[0]
        return seconds

    # Set for good: this process has no other clock.
    time.time_ns = lambda: true_ns() + round(wrong_by() * 1e9)
    time.time = lambda: true_s() + wrong_by()


def main() -> None:
    """Run the daemon's command line."""
    _use(Path(sys.argv[1]))
    run_command_line(sys.argv[2:])


if __name__ == "__main__":
    main()
