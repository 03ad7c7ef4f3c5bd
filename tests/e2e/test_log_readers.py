"""The reader of the log may stall, leave or have a full disk: the daemon goes on (contract "Configuration")."""

import json
import os
import pty
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Operator, make_event
from tests.support.process import Installation, daemon_process
from tests.support.receivers import open_receiver

EVENTS = 200


@pytest.fixture
def quick_installation(new_installation: MakeInstallation) -> Installation:
    return new_installation(delivery={"stop_grace_s": 2}, log={"level": "debug", "format": "json"})


async def deliver_and_stop(installation: Installation, stderr: int, **environment: str) -> None:
    """Have a daemon with this stderr deliver EVENTS, answer /healthz and end by SIGTERM with 0."""
    async with (
        open_receiver() as receiver,
        daemon_process(installation, stderr=stderr, environment=environment) as daemon,
    ):
        headers = {"Authorization": f"Bearer {installation.read_key()}"}
        async with httpx.AsyncClient(
            base_url=installation.url, headers=headers, trust_env=False, verify=False, timeout=10
        ) as http:
            operator = Operator(daemon, http)
            await operator.make_team()
            await operator.make_webhook(receiver.url)
            with trio.fail_after(15):
                await operator.call("POST", "/v1/events/batch", [make_event(n) for n in range(EVENTS)], expect=202)
                await receiver.received(EVENTS)
                assert (await operator.call("GET", "/healthz"))["status"] == "ok"


@pytest.mark.fault(
    "Whoever reads the log stalls for good: the pipe behind stderr is full",
    "200 events are accepted and delivered, `/healthz` answers, SIGTERM ends it with 0",
)
@ends_within(60)
async def test_a_reader_of_the_log_that_stalls_stops_nothing(quick_installation: Installation) -> None:
    reader, writer = os.pipe()
    try:
        await deliver_and_stop(quick_installation, writer)
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.fault("A terminal is stopped with Ctrl-S", "the daemon goes on, and SIGTERM ends it with 0")
@ends_within(60)
async def test_a_stopped_terminal_stops_nothing(quick_installation: Installation) -> None:
    screen, terminal = pty.openpty()
    try:
        termios.tcflow(terminal, termios.TCOOFF)
        await deliver_and_stop(quick_installation, terminal)
    finally:
        os.close(screen)
        os.close(terminal)


TALKATIVE = """
import gc, os, sys, warnings
warnings.simplefilter("always")
def talk(phase, info):  # within whatever makes an object, on the event loop
    try:
        sys.modules["trio"].lowlevel.current_task()
    except (KeyError, AttributeError, RuntimeError):
        return
    warnings.warn("x" * 4096)
    print("y" * 4096)
    sys.stderr.write("z" * 4096)
gc.callbacks.append(talk)
gc.set_threshold(100)
gc.set_threshold = lambda *thresholds: None  # the daemon's own are for less
"""


@pytest.fixture
def talkative(tmp_path: Path) -> dict[str, str]:
    """An environment in which Python itself writes to stdout and stderr all the time."""
    (tmp_path / "talkative").mkdir()
    (tmp_path / "talkative" / "sitecustomize.py").write_text(TALKATIVE)
    return {"PYTHONPATH": str(tmp_path / "talkative"), "PYTHONFAULTHANDLER": "1"}


@pytest.mark.fault(
    "The pipe behind stderr is full, and Python itself has warnings to write, on the event loop",
    "They go through the log's buffer: the daemon goes on, and SIGTERM ends it with 0",
)
@ends_within(60)
async def test_what_python_itself_writes_waits_for_no_reader(
    quick_installation: Installation, talkative: dict[str, str]
) -> None:
    reader, writer = os.pipe()
    try:
        await deliver_and_stop(quick_installation, writer, **talkative)
    finally:
        os.close(reader)
        os.close(writer)


@ends_within(60)
async def test_what_python_itself_writes_is_in_the_log(
    quick_installation: Installation, talkative: dict[str, str]
) -> None:
    async with daemon_process(quick_installation, environment=talkative) as daemon:
        [line, *_] = await daemon.logged("python_message")
        assert line["level"] == "warning"
    lines = [json.loads(line) for line in daemon.stderr if line.startswith(b"{")]
    assert lines[-1]["event"] in ("daemon_stopped", "python_message")
    assert any("UserWarning: xxx" in line["text"] for line in daemon.log_lines("python_message"))


@contextmanager
def broken_pipe() -> Iterator[int]:
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@contextmanager
def opened(path: str, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize(
    "stderr",
    [broken_pipe, lambda: opened("/dev/full", os.O_WRONLY), lambda: opened("/dev/null", os.O_RDONLY)],
    ids=["its reader has left", "a full disk", "opened for reading only"],
)
@ends_within(60)
async def test_a_log_that_cannot_be_written_stops_nothing(quick_installation: Installation, stderr: Any) -> None:
    with stderr() as descriptor:
        await deliver_and_stop(quick_installation, descriptor)
