"""A database with cells that no version of ours writes: what the commands and the daemon make of it."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from daemon.config.settings import Settings
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE
from tests.cli.conftest import Run, run  # noqa: F401 - the fixture
from tests.e2e.conftest import installation, new_installation  # noqa: F401 - fixtures
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.faults.test_database_file import fill_a_database, refused
from tests.store.filling import accept, found
from tests.support.process import Installation

CHANGES = {
    "table webhooks, row 1: the column events": "UPDATE webhooks SET events = '[1'",
    "table deliveries, row 2: the column status": "UPDATE deliveries SET status = 'lost' WHERE seq = 2",
    "table deliveries, row 3: the column created_at": "UPDATE deliveries SET created_at = 'noon' WHERE seq = 3",
    "table events, row 1: the column id": "UPDATE events SET id = x'00' WHERE seq = 1",
}
LATER = (
    "UPDATE attempts SET headers = '{', outcome = 'lost' WHERE delivery_seq = 1",
    "UPDATE deliveries SET status = 'lost' WHERE seq = 2",
    "UPDATE events SET accepted_at = 'noon', timestamp = 'noon' WHERE seq = 3",
    "UPDATE credit_entries SET created_at = x'00'",
    "UPDATE webhook_hours SET succeeded = 'many'",
    "UPDATE credit_days SET consumed = 'much'",
)
DAMAGED_EVENT = "table events, row 3: the column timestamp does not hold a time: run doctor, and restore a backup"
READS = {
    "/v1/deliveries": 200,
    "/v1/deliveries?limit=200": 503,
    "/v1/deliveries/dlv_0_wh_1": 503,
    "/v1/deliveries/dlv_1_wh_1": 503,
    "/v1/deliveries/dlv_5_wh_1": 200,
    "/v1/events/evt_2": 503,
    "/v1/credits/entries?teamId=team_1": 503,
    "/v1/webhooks": 200,
    "/console/": 303,
    "/metrics": 200,
}


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(("cell", "statement"), CHANGES.items(), ids=ascii)
def test_restore_backup_and_doctor_name_the_cell(run: Run, tmp_path: Path, cell: str, statement: str) -> None:  # noqa: F811 - the fixture
    state, backup = tmp_path / "state", tmp_path / "backup.db"
    state.mkdir(mode=0o700)
    opened = open_sealed_database(Settings(state_dir=state))
    found(opened.database)
    accept(opened.database, range(3))
    opened.database.close()
    assert run("backup", str(backup), "--state-dir", str(state)).code == 0
    change(backup, statement)
    ended = [run("restore", str(backup), "--state-dir", str(state))]
    change(state / DATABASE, statement)
    ended += [run("backup", str(tmp_path / "new.db"), "--state-dir", str(state))]
    for one in ended:
        assert (one.code, one.err.count("\n")) == (2, 1), one.err
        assert cell in one.err
    checks = json.loads(run("doctor", "--json", "--state-dir", str(state)).out)["checks"]
    [database] = [check for check in checks if check["name"] == "database"]
    assert database["verdict"] == "failed"
    assert cell in database["message"]
    assert not [check for check in checks if "bug" in check["advice"]]


@pytest.mark.fault(
    "A daemon starts on a database with cells that no version of ours writes",
    "It refuses what it would read as a whole; what meets another one is answered with 503, without a traceback",
)
@ends_within(60)
async def test_a_daemon_on_wrong_cells_says_a_sentence_and_no_traceback(installation: Installation) -> None:  # noqa: F811 - the fixture
    path = fill_a_database(installation)
    change(path, *LATER)
    async with operated(installation) as operator:
        for target, status in READS.items():
            answer = await operator.http.get(target)
            assert answer.status_code == status, (target, answer.text)
        refusals = list(READS.values()).count(503)
        told = await operator.daemon.logged("request_failed", refusals, method="GET")
        assert ("/v1/events/{event_id}", DAMAGED_EVENT) in {(line["path"], line["error"]) for line in told}
        await operator.make_webhook("http://127.0.0.1:9/hook", team_id="team_1")
        lines = [line for line in operator.daemon.stderr if b"Traceback" in line or b"internal_error" in line]
        assert lines == []
    change(path, "UPDATE webhooks SET events = '[1'")
    sentence = await refused(installation)
    assert "table webhooks, row 1: the column events does not hold a JSON array of texts" in sentence
