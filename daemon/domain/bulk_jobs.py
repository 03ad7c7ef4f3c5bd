"""Bulk jobs: many deliveries resent or cancelled for one request (contract "Bulk jobs")."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from daemon.domain.delivery_filter import DeliveryFilter
from daemon.domain.model import DeliveryStatus

JOB_ID = "job"


class BulkAction(StrEnum):
    """What is done with each delivery."""

    RESEND = "resend"
    CANCEL = "cancel"


class BulkJobStatus(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"


# Those that each action is for: what has ended is resent, what is pending is cancelled.
STATUSES = {
    BulkAction.RESEND: frozenset(DeliveryStatus) - {DeliveryStatus.PENDING},
    BulkAction.CANCEL: frozenset({DeliveryStatus.PENDING}),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which deliveries of a team a job is for: those with the numbers `seqs` or, if None, all that `wanted` means.

    In both cases only what was there when the job was asked for: up to the number `through_seq`, and for a resend what
    had ended `asked_at`, in milliseconds.
    """

    team_id: str
    action: BulkAction
    wanted: DeliveryFilter
    seqs: Sequence[int] | None
    through_seq: int
    asked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkJob:
    """One job. `total` is how many deliveries it was for, None if they were too many to count; `done` so far.

    It has worked on all up to the number `after_seq`. `by_id` says that the deliveries were named one by one.
    """

    seq: int
    id: str
    choice: Choice
    by_id: bool
    status: BulkJobStatus
    total: int | None
    done: int
    after_seq: int
    created_at: int
    ended_at: int | None
    key_id: str
    key_name: str

    @property
    def team_id(self) -> str:
        """Whose it is."""
        return self.choice.team_id

    @property
    def action(self) -> BulkAction:
        """What it does."""
        return self.choice.action

    @property
    def skipped(self) -> int | None:
        """How many it left out; None while it runs, and if nobody knows."""
        is_over = self.status is BulkJobStatus.FINISHED
        return max(0, self.total - self.done) if is_over and self.total is not None else None
