"""What a command must not import: users wait for it, and hundreds of tests start one. Judged by names, not by time."""

import gc
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from daemon.cli import main
from daemon.cli.exits import ExitCode
from tests.support.process import REPOSITORY, Installation, clean_environment, daemon_process, make_installation

TELLING = {"PYTHONPROFILEIMPORTTIME": "1"}
UNREACHABLE = "http://127.0.0.1:1"

# Each takes longer to import than Python itself takes to start.
OF_THE_DAEMON = frozenset(
    {
        "cryptography",
        "dns",
        "flask",
        "hypercorn",
        "httpx",
        "jinja2",
        "prometheus_client",
        "pydantic",
        "quart",
        "sqlalchemy",
        "structlog",
        "trio",
        "werkzeug",
    }
)
# The migrations are for older databases; the rest is of a library that uses it if it is there, or for other commands.
OF_NO_START = frozenset(
    {"alembic", "anyio", "httpcore", "mako", "markdown_it", "opentelemetry", "psycopg", "pygments", "rich"}
)
HEAVY = OF_THE_DAEMON | OF_NO_START


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    installation = make_installation(tmp_path)
    yield installation
    installation.close()


def _imported(stderr: str) -> set[str]:
    lines = (line for line in stderr.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


def _heavy(modules: set[str]) -> set[str]:
    """Which of the packages are there. Python lists what was looked for in vain, too: one or two names, never more."""
    found = Counter(module.partition(".")[0] for module in modules)
    return {package for package in HEAVY if found[package] > 2}


def _run(directory: Path, *arguments: str) -> set[str]:
    command = [sys.executable, "-m", "daemon", *arguments]
    environment = clean_environment({"HOME": str(directory), **TELLING})
    ended = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment, cwd=REPOSITORY
    )
    assert ended.returncode in (ExitCode.DONE, ExitCode.UNREACHABLE), ended.stderr
    return _imported(ended.stderr)


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["--version"], set()),
        (["--help"], set()),
        (["events", "types", "--help"], set()),
        (["listen", "--help"], set()),
        (["events", "types"], set()),
        (["teams", "list", "--api-url", UNREACHABLE, "--json"], set()),
        (["logs", "/dev/null"], {"rich"}),
        (["check-config"], {"pydantic"}),
    ],
)
def test_a_command_imports_what_it_needs_and_no_more(tmp_path: Path, arguments: list[str], needed: set[str]) -> None:
    (tmp_path / ".local/state/kakiyo-webhooks").mkdir(parents=True)
    (tmp_path / ".local/state/kakiyo-webhooks/operator.key").write_text("key")
    assert _heavy(_run(tmp_path, *arguments)) == needed


async def test_a_start_imports_what_the_daemon_needs_and_no_more(installation: Installation) -> None:
    async with daemon_process(replace(installation, forked=False), environment=TELLING) as daemon:
        imported = _imported(b"\n".join(daemon.stderr).decode())
    assert _heavy(imported) == OF_THE_DAEMON
    assert not [module for module in imported if module.startswith(("daemon.demo.", "daemon.doctor."))]


def test_a_command_that_may_run_for_long_collects_its_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting: list[bool] = []

    def look(*_: object, **__: object) -> None:
        collecting.append(gc.isenabled())

    monkeypatch.setattr("daemon.cli.log_lines.print_lines", look)
    monkeypatch.setattr("daemon.cli.settings.read_settings", look)
    for arguments in (["logs", "/dev/null"], ["check-config"]):
        with pytest.raises(SystemExit):
            main(arguments)
    assert collecting == [True, False]
    assert gc.isenabled()
