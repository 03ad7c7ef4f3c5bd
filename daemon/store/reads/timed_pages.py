"""Pages of rows of a period, newest first: right even if the clock was wrong in between and was set back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Row

from daemon.store.reads.pagination import Choice, Numbered, Page, merged_page
from daemon.store.reads.time_blocks import SeqRange, last_range

# After the clock was set back there are several ranges of rows for the same time: a page looks at this many at most.
_RANGES_PER_PAGE = 4


@dataclass(frozen=True, slots=True)
class Period:
    """From when to when the times in the column `at` may be, both included; None means any."""

    at: Column[int]
    since: int | None = None
    until: int | None = None


def timed_page(
    connection: Connection,
    period: Period,
    choices: Callable[[int], Sequence[Choice]],
    *,
    limit: int,
    before: int | None,
    value: Callable[[Row[Any]], Numbered],
    look_at: int,
) -> Page[Numbered]:
    """Return the next `limit` rows before this `seq`; `choices` returns those that are wanted from a `seq` on.

    Each range of rows examines at most `look_at`: so the page may hold fewer, even none, and still have a next page.
    The choices check the times of their rows themselves.
    """
    items: tuple[Numbered, ...] = ()
    looked_at = 0
    for _ in range(_RANGES_PER_PAGE):
        reach = _reach(connection, period, before)
        if reach is None or not (wanted := choices(reach.first_seq)):
            return Page(items, None, looked_at)
        if len(items) == limit:
            break
        page = merged_page(
            connection, wanted, limit=limit - len(items), before=reach.end_seq, value=value, look_at=look_at
        )
        items, before, looked_at = items + page.items, reach.first_seq, looked_at + page.looked_at
        if page.next_cursor is not None or not reach.first_seq:
            return Page(items, page.next_cursor, looked_at)
    return Page(items, before, looked_at)


def _reach(connection: Connection, period: Period, before: int | None) -> SeqRange | None:
    if period.since is None and period.until is None:
        return SeqRange(0, before)
    return last_range(connection, period.at, before=before, since=period.since, until=period.until)
