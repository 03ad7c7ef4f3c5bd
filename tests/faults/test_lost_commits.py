"""The write-ahead log is damaged after a kill: the next start reports what is missing, and nothing else."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from daemon.app import EXIT_COMMITS_LOST
from daemon.maintenance.state_dir import DATABASE
from daemon.store.sqlite.commit_record import Loss, last_recorded, loss_of, loss_path, record_path
from daemon.store.sqlite.database import open_database
from tests.e2e.conftest import installation, new_installation  # noqa: F401 - fixtures
from tests.e2e.deadline import ends_within
from tests.e2e.operating import operated
from tests.store.filling import accept, found
from tests.support.forked import run_forked
from tests.support.process import Installation
from tests.support.programs import plain_environment

EVENTS = 50
FRAME = 24 + 4096


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A database with 50 events, each in a commit of its own, as a kill leaves it."""
    path, killed = tmp_path / "open" / "x.db", tmp_path / "killed"
    path.parent.mkdir()
    database = open_database(path)
    found(database)
    for number in range(EVENTS):
        accept(database, [number])
    shutil.copytree(path.parent, killed)
    database.close()
    return killed / "x.db"


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def flip(path: Path, offset: int) -> None:
    content = bytearray(wal(path).read_bytes())
    content[offset] ^= 1
    wal(path).write_bytes(content)


def events_in(path: Path) -> tuple[int, Loss | None, str | None]:
    """Open it as a daemon does; return how many events are left, and what is reported."""
    database = open_database(path)
    database.commits.begin()
    with database.reading.connect() as connection:
        left = connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
    database.close()
    return left, database.history.loss, database.history.unknown


def test_nothing_is_reported_when_nothing_is_missing(killed: Path) -> None:
    for _ in range(3):
        assert events_in(killed) == (EVENTS, None, None)
        assert loss_of(killed) is None


def test_a_start_that_committed_nothing_forgets_nothing(killed: Path, tmp_path: Path) -> None:
    database = open_database(killed)
    again = tmp_path / "again"
    shutil.copytree(killed.parent, again)  # killed before it wrote anything
    database.close()
    cut(again / "x.db")
    left, loss, _ = events_in(again / "x.db")
    assert loss is not None
    assert loss.events == EVENTS - left > 0


@pytest.mark.fault(
    "A byte of the write-ahead log is flipped after a kill, wherever it is",
    "The next start says how many acknowledged commits are missing; each that is missing is counted",
)
def test_a_flipped_byte_is_reported_whenever_something_is_missing(killed: Path, tmp_path: Path) -> None:
    size = wal(killed).stat().st_size
    for place in range(0, size, size // 40):
        copy = tmp_path / f"copy_{place}" / "x.db"
        shutil.copytree(killed.parent, copy.parent)
        flip(copy, place)
        left, loss, unknown = events_in(copy)
        assert unknown is None
        if left < EVENTS:
            assert loss is not None
            assert loss.events == EVENTS - left
            assert loss.commits >= loss.events
            assert loss.damaged_log is not None
            assert Path(loss.damaged_log).stat().st_size == size, "the log is kept as it was found"
        assert loss_of(copy) == loss
        left_again, again, _ = events_in(copy)
        assert (left_again, again) == (left, loss), "said until it is dealt with, and not counted twice"
        loss_path(copy).unlink(missing_ok=True)
        assert events_in(copy)[1] is None
        shutil.rmtree(copy.parent)


@pytest.mark.fault(
    "The write-ahead log is damaged, and start after start fails for another reason, such as a wrong encryption key",
    "What is missing is counted once, and the log is copied once",
)
def test_starts_that_fail_later_on_count_a_loss_once(killed: Path) -> None:
    cut(killed)
    first = None
    for _ in range(3):
        database = open_database(killed)
        database.close()  # nothing has begun
        first = first or database.history.loss
        assert database.history.loss == first
    assert len(list(killed.parent.glob("*.damaged-*"))) == 1


def test_commits_lost_twice_are_reported_together(killed: Path, tmp_path: Path) -> None:
    cut(killed)
    left, first, _ = events_in(killed)
    database = open_database(killed)
    database.commits.begin()
    for number in range(EVENTS, 2 * EVENTS):
        accept(database, [number])
    shutil.copytree(killed.parent, tmp_path / "again")
    database.close()
    cut(tmp_path / "again" / "x.db")
    left_again, both, _ = events_in(tmp_path / "again" / "x.db")
    assert first is not None
    assert both is not None
    assert both.events - first.events == left + EVENTS - left_again > 0
    assert both.commits - first.commits >= both.events - first.events


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"commits": null, "events": 0, "damagedLog": null}'])
def test_a_loss_whose_file_is_illegible_is_still_a_loss(killed: Path, content: bytes) -> None:
    loss_path(killed).write_bytes(content)
    assert loss_of(killed) == Loss(1, 0)
    assert events_in(killed)[1] == Loss(1, 0)


def cut(path: Path) -> None:
    wal(path).write_bytes(wal(path).read_bytes()[: 32 + 20 * FRAME + 100])


@pytest.mark.parametrize("damage", [cut, lambda path: wal(path).unlink(), lambda path: wal(path).write_bytes(b"")])
def test_a_truncated_or_missing_log_is_reported(killed: Path, damage: Callable[[Path], None]) -> None:
    damage(killed)
    left, loss, _ = events_in(killed)
    assert left < EVENTS
    assert loss is not None
    assert loss.events == EVENTS - left


@pytest.mark.parametrize("content", [None, b"", b"x" * 1024])
def test_without_a_legible_record_it_is_reported_that_losses_cannot_be_detected(
    killed: Path, content: bytes | None
) -> None:
    record_path(killed).unlink()
    if content is not None:
        record_path(killed).write_bytes(content)
    assert events_in(killed) == (EVENTS, None, "there is no record of the last commits")


def test_the_record_of_another_database_is_no_loss(killed: Path, tmp_path: Path) -> None:
    open_database(tmp_path / "other.db").close()
    shutil.copy(record_path(killed), record_path(tmp_path / "other.db"))
    assert events_in(tmp_path / "other.db") == (0, None, "the record is of another database")


def test_a_record_knows_the_last_commit_and_no_more_than_that(killed: Path) -> None:
    recorded = last_recorded(killed)
    assert recorded is not None
    database = open_database(killed)
    with database.reading.connect() as connection:
        row = connection.exec_driver_sql("SELECT database_id, commit_number FROM daemon_state").one()
    database.close()
    assert (recorded.database_id, recorded.number, recorded.event_seq) == (*row, EVENTS)


@pytest.mark.fault(
    "A byte of the write-ahead log is flipped after SIGKILL, and the daemon starts again",
    "It goes on with what is there, tells an error line and a metric, and ends with 6; `doctor` ends with 1",
)
@ends_within(60)
async def test_a_daemon_reports_loudly_what_is_missing_and_goes_on(installation: Installation) -> None:  # noqa: F811
    path = installation.state_dir / DATABASE
    async with operated(installation) as operator:
        await operator.make_team()
        await operator.submit(*range(EVENTS))
        await operator.daemon.kill()
    flip(path, wal(path).stat().st_size // 2)
    async with operated(installation, exit_code=EXIT_COMMITS_LOST) as operator:
        [line] = await operator.daemon.logged("commits_lost")
        assert (line["level"], line["events"] > 0) == ("error", True)
        metrics = (await operator.http.get("/metrics")).text
        assert f"kakiyo_webhooks_lost_commits {line['count']}.0" in metrics
        await operator.submit(EVENTS)
    doctor = ["doctor", "--json", "--state-dir", str(installation.state_dir)]
    ended = await run_forked(doctor, environment=plain_environment())
    [history] = [one for one in json.loads(ended.stdout)["checks"] if one["name"] == "history"]
    assert (ended.returncode, history["verdict"]) == (1, "failed")
    assert str(loss_path(path)) in history["advice"]
    async with operated(installation):
        loss_path(path).unlink()  # it is dealt with from now on
