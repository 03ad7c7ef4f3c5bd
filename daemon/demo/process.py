"""The demo's daemon: a real one, in a process of its own, on a state directory of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import trio

from daemon.demo.errors import DemoError

_LOG = "daemon.telemetry.log"
_START_S = 20
# Longer than the grace that the daemon gives its own attempts in flight.
_STOP_S = 25
_NOT_THE_DEMOS = ("STATE_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID")


@dataclass(frozen=True, slots=True)
class DaemonProcess:
    """A daemon that runs; `exit_code` is None until it has ended."""

    state_dir: Path
    base_url: str
    process: trio.Process = field(repr=False)

    @property
    def exit_code(self) -> int | None:
        """The exit code once it has ended; below 0 when a signal killed it."""
        return self.process.returncode

    def read_key(self) -> str:
        """Return the operator key that the daemon made at its start."""
        return (self.state_dir / "operator.key").read_text("ascii").strip()


@asynccontextmanager
async def running_daemon(state_dir: Path) -> AsyncIterator[DaemonProcess]:
    """Give a daemon that is ready; end it with SIGTERM and wait for it, whatever happens inside.

    Raises DemoError, with the last lines of its log, when it does not get ready.
    """
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "daemon",
        "serve",
        "--dev",
        "--state-dir",
        state_dir,
        "--bind",
        f"127.0.0.1:{port}",
    ]
    with (state_dir / _LOG).open("wb") as stderr:
        process = await trio.lowlevel.open_process(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=stderr,
            stderr=stderr,
            env=_environment(os.environ),
            cwd=Path(__file__).parent.parent.parent,  # `-m` looks there first: it must find this package and no other
            process_group=0,  # Ctrl-C goes to the demo, which then stops the daemon
        )
    daemon = DaemonProcess(state_dir, f"http://127.0.0.1:{port}", process)
    try:
        await _wait_until_ready(daemon)
        yield daemon
    finally:
        await _stop(process)


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Leave out what would configure the demo's daemon: a real SMTP server, for one."""
    return {
        name: value
        for name, value in inherited.items()
        if not name.startswith("KAKIYO_WEBHOOKS_") and name not in _NOT_THE_DEMOS
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _wait_until_ready(daemon: DaemonProcess) -> None:
    with trio.move_on_after(_START_S):
        async with httpx.AsyncClient(base_url=daemon.base_url, trust_env=False) as http:
            while daemon.process.poll() is None:
                if await _is_ready(http):
                    return
                await trio.sleep(0.1)
    ended = "ended at its start" if daemon.process.poll() is not None else f"was not ready within {_START_S} s"
    raise DemoError(f"The daemon {ended}. Its last words:\n{last_words(daemon.state_dir)}")


def last_words(state_dir: Path) -> str:
    """Return the last lines of the daemon's log."""
    return "\n".join((state_dir / _LOG).read_text("utf-8", "replace").splitlines()[-15:])


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).is_success
    except httpx.TransportError:
        return False


async def _stop(process: trio.Process) -> None:
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _STOP_S) as patience:
        process.terminate()
        await process.wait()
    if patience.cancelled_caught:
        process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
            await process.wait()
