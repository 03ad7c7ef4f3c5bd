"""A machine with a real systemd, booted over a throw-away copy of this one (architecture "A real systemd in tests").

    with booted(directory, layers=[installed]) as machine:
        machine.run("systemctl", "start", "kakiyo-webhooks")

Needs root, and what `missing` looks for. Nothing that happens in there outlives it, but for what is in its `upper`
directory. Not enforced in there, so that nothing is to be tested of it: MemoryMax, TasksMax, LimitNOFILE above 20000.
"""

import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

_BOOT = Path(__file__).parent / "boot.sh"
_SYSTEMD = Path("/lib/systemd/systemd")
_PROGRAMS = ("unshare", "nsenter", "ip", "systemctl", "journalctl", "pivot_root")
_BOOTS_WITHIN_S = 20
_UMASK = 0o022
_CREDENTIALS = struct.Struct("3i")  # of unix(7): process, user, group
# Of the machine as it is, these are not wanted: they would change what belongs to all machines on this kernel, or wait
# for devices and people.
_MASKED = (
    "console-getty.service", "dbus.service", "dbus.socket", "dev-hugepages.mount", "dev-mqueue.mount", "getty.target",
    "proc-sys-fs-binfmt_misc.automount", "sys-fs-fuse-connections.mount", "sys-kernel-config.mount",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "systemd-binfmt.service", "systemd-hwdb-update.service",
    "systemd-journald-audit.socket", "systemd-logind.service", "systemd-modules-load.service",
    "systemd-networkd.service", "systemd-random-seed.service", "systemd-sysctl.service", "systemd-timesyncd.service",
    "systemd-tmpfiles-clean.timer", "systemd-tmpfiles-setup-dev.service", "systemd-tmpfiles-setup.service",
    "systemd-udev-trigger.service", "systemd-udevd.service",
)  # fmt: skip
# What boots: sockets and services that are enabled, and nothing else of this machine's.
_DEFAULT_TARGET = """\
[Unit]
Requires=sysinit.target sockets.target
After=sysinit.target sockets.target
AllowIsolate=yes
Wants=kakiyo-webhooks.service kakiyo-webhooks.socket
"""


def missing() -> str | None:
    """Return why no machine can be booted here, None if one can."""
    if os.geteuid() != 0:
        return "it needs root"
    if not _SYSTEMD.exists():
        return f"{_SYSTEMD} is not there"
    if absent := [name for name in _PROGRAMS if shutil.which(name) is None]:
        return f"{', '.join(absent)} are not there"
    return None if _unified_hierarchy() else "there is no cgroup2 hierarchy"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that has booted: `init` is its systemd's process id out here, `upper` what differs from its layers."""

    init: int
    upper: Path
    own_network: bool

    def command(self, *command: str) -> list[str]:
        """Return the command that runs this one in there."""
        return ["nsenter", f"--target={self.init}", *_namespaces(self.own_network), "--", *command]

    def run(self, *command: str, check: bool = True, **environment: str) -> str:
        """Run a command in there to its end; return what it printed. Asserts that it ended with 0, if `check`."""
        ended = subprocess.run(
            self.command(*command), capture_output=True, text=True, check=False, timeout=300,
            env={**os.environ, **environment}, cwd="/", umask=_UMASK,
        )  # fmt: skip
        said = ended.stdout + ended.stderr
        assert not check or ended.returncode == 0, f"{command} ended with {ended.returncode}: {said}"
        return said

    def show(self, unit: str, name: str) -> str:
        """Return a property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").strip()

    def write(self, path: str, text: str) -> None:
        """Write a file in there."""
        subprocess.run(
            self.command("sh", "-c", 'mkdir -p "$(dirname "$0")" && cat >"$0"', path),
            input=text,
            text=True,
            check=True,
            umask=_UMASK,
        )

    def journal(self, *options: str) -> list[dict[str, Any]]:
        """Return lines of the journal, each with all its fields."""
        self.run("journalctl", "--sync")
        printed = self.run("journalctl", "--output=json", "--no-pager", "--quiet", *options)
        return [json.loads(line) for line in printed.splitlines()]


@contextmanager
def booted(
    base: Path,
    layers: Sequence[Path] = (),
    *,
    own_network: bool = True,
    files: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Machine]:
    """Boot a machine on `layers`, over this machine, with these `files` in their place before it boots.

    `base` is a new directory on a tmpfs, which the caller removes.
    """
    with _usual_umask():
        for name in ("upper", "work", "root"):
            (base / name).mkdir(parents=True)
        _prepare(base / "upper")
        for path, text in files.items():
            _write(base / "upper" / path.removeprefix("/"), text)
    leaf = _unified_hierarchy() / f"kakiyo-{base.name}"  # type: ignore[operator]  # `missing` has looked
    leaf.mkdir()
    lower = ":".join(map(str, (*layers, "/")))
    with _manager(base / "notify") as notices, (base / "boot.log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', str(leaf), "unshare", *_namespaces(own_network),
             "--fork", "--kill-child", str(_BOOT), str(base), lower],
            stdin=subprocess.DEVNULL, stderr=log, umask=_UMASK,
        )  # fmt: skip
        try:
            init = _pid_when_ready(notices)
            notices.close()  # systemd tells of every job that takes long, and waits for ever for who reads none of it
            with _gone_after(init):
                yield Machine(init, base / "upper", own_network)
        finally:
            process.kill()  # and with it, by --kill-child, its systemd
            process.wait()
            _remove(leaf)


@contextmanager
def _gone_after(pid: int) -> Iterator[None]:
    """Wait, at the end of the block, until this process is gone; the last of its PID namespace is the first."""
    descriptor = os.pidfd_open(pid)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        select.select([descriptor], [], [], _BOOTS_WITHIN_S)
        os.close(descriptor)


def _namespaces(own_network: bool) -> list[str]:
    return ["--mount", "--pid", "--ipc", "--uts", "--cgroup", *(["--net"] if own_network else [])]


@contextmanager
def _manager(path: Path) -> Iterator[socket.socket]:
    """What systemd tells that it has booted, like any service that has started."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
        notices.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        notices.settimeout(_BOOTS_WITHIN_S)
        notices.bind(str(path))
        yield notices


def _pid_when_ready(notices: socket.socket) -> int:
    while True:
        message, ancillary, *_ = notices.recvmsg(4096, socket.CMSG_SPACE(_CREDENTIALS.size))
        if b"READY=1" in message:
            pid, _uid, _gid = _CREDENTIALS.unpack(ancillary[0][2])
            return int(pid)


def _remove(leaf: Path) -> None:
    # The kernel is through with the processes when it lets the directories go.
    for directory in sorted((path for path in leaf.rglob("*") if path.is_dir()), reverse=True):
        directory.rmdir()
    leaf.rmdir()


@contextmanager
def _usual_umask() -> Iterator[None]:
    """As a machine has it: tests that ran a daemon in this process have left its strict one."""
    before = os.umask(_UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _prepare(upper: Path) -> None:
    units = upper / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in _MASKED:
        (units / unit).symlink_to("/dev/null")
    (units / "default.target").write_text(_DEFAULT_TARGET)
    (units / "default.target.wants").mkdir()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _unified_hierarchy() -> Path | None:
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)
