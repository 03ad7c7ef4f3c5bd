import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from daemon.demo.errors import DemoError
from daemon.demo.process import running_daemon
from tests.support.forked_command import running_command

DEMO = [sys.executable, "-m", "daemon", "demo"]


def _processes_of(directory: Path) -> list[str]:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            lines.append((process / "cmdline").read_text())
        except OSError:
            continue  # it has just ended
    return [line for line in lines if str(directory) in line]


def test_the_demo_keeps_every_promise_within_a_minute_whatever_the_environment_says(tmp_path: Path) -> None:
    disturbing = {
        "KAKIYO_WEBHOOKS_SMTP__HOST": "smtp.invalid",
        "KAKIYO_WEBHOOKS_CREDITS__PER_DELIVERY": "7",
        "STATE_DIRECTORY": "/does/not/exist",
        "HTTP_PROXY": "http://127.0.0.1:1",
    }
    begun = time.monotonic()
    environment = {**os.environ, **disturbing, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(DEMO, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert time.monotonic() - begun < 60
    assert "13 of 13 promises kept" in ended.stdout
    assert "✗ failed, 4 attempts" in ended.stdout
    assert "\x1b" not in ended.stdout
    assert ended.stderr == ""
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_demo_and_all_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running_command("demo") as demo:
        for line in demo.stdout:
            if re.search("attempts? failed", line):
                break
        assert len(_processes_of(tmp_path)) == 1
        demo.send_signal(number)
        assert demo.wait(30) == 130
        assert "Interrupted" in demo.stdout.read()
        assert demo.stderr.read() == ""
    assert list(tmp_path.iterdir()) == []
    assert _processes_of(tmp_path) == []


def _read_until(terminal: int, wanted: str) -> str:
    seen = b""
    while wanted.encode() not in seen:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side of a terminal is gone
            break
        if not piece:
            break
        seen += piece
    return seen.decode("utf-8", "replace")


def test_a_terminal_shows_a_live_table_and_takes_ctrl_c(tmp_path: Path) -> None:
    controller, terminal = os.openpty()
    environment = {**os.environ, "TMPDIR": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "120"}
    demo = subprocess.Popen(
        DEMO, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True
    )
    os.close(terminal)
    try:
        shown = _read_until(controller, "2 failed")
        assert "Data Warehouse" in shown
        assert "deliveries have ended" in shown
        demo.send_signal(signal.SIGINT)
        assert "Interrupted" in _read_until(controller, "Interrupted")
        assert demo.wait(30) == 130
    finally:
        demo.kill()
        demo.wait()
        os.close(controller)
    assert _processes_of(tmp_path) == []


async def test_a_daemon_that_cannot_start_is_said_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "operator.key").mkdir()
    with pytest.raises(DemoError, match=r"ended at its start\. Its last words:\n.+"):
        async with running_daemon(tmp_path):
            pass
    assert _processes_of(tmp_path) == []
