"""A daemon under measure: a process of its own, as in production.

    installation = measured_installation(bench, "accept")
    async with measured_daemon(installation) as daemon:
        await daemon.make_team("team_0")
        ...daemon.usage()...

It logs at level info, as JSON, into `daemon.telemetry.log` beside its state directory: nobody reads that meanwhile.
"""

import signal
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.bench.processes import child
from tests.bench.revision import THIS_TREE, Tree
from tests.bench.usage import Usage, usage_of
from tests.bench.workbench import Bench
from tests.support.process import Installation, Sections, make_installation

_PREFIX = "kakiyo_webhooks_"
_START_S = 120
_STOP_S = 30
_LOOK_EACH_S = 0.2


@dataclass(frozen=True, slots=True)
class MeasuredInstallation(Installation):
    """The installation of a daemon of this or another revision."""

    tree: Tree = THIS_TREE

    @property
    def command(self) -> list[str]:
        """The command line of its daemon, which is to be run in the tree's directory."""
        return [self.tree.python, "-m", "daemon", *self.arguments]


@dataclass(frozen=True, slots=True)
class MeasuredDaemon:
    """A daemon that is ready.

    Times are `time.perf_counter()`: when it was started, and when it said READY=1; `starting` is what it had used then.
    """

    installation: MeasuredInstallation
    process: trio.Process = field(repr=False)
    http: httpx.AsyncClient = field(repr=False)
    started_at: float
    ready_at: float
    starting: Usage

    @property
    def url(self) -> str:
        return self.installation.url

    def usage(self) -> Usage:
        """Return what its process has used since it was started."""
        return usage_of(self.process.pid)

    async def counts(self) -> dict[str, float]:
        """Return its metrics without their prefix: `deliveries_total{status="succeeded"}` and the like."""
        lines = (await self._call("GET", "/metrics")).text.splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name.removeprefix(_PREFIX): float(value) for name, _, value in samples}

    async def until_succeeded(self, count: int, *, others_may_fail: bool = False, within_s: float = 300) -> None:
        """Wait until so many deliveries have succeeded since its start: it looks at /metrics five times a second.

        Raises RuntimeError when an attempt fails that may not: then the figures would be of something else.
        """
        with trio.fail_after(within_s):
            while (counts := await self.counts())['deliveries_total{status="succeeded"}'] < count:
                if not others_may_fail and (failed := _failed_attempts(counts)):
                    raise RuntimeError(f"not every first attempt succeeded: {failed}")
                await trio.sleep(_LOOK_EACH_S)

    async def make_team(self, team_id: str) -> None:
        """Make a team without notification addresses."""
        await self._call("POST", "/v1/teams", {"id": team_id, "name": team_id, "notificationEmails": []})

    async def make_webhook(self, team_id: str, url: str, secret: str | None = "generate") -> str:
        """Make a webhook that subscribes to everything; return its id."""
        secrets = {} if secret is None else {"secret": secret}
        body = {"teamId": team_id, "name": "bench", "url": url, "events": ["*"], **secrets}
        return str((await self._call("POST", "/v1/webhooks", body)).json()["id"])

    async def submit(self, events: list[dict[str, Any]]) -> None:
        """Submit events in one batch."""
        await self._call("POST", "/v1/events/batch", events)

    async def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return (await self.http.request(method, path, json=body)).raise_for_status()


def _failed_attempts(counts: Mapping[str, float]) -> dict[str, float]:
    delivered = 'attempts_total{outcome="delivered"}'
    return {name: n for name, n in counts.items() if n and name.startswith("attempts_total{") and name != delivered}


def measured_installation(bench: Bench, name: str, sections: Sections | None = None) -> MeasuredInstallation:
    """Make the installation of a daemon under measure, in a new directory of this name.

    `sections` are settings beside those of the bench itself, and those of the store that it measures with.

    What is filled into the state directory before the daemon starts is for the store to take over. Close it when the
    last of its daemons has ended.
    """
    directory = bench.fresh(name)
    own: dict[str, Mapping[str, Any]] = {"log": {"level": "info", "format": "json"}, "delivery": {"stop_grace_s": 0}}
    for each in (bench.store.make(directory / "state"), sections or {}):
        for section, settings in each.items():
            own[section] = {**own.get(section, {}), **settings}
    installation = make_installation(directory, own)
    return MeasuredInstallation(
        **{each.name: getattr(installation, each.name) for each in fields(installation)}, tree=bench.tree
    )


@asynccontextmanager
async def measured_daemon(installation: MeasuredInstallation) -> AsyncIterator[MeasuredDaemon]:
    """Run a daemon that is ready; leaving the block stops it with SIGTERM. RuntimeError unless it ends with 0."""
    log_path = installation.state_dir.parent / "daemon.telemetry.log"
    # The service manager's socket: its buffer holds the few lines that are told after READY=1.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, log_path.open("ab") as log:
        manager.bind("")  # Linux gives it an abstract name
        notify = {"NOTIFY_SOCKET": "@" + manager.getsockname()[1:].decode()}
        started_at = time.perf_counter()
        async with child(
            installation.command, stderr=log, environment=notify, directory=installation.tree.directory
        ) as process:
            await _until_ready(process, trio.socket.from_stdlib_socket(manager.dup()), log_path)
            ready_at, starting = time.perf_counter(), usage_of(process.pid)
            headers = {"Authorization": f"Bearer {installation.read_key()}"}
            async with httpx.AsyncClient(
                base_url=installation.url, headers=headers, trust_env=False, timeout=30
            ) as http:
                yield MeasuredDaemon(installation, process, http, started_at, ready_at, starting)
            process.send_signal(signal.SIGTERM)
            with trio.fail_after(_STOP_S):
                code = await process.wait()
            if code:
                raise _ended(process, log_path)


async def _until_ready(process: trio.Process, manager: trio.socket.SocketType, log_path: Path) -> None:
    async def fail_at_its_end() -> None:
        await process.wait()
        raise _ended(process, log_path)

    with manager, trio.fail_after(_START_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fail_at_its_end)
            while "READY=1" not in (await manager.recv(4096)).decode().split("\n"):
                pass
            nursery.cancel_scope.cancel()


def _ended(process: trio.Process, log_path: Path) -> RuntimeError:
    last_lines = "\n".join(log_path.read_text("utf-8", "replace").splitlines()[-20:])
    return RuntimeError(f"the daemon ended with {process.returncode}:\n{last_lines}")
