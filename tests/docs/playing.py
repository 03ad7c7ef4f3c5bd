"""Playing a page's commands in a shell, and comparing what they print with what the page shows."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from tests.docs.pages import Block
from tests.docs.sources import ROOT
from tests.support.programs import plain_environment

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
        names = "|".join(map(re.escape, self.replacements))
        return re.sub(names, lambda found: self.replacements[found[0]], text)


def pair_up(found: list[Block]) -> list[tuple[str, list[str]]]:
    """Return each shell block with what the page shows of its output, and of its effect elsewhere."""
    steps: list[tuple[str, list[str]]] = []
    for block in found:
        if block.language == "sh":
            steps.append((block.text, []))
        else:
            steps[-1][1].append(block.text)
    return steps


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
def terminal(*command: str, **environment: str) -> Iterator[Terminal]:
    """Run a program in a terminal, with these variables besides the usual ones; it is ended with the block."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=plain_environment(KAKIYO_WEBHOOKS_LOG__FORMAT="console", **environment),  # as in a terminal
    )
    with process:
        try:
            yield Terminal(process)
        finally:
            process.terminate()
            process.communicate(timeout=30)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
