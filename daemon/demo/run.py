"""The demo from its first line to its last: set up, play, watch, judge, clean up."""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from rich.console import Console

from daemon.demo import display
from daemon.demo.api import Api, http_client
from daemon.demo.checks import Check, check_everything, check_exit
from daemon.demo.errors import DemoError
from daemon.demo.observation import Observation, look_at_deliveries, look_at_everything, read_emails
from daemon.demo.process import DaemonProcess, last_words, running_daemon
from daemon.demo.receiver import serve_receiver, with_status
from daemon.demo.scenario import Receiver, open_receivers, refused_port, set_up, submit_events
from daemon.demo.watching import watch

_LONGEST_S = 50
_MAIL_S = 5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNFOLDED = 160


async def run_demo() -> int:
    """Run the demo and return its exit code: 0 when all is as the contract says, 1 when not, 130 when interrupted."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_UNFOLDED)
    exit_code = 130
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_at_signal, nursery.cancel_scope)
        with tempfile.TemporaryDirectory(prefix="kakiyo-demo-") as directory:
            exit_code = await _perform(console, Path(directory))
        nursery.cancel_scope.cancel()
    if exit_code == 130:
        console.print("[yellow]Interrupted: the daemon and the receivers are stopped.[/]")
    return exit_code


async def _cancel_at_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(*_SIGNALS) as signals:
        async for _ in signals:
            scope.cancel()


async def _perform(console: Console, state_dir: Path) -> int:
    console.print(display.introduction())
    with refused_port() as down_port:
        receivers = await open_receivers(down_port)
        async with _served(receivers):
            try:
                seen, exit_code = await _play(console, state_dir, receivers)
            except DemoError as error:
                console.print(str(error), style="red", markup=False)
                return 1
    checks = [*check_everything(seen), check_exit(exit_code)]
    _conclude(console, seen, checks)
    if all(check.kept for check in checks):
        return 0
    console.print(f"The daemon's last words:\n{last_words(state_dir)}", markup=False, soft_wrap=True)
    return 1


async def _play(console: Console, state_dir: Path, receivers: tuple[Receiver, ...]) -> tuple[Observation, int | None]:
    async with running_daemon(state_dir) as daemon:
        seen = await _observe(console, daemon, receivers)
    return seen, daemon.exit_code


@asynccontextmanager
async def _served(receivers: tuple[Receiver, ...]) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for receiver in receivers:
            if receiver.listener is not None:
                nursery.start_soon(serve_receiver, receiver.listener, with_status(receiver.answer))
        yield
        nursery.cancel_scope.cancel()


async def _observe(console: Console, daemon: DaemonProcess, receivers: tuple[Receiver, ...]) -> Observation:
    async with http_client(daemon.base_url, daemon.read_key()) as http:
        api = Api(http)
        webhooks = await set_up(api, receivers)
        events = await submit_events(api)
        with trio.move_on_after(_LONGEST_S):
            await watch(console, lambda: look_at_deliveries(api), webhooks=webhooks, events=events)
        with trio.move_on_after(_MAIL_S):
            await _wait_for_email(daemon.state_dir)
        return await look_at_everything(api, daemon.state_dir, webhooks=webhooks, events=events)


async def _wait_for_email(state_dir: Path) -> None:
    while not read_emails(state_dir):  # noqa: ASYNC110 - another process writes it: there is no event to wait for
        await trio.sleep(0.1)


def _conclude(console: Console, seen: Observation, checks: list[Check]) -> None:
    console.print(display.summary(seen))
    console.print(display.verdict(checks))
    console.print(display.commands_to_try(_program()), soft_wrap=True)


def _program() -> str:
    """Return how a shell here calls this command: from a virtual environment that is not active, by its path."""
    if shutil.which("kakiyo-webhooks"):
        return "kakiyo-webhooks"
    installed = Path(sys.executable).with_name("kakiyo-webhooks")
    return os.path.relpath(installed) if installed.exists() else f"{sys.executable} -m daemon"
