"""The commands of bulk jobs, and their answers (contract "Bulk jobs")."""

from msgspec import Struct

from daemon.domain.bulk_jobs import BulkJob
from daemon.domain.model import Webhook
from daemon.store.commands import Cancelled, Command


class AddBulkJob(Command[None], frozen=True):
    """Keep a new job, and forget the oldest ones of its team that are over beyond the newest `kept`.

    Raises TooManyBulkJobs if `limit` jobs of the team are not over.
    """

    job: BulkJob
    limit: int
    kept: int


class EndBulkJob(Command[bool], frozen=True):
    """End a job before it has finished. Answers False if there is none, or it is over."""

    job_id: str
    now: int


class MovedJob(Struct, frozen=True):
    """How many deliveries a job resent with this step, and in all; whether it is over."""

    resent: int
    done: int
    is_over: bool


class MoveBulkJob(Command[MovedJob | None], frozen=True):
    """Move a job on from `after_seq` to `next_after_seq` (None: it has finished), and resend `seqs` in between.

    What is not there any more, or whose webhook gets no deliveries, is left out. `new_ids` has an id for each. Does
    nothing, and answers None, if the job is over or stands elsewhere: so it may be repeated.
    """

    job_id: str
    after_seq: int
    next_after_seq: int | None
    now: int
    seqs: tuple[int, ...] = ()
    new_ids: tuple[str, ...] = ()


class CancelForJob(Command[Cancelled], frozen=True):
    """Cancel those of a webhook's deliveries that are pending, but the one in flight, and count them for the job.

    Does nothing if the job is over. Answers what was cancelled.
    """

    webhook: Webhook
    job_id: str
    seqs: tuple[int, ...]
    in_flight_seqs: tuple[int, ...]
    now: int
