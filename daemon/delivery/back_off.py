"""What is left of a back-off that an earlier life of the actor began (contract "A delivery")."""

from functools import partial

from structlog.typing import FilteringBoundLogger

from daemon.domain.model import Work
from daemon.domain.policy import Policy, asked_delay_s, remaining_backoff_s
from daemon.store.reads import actor_reads
from daemon.store.reads.reader import Reader
from daemon.store.retry import retry_until_available


async def left_of_back_off(work: Work, policy: Policy, *, now: int, reader: Reader, log: FilteringBoundLogger) -> float:
    """Return for how many seconds from `now` (milliseconds) the delivery still waits."""
    left_s = remaining_backoff_s(policy, work.attempts_made, work.next_attempt_at, now=now)
    may_be_longer = work.next_attempt_at is not None and work.next_attempt_at - now > left_s * 1000
    if not (may_be_longer and policy.follows_retry_after):
        return left_s
    # What the receiver asked for is in its answer only: read it, now that it may count.
    read = partial(reader.fetch, actor_reads.attempt, work.seq, work.attempts_made)
    last = await retry_until_available(read, log)
    if last is None:
        return left_s
    asked_s = asked_delay_s(policy, last.outcome, last.started_at + last.outcome.duration_ms)
    return remaining_backoff_s(policy, work.attempts_made, work.next_attempt_at, now=now, asked_s=asked_s)
