"""Erasing an event: its payload and what receivers answered go, and that it happened stays (contract "Erasing")."""

from dataclasses import dataclass

from daemon.domain.model import Attempt, Outcome, Work


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erased event of which deliveries behind `after_seq` are still to be gone through."""

    seq: int
    event_id: str
    team_id: str
    after_seq: int


def is_erased(work: Work) -> bool:
    """Whether the event of this delivery was erased before its body was read: no other body is empty."""
    return work.body is not None and not work.body


def without_answer(attempt: Attempt) -> Attempt:
    """Return an attempt as it is kept once its event is erased: how it ended, but nothing that the receiver sent."""
    outcome = attempt.outcome
    kept = Outcome(outcome.kind, outcome.duration_ms, status=outcome.status, error=outcome.error)
    return Attempt(attempt.number, attempt.started_at, kept)
