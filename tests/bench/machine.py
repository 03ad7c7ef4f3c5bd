"""What the bench ran on."""

import os
import platform
import shutil
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "trio", "anyio", "httpx", "httptools", "quart", "quart-trio", "hypercorn", "sqlalchemy", "structlog", "orjson",
)  # fmt: skip
PROGRAMS = ("wrk", "nginx")


def missing_programs() -> list[str]:
    """Return the programs that the bench needs and that are not on the PATH."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def describe_machine() -> dict[str, Any]:
    """Return what a reader must know to compare figures: processor, kernel, versions, date."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": {name: version(name) for name in LIBRARIES},
        "programs": {program: _program_version(program) for program in PROGRAMS},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _program_version(program: str) -> str:
    # Both print it to either stream, among other things; wrk answers with an exit code of 1.
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()[0]
