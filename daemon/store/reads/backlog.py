"""The backlog: how many deliveries are pending, and the oldest. Counted in parts, so that each query is bounded."""

from dataclasses import dataclass

from daemon.domain.model import Delivery
from daemon.store.reads.gauge_reads import Place, count_pending, deliveries_to_come, delivery_of, pending_since
from daemon.store.reads.reader import Reader
from daemon.store.stored_status import PENDING, PENDING_LOW


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries are pending (`more`: at least that many), the oldest, and since when one is pending (ms)."""

    count: int = 0
    more: bool = False
    oldest: Delivery | None = None
    since: int | None = None


async def count_backlog(reader: Reader, team_id: str | None = None, limit: int | None = None) -> Backlog:
    """Count the pending deliveries of a team, or of all, up to `limit`. Those that end meanwhile may be counted.

    Raises StoreUnavailable.
    """
    count, first_seqs = await _count(reader, team_id, limit, word=PENDING)
    deferred_deliveries = await reader.fetch(deliveries_to_come, team_id)
    low, first_low_seqs = await _count(reader, team_id, limit, word=PENDING_LOW)
    count, first_seqs = count + low, [*first_seqs, *first_low_seqs]
    oldest = await reader.fetch(delivery_of, min(first_seqs)) if first_seqs else None
    of_oldest = None if oldest is None else await reader.fetch(pending_since, oldest.seq)
    times = [] if of_oldest is None else [of_oldest]
    since = min(
        times if deferred_deliveries.oldest_at is None else [*times, deferred_deliveries.oldest_at], default=None
    )
    count += deferred_deliveries.count
    if limit is not None and count > limit:
        return Backlog(limit, True, oldest=oldest, since=since)
    return Backlog(count, False, oldest=oldest, since=since)


async def _count(reader: Reader, team_id: str | None, limit: int | None, word: str) -> tuple[int, list[int]]:
    """Count those that are kept as `word`; return how many, and the first of each part."""
    count, first_seqs = 0, list[int]()
    place: Place | None = Place() if team_id is None else Place(team_id, 0)
    while place is not None:
        part = await reader.fetch(count_pending, place, word)
        count += part.count
        first_seqs += [] if part.first_seq is None else [part.first_seq]
        place = _next_place(part.behind, team_id, is_enough=limit is not None and count > limit)
    return count, first_seqs


def _next_place(behind: Place | None, team_id: str | None, *, is_enough: bool) -> Place | None:
    """Return where to continue: nowhere once enough is counted, if the oldest delivery is known by then."""
    if behind is None or (team_id is not None and behind.seq is None):
        return None
    if not is_enough or not behind.seq:
        return behind
    return None if team_id is not None else Place(behind.team_id)
