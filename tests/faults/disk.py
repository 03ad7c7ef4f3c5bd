"""Disks that fail: a small file system, a limit on the size of files, a process without privileges."""

import errno
import hashlib
import io
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """Mount a tmpfs of this size on `directory`. Skips the test without the rights to do so."""
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(directory)]
    mounted = subprocess.run(["mount", *options], capture_output=True, check=False) if _can_mount() else None
    if mounted is None or mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def make_read_only(mounted: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)


def _can_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as ballast:
        while _write(ballast, bytes(4096)):
            pass


def _write(file: io.FileIO, data: bytes) -> bool:
    """Write, unless the disk is full."""
    try:
        return bool(file.write(data))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return False
        raise


def without_privileges(command: list[str]) -> list[str]:
    """Return the command as one to which file modes apply, even when root runs it."""
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to give its privileges up")
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
