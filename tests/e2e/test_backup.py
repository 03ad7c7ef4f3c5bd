"""A backup of a busy daemon, and a daemon that continues from it elsewhere."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
from standardwebhooks import Webhook

from daemon.crypto.encryption_keys import ENCRYPTION_KEY
from daemon.maintenance.state_dir import DATABASE
from tests.bench.filling import fill_history, fill_webhooks
from tests.e2e.conftest import MakeInstallation
from tests.e2e.deadline import ends_within
from tests.e2e.operating import Gate, Operator, operated
from tests.faults.evidence import open_read_only
from tests.faults.impossible_rows import ALWAYS, AT_REST, find_impossible_rows
from tests.support.forked import run_forked
from tests.support.process import Installation, clean_environment
from tests.support.receivers import open_receiver

SUBMITTERS = 4
OLD_DELIVERIES = 3_000
# So many are acknowledged before the backup begins.
FIRST = 60


async def command(installation: Installation, name: str, file: Path) -> Any:
    """Run a command on the installation to its end; return the object that it printed."""
    options = ["--config", str(installation.config), "--state-dir", str(installation.state_dir), "--json"]
    ended = await run_forked([name, str(file), *options], environment=clean_environment({}))
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


class Submitting:
    """Submits event after event over some connections until it is told to stop; keeps what was acknowledged."""

    def __init__(self, operator: Operator) -> None:
        self.acknowledged: list[str] = []
        self.reached = trio.Event()
        self._operator = operator
        self._stopped = False

    async def run(self) -> None:
        while not self._stopped:
            self.acknowledged += await self._operator.submit(len(self.acknowledged))
            if len(self.acknowledged) >= FIRST:
                self.reached.set()

    def stop(self) -> None:
        self._stopped = True


async def back_up_under_load(operator: Operator, file: Path) -> list[str]:
    """Take a backup in the middle of submissions and deliveries; return what had been acknowledged when it began."""
    load = Submitting(operator)
    async with trio.open_nursery() as nursery:
        for _ in range(SUBMITTERS):
            nursery.start_soon(load.run)
        await load.reached.wait()
        before, delivered = list(load.acknowledged), operator.daemon.ended_deliveries
        await command(operator.daemon.installation, "backup", file)
        assert len(load.acknowledged) > len(before), "submissions went on"
        assert operator.daemon.ended_deliveries > delivered, "deliveries went on"
        load.stop()
    return before


def impossible_rows(connection: sqlite3.Connection, *, at_rest: bool = False) -> list[str]:
    return find_impossible_rows(connection, {**ALWAYS, **(AT_REST if at_rest else {})})


@pytest.mark.fault(
    "A busy daemon is backed up, and lost with its disk; the backup is restored elsewhere",
    "Every event acknowledged before the backup is there, what was pending is delivered, credits and ledger agree",
)
@ends_within(40)
async def test_a_daemon_continues_from_a_backup_taken_under_load(
    new_installation: MakeInstallation, tmp_path: Path
) -> None:
    lost, found, file, gate = new_installation(), new_installation(), tmp_path / "backup.db", Gate()
    fill_history(
        lost.state_dir, old := fill_webhooks(lost.state_dir, ["http://127.0.0.1:9/"] * 10), OLD_DELIVERIES // len(old)
    )
    async with open_receiver() as healthy, open_receiver(gate) as slow:
        async with operated(lost) as operator:
            await operator.make_team()
            made = [await operator.make_webhook(url, secret="generate") for url in (healthy.url, slow.url)]
            before = await back_up_under_load(operator, file)
            await operator.daemon.kill()

        found.state_dir.mkdir(mode=0o700)
        shutil.copy(lost.state_dir / ENCRYPTION_KEY, found.state_dir)
        restored = await command(found, "restore", file)
        assert (restored["encryptionKey"], restored["kept"]) == ("fits", None)
        with closing(open_read_only(found.state_dir / DATABASE)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            assert impossible_rows(connection) == []
            assert {row[0] for row in connection.execute("SELECT id FROM events")} >= set(before)
        assert restored["pendingDeliveries"] >= len(before), "of the slow webhook"

        gate.opened.set()
        known = len(slow.requests)
        async with operated(found, confidential=[webhook["secret"] for webhook in made]) as operator:
            await operator.until_nothing_is_pending()
            arrived = slow.requests[known:]
            assert len(arrived) >= len(before)
            for request in arrived:
                Webhook(made[1]["secret"]).verify(
                    request.body, {name.lower(): value for name, value in request.headers}
                )
            succeeded = await operator.deliveries(teamId="acme", status="succeeded")
        assert {each["eventId"] for each in succeeded if each["webhookId"] == made[1]["id"]} >= set(before)
        with closing(open_read_only(found.state_dir / DATABASE)) as connection:
            assert impossible_rows(connection, at_rest=True) == []
