"""Whether a life of a node wrote anything after its end: by the server's own record of when each was committed."""

from collections.abc import Iterator, Sequence

from tests.cluster.chaos.evidence import Arrival, Evidence, StoredLife


def written_by_the_dead(evidence: Evidence) -> Iterator[str]:
    """An attempt is recorded by the life that made it, and before the end of that life."""
    arrivals = {arrival.id: arrival for arrival in evidence.arrivals}
    for attempt in evidence.stored.attempts:
        arrival = None if attempt.arrival is None else arrivals.get(attempt.arrival)
        life = arrival and _life_of(arrival, evidence)
        if arrival and life and life.ended_at is not None and attempt.committed_at > life.ended_at:
            yield (
                f"attempt {attempt.number} of {attempt.delivery_id} to {arrival.webhook}, which node {arrival.node} "
                f"made in life {life.life}, was recorded {attempt.committed_at - life.ended_at:.3f} s after its end"
            )


def _life_of(arrival: Arrival, evidence: Evidence) -> StoredLife | None:
    """Return the life in which a node made an attempt: if nobody knows, the last one that had begun when it arrived."""
    if arrival.life is not None:
        return next((life for life in evidence.stored.lives if life.life == arrival.life), None)
    begun: Sequence[StoredLife] = [
        life
        for life in evidence.stored.lives
        if life.node == arrival.node and life.began_at <= arrival.at + evidence.epoch
    ]
    return max(begun, key=lambda life: life.life, default=None)
