"""Child processes of the bench: none outlives the block that it was started in."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import trio

from tests.support.process import REPOSITORY, clean_environment

_START_S = 20
_END_S = 5

Output = int | IO[bytes]


@asynccontextmanager
async def child(
    command: Sequence[str],
    *,
    stdin: Output = subprocess.DEVNULL,
    stdout: Output = subprocess.DEVNULL,
    stderr: Output | None = None,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    directory: Path = REPOSITORY,
) -> AsyncIterator[trio.Process]:
    """Run a program in this directory until the block is left; what still runs then is killed."""
    process = await trio.lowlevel.open_process(
        list(command), stdin=stdin, stdout=stdout, stderr=stderr, pass_fds=pass_fds,
        env=clean_environment(environment or {}), cwd=directory,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _END_S):
            await process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                await trio.aclose_forcefully(stream)


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the bench's own, in its process: it says its port when it listens."""

    process: trio.Process
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def finish(self) -> Any:
        """Close its stdin, which tells it to end, and return the JSON that it says then."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        await self.process.stdin.aclose()
        return json.loads(b"".join([data async for data in self.process.stdout]))


@asynccontextmanager
async def server(module: str, *arguments: str) -> AsyncIterator[Server]:
    """Run a module of this package that serves; it prints `{"port": …}` in a line when it listens."""
    async with child(python(module, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = b""
        with trio.fail_after(_START_S):
            while not line.endswith(b"\n"):
                data = bytes(await process.stdout.receive_some(1))
                assert data, f"{module} ended before it listened"
                line += data
        yield Server(process, json.loads(line)["port"])


async def run_json(command: Sequence[str]) -> Any:
    """Run a program to its end and return the JSON of the last line that it printed. Fails if the program does."""
    done = await trio.run_process(list(command), capture_stdout=True, env=clean_environment({}), cwd=REPOSITORY)
    return json.loads(done.stdout.splitlines()[-1])


def python(module: str, *arguments: str) -> list[str]:
    """Return the command line of a module of this package."""
    return [sys.executable, "-m", f"tests.bench.{module}", *arguments]
