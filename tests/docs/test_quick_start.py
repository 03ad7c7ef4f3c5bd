"""The quick starts of README and of docs/getting-started.md, played word for word."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tests.docs.pages import Block, blocks, section
from tests.docs.sources import ROOT
from tests.support.programs import plain_environment, program

DONE = "-- the block is done --"
PROGRAM = ".venv/bin/kakiyo-webhooks"


@dataclass(frozen=True)
class Terminal:
    """A program in a terminal of its own."""

    process: "subprocess.Popen[str]"

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def type(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def read_until(self, wanted: str) -> str:
        """Return the lines up to the one that holds `wanted`."""
        lines: list[str] = []
        for line in self.output:
            lines.append(line)
            if wanted in line:
                return "".join(lines)
        raise AssertionError(f"{wanted!r} never came, but:\n{''.join(lines)}")

    def read_lines(self, count: int) -> str:
        return "".join(self.output.readline() for _ in range(count))


@dataclass(frozen=True)
class Place:
    """Where the test plays: what the page names on the left stands on the right for it."""

    replacements: dict[str, str]

    def here(self, text: str) -> str:
        for name, replacement in self.replacements.items():
            text = text.replace(name, replacement)
        return text


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(
        {
            PROGRAM: f"{sys.executable} -m daemon",
            "/tmp/kakiyo": str(tmp_path / "state"),
            "127.0.0.1:8480": f"127.0.0.1:{free_port()}",
            "9000": str(free_port()),
        }
    )


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("README.md", "Five minutes to a delivery"),
        ("docs/getting-started.md", "Five minutes from nothing to a delivery"),
    ],
)
def test_five_minutes_lead_from_nothing_to_a_delivery(place: Place, page: str, title: str) -> None:
    program("curl")
    steps = pair_up(blocks(section(page, title)))
    with ExitStack() as open_terminals:
        shell = open_terminals.enter_context(terminal("bash", "-eo", "pipefail"))
        terminals: dict[str, Terminal] = {}
        for command, shown in steps:
            if " serve " in command:
                terminals["serve"] = open_terminals.enter_context(terminal(*started(place, command)))
                assert_shown(place, shown[:1], terminals["serve"].read_until("daemon_ready"))
            elif " listen " in command:
                terminals["listen"] = open_terminals.enter_context(terminal(*place.here(command).split()))
                terminals["listen"].read_until("Listening on")
            else:
                shell.type(f"{place.here(command)}\necho '{DONE}'\n")
                assert_shown(place, shown[:1], shell.read_until(DONE).removesuffix(f"{DONE}\n"))
            if len(shown) == 2:
                assert_shown(place, shown[1:], terminals["listen"].read_lines(shown[1].count("\n")))
                terminals["serve"].read_until("delivery_succeeded")
    assert set(terminals) == {"serve", "listen"}
    assert terminals["serve"].process.returncode == 0


def pair_up(found: list[Block]) -> list[tuple[str, list[str]]]:
    """Return each shell block with what the page shows of its output, and of its effect elsewhere."""
    steps: list[tuple[str, list[str]]] = []
    for block in found:
        if block.language == "sh":
            steps.append((block.text, []))
        else:
            steps[-1][1].append(block.text)
    return steps


def started(place: Place, command: str) -> list[str]:
    """The daemon's command, listening where this test may; the page relies on the default."""
    return [*place.here(command).split(), "--bind", place.replacements["127.0.0.1:8480"]]


def assert_shown(place: Place, shown: list[str], actual: str) -> None:
    """Compare, but for white space; `…` on the page stands for what differs from run to run.

    A page need not show what a command prints.
    """
    for text in shown:
        pattern = ".+?".join(re.escape(squeezed(part)) for part in place.here(text).split("…"))
        assert re.fullmatch(pattern, squeezed(actual)), f"the page shows:\n{text}\nbut it is:\n{actual}"


def squeezed(text: str) -> str:
    return "".join(text.split())


@contextmanager
def terminal(*command: str) -> Iterator[Terminal]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=plain_environment(KAKIYO_WEBHOOKS_LOG__FORMAT="console"),  # as in a terminal
    )
    with process:
        try:
            yield Terminal(process)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
