"""Bulk jobs in the store: whatever is repeated is done once, and what is over stays as it is."""

from dataclasses import replace

from daemon.domain.bulk_jobs import BulkAction, BulkJob, BulkJobStatus
from daemon.domain.errors import TooManyBulkJobs
from daemon.store.commands import Cancelled
from daemon.store.job_commands import AddBulkJob, CancelForJob, EndBulkJob, MoveBulkJob, MovedJob
from daemon.store.reads import bulk_job_reads
from daemon.store.writes.batch import run_batch
from tests.store.filling import NOW, AnyDatabase, a_bulk_job, a_webhook, accept, count, found, run

WEBHOOK = "wh_1"


def seqs_of(database: AnyDatabase, number: int = 6) -> tuple[int, ...]:
    found(database)
    return tuple(work.seq for work in accept(database, range(number)))


def add(database: AnyDatabase, job: BulkJob) -> BulkJob:
    run(database, AddBulkJob(job, limit=5, kept=10))
    return job


def stored(database: AnyDatabase, job_id: str = "job_1") -> BulkJob:
    with database.reading.connect() as connection:
        job = bulk_job_reads.get_bulk_job(connection, job_id)
    assert job is not None
    return job


def move(seqs: tuple[int, ...], after_seq: int = 0, next_after_seq: int | None = None) -> MoveBulkJob:
    ids = tuple(f"dlv_again_{seq}" for seq in seqs)
    return MoveBulkJob("job_1", after_seq, next_after_seq, NOW, seqs, ids)


def test_a_job_is_read_as_it_was_added(database: AnyDatabase) -> None:
    found(database)
    for number, seqs in ((1, None), (2, [3, 5])):
        job = add(database, a_bulk_job(number, seqs=seqs, total=None))
        assert replace(stored(database, job.id), seq=number) == job


def test_a_page_that_is_repeated_is_resent_once(database: AnyDatabase) -> None:
    seqs = seqs_of(database)
    add(database, a_bulk_job())
    page = move(seqs[:3], next_after_seq=seqs[2])
    assert run_batch(database, [page]) == [MovedJob(3, done=3, is_over=False)]
    again = replace_ids(page)
    assert run_batch(database, [again]) == [None]
    assert run_batch(database, [move(seqs[3:], after_seq=seqs[2])]) == [MovedJob(3, done=6, is_over=True)]
    assert count(database, "deliveries") == 12
    assert stored(database).status is BulkJobStatus.FINISHED


def replace_ids(page: MoveBulkJob) -> MoveBulkJob:
    """Return the page as a second try sends it, with new ids."""
    ids = tuple(f"{one}_2" for one in page.new_ids)
    return MoveBulkJob(page.job_id, page.after_seq, page.next_after_seq, page.now, page.seqs, ids)


def test_what_is_cancelled_is_counted_once_and_one_in_flight_is_left_alone(database: AnyDatabase) -> None:
    seqs = seqs_of(database)
    add(database, a_bulk_job(action=BulkAction.CANCEL))
    cancel = CancelForJob(a_webhook(), "job_1", seqs, in_flight_seqs=seqs[:1], now=NOW)
    answers = [run(database, cancel) for _ in range(2)]
    assert [answer.count for answer in answers] == [5, 0]
    assert stored(database).done == 5


def test_a_job_that_is_over_does_nothing_more_and_keeps_its_end(database: AnyDatabase) -> None:
    seqs = seqs_of(database)
    add(database, a_bulk_job(seqs=list(seqs)))
    assert run_batch(database, [EndBulkJob("job_1", NOW + 1), EndBulkJob("job_1", NOW + 2)]) == [True, False]
    assert run(database, move(seqs)) is None
    assert run(database, CancelForJob(a_webhook(), "job_1", seqs, in_flight_seqs=(), now=NOW)) == Cancelled()
    job = stored(database)
    assert (job.status, job.ended_at, job.done, job.choice.seqs) == (BulkJobStatus.CANCELLED, NOW + 1, 0, None)
    assert count(database, "deliveries") == 6


def test_one_job_too_many_is_refused_alone(database: AnyDatabase) -> None:
    found(database)
    answers = run_batch(database, [AddBulkJob(a_bulk_job(number), limit=2, kept=10) for number in (1, 2, 3)])
    assert [type(answer) for answer in answers] == [type(None), type(None), TooManyBulkJobs]
