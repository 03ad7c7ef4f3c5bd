"""Erasing in the store: once, in pages, and in SQLite's file down to the last byte (contract "Erasing")."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from daemon.domain.errors import EventErased
from daemon.domain.model import CancelReason, DeliveryStatus
from daemon.domain.submission import MatchedEvent
from daemon.store.commands import AcceptEvents, Recover, Resend
from daemon.store.erasure_commands import EraseAnswers, EraseEvent
from daemon.store.expiry_commands import CancelForEvent
from daemon.store.job_commands import AddBulkJob, MoveBulkJob, MovedJob
from daemon.store.reads import api_reads, erasure_reads
from daemon.store.sqlite.database import Database, open_database
from daemon.store.writes.batch import run_batch
from tests.store.filling import (
    NOW,
    AnyDatabase,
    a_bulk_job,
    a_webhook,
    accept,
    an_event,
    count,
    found,
    recording,
    run,
)

ERASE = EraseEvent("evt_1", "team_1", NOW + 5)
WEBHOOKS = tuple(f"wh_{number}" for number in range(1, 4))


def test_an_event_is_erased_once(database: AnyDatabase) -> None:
    found(database)
    accept(database, range(3))
    assert run_batch(database, [ERASE, structs.replace(ERASE, now=NOW + 9)]) == [True, False]
    assert run(database, EraseEvent("evt_unknown", "team_1", NOW)) is False
    with database.reading.connect() as connection:
        event = api_reads.get_event(connection, "evt_1")
        assert event is not None
        assert (event.body, event.erased_at) == (b"", NOW + 5)
        assert api_reads.get_event(connection, "evt_2") == structs.replace(an_event(2))
        assert erasure_reads.is_being_erased(connection, "evt_1")
        assert not erasure_reads.is_being_erased(connection, "evt_2")


def test_pages_end_the_erasure_and_may_be_repeated(database: AnyDatabase) -> None:
    found(database)
    works = accept(database, range(2), *WEBHOOKS)
    run_batch(database, [recording(work, 1) for work in works])
    run(database, ERASE)
    with database.reading.connect() as connection:
        first = erasure_reads.deliveries_to_erase(connection, "evt_1", 0, 2)
        erasure = erasure_reads.next_erasure(connection, 99)
    assert erasure is not None
    assert (list(first.seqs), first.next_after_seq) == ([works[3].seq, works[4].seq], works[4].seq)
    page = EraseAnswers("evt_1", tuple(first.seqs), first.next_after_seq)
    assert run_batch(database, [page, page]) == [None, None]
    assert count(database, "attempts", "headers = '[]'") == 2
    last = EraseAnswers("evt_1", (works[5].seq,), None)
    assert run_batch(database, [last, last]) == [None, None]
    assert count(database, "attempts", "headers = '[]'") == 3
    assert count(database, "erasures") == 0


def test_only_what_waits_of_that_webhook_is_cancelled_and_counted(database: AnyDatabase) -> None:
    found(database)
    works = accept(database, [1], *WEBHOOKS)
    seqs = tuple(work.seq for work in works)
    cancel = CancelForEvent(a_webhook(), seqs, (), CancelReason.ERASED, NOW)
    assert [run(database, cancel).count for _ in range(2)] == [1, 0]
    assert run(database, CancelForEvent(a_webhook(2), seqs, (seqs[1],), CancelReason.ERASED, NOW)).count == 0
    ended = f"status = '{DeliveryStatus.CANCELLED}' AND cancel_reason = '{CancelReason.ERASED}'"
    assert count(database, "deliveries", ended) == 1
    assert count(database, "webhook_hours", "cancelled = 1") == 1


def test_nothing_of_it_is_queued_again(database: AnyDatabase) -> None:
    found(database)
    works = accept(database, range(2))
    run(database, AddBulkJob(a_bulk_job(), limit=5, kept=10))
    run(database, ERASE)
    [answer] = run_batch(database, [Resend("dlv_1_wh_1", "dlv_again", NOW)])
    assert isinstance(answer, EventErased)
    seqs = tuple(work.seq for work in works)
    assert run(database, MoveBulkJob("job_1", 0, None, NOW, seqs, ("dlv_a", "dlv_b"))) == MovedJob(1, 1, is_over=True)
    other = replace(a_webhook(9), events=("*",))
    assert run(database, Recover(other, 0, 0, 10, ("dlv_c", "dlv_d"), NOW)).queued == 1
    assert count(database, "deliveries", "event_id = 'evt_1'") == 1


# -- what is in SQLite's file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    """A file in whose pages what is erased lies between others, on pages of its own, and in the log."""
    database = open_database(tmp_path / "kakiyo.db")
    found(database)
    chance = random.Random(1)
    for number in range(120):
        _fill(database, number, chance)
    yield database
    database.close()


def _fill(database: Database, number: int, chance: random.Random) -> None:
    """Submit an event and record what was answered to its deliveries, in any order: their pages are split."""
    event = structs.replace(an_event(number), body=_text("BODY", number, chance.choice((10, 3_000, 20_000))))
    deliveries = tuple((f"dlv_{number}_{one}", one) for one in WEBHOOKS)
    [accepted] = run_batch(database, [AcceptEvents((MatchedEvent(event, deliveries),), None, NOW)])
    commands = [recording(work, 1) for _, work in accepted.work]
    chance.shuffle(commands)
    run_batch(database, [_answering(one, number, chance.choice((20, 900, 4_000))) for one in commands])


def _answering(command: Any, number: int, size: int) -> Any:
    outcome = replace(command.attempt.outcome, body=_text("ANSWER", number, size))
    return structs.replace(command, attempt=replace(command.attempt, outcome=outcome))


def _text(kind: str, number: int, size: int) -> bytes:
    word = f"{kind}-{number:04}.".encode()
    return word * (size // len(word) + 1)


def _erase(database: Database, number: int) -> None:
    run(database, EraseEvent(f"evt_{number}", "team_1", NOW))
    with database.reading.connect() as connection:
        page = erasure_reads.deliveries_to_erase(connection, f"evt_{number}", 0, 100)
    run(database, EraseAnswers(f"evt_{number}", tuple(page.seqs), None))
    assert database.wal.checkpoint().is_whole
    assert database.wal.empty()


def _times(database: Database, number: int) -> int:
    files = [path.read_bytes() for path in database.path.parent.iterdir()]
    return sum(data.count(f"{kind}-{number:04}.".encode()) for data in files for kind in ("BODY", "ANSWER"))


ERASED = (1, 60, 118)


def test_not_a_byte_of_it_is_left_in_the_file_or_its_log(file: Database) -> None:
    assert all(_times(file, number) for number in ERASED)
    for number in ERASED:
        _erase(file, number)
        assert _times(file, number) == 0
    assert _times(file, 2), "the others are there"


def test_sqlite_would_leave_it_there_unless_it_was_told_not_to(file: Database) -> None:
    file.writer.connection.driver_connection.execute("PRAGMA secure_delete = OFF")  # type: ignore[union-attr]  # open
    for number in ERASED:
        _erase(file, number)
    assert any(_times(file, number) for number in ERASED)
