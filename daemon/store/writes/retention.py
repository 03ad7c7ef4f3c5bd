"""Writes: deletes old events with their deliveries and attempts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, or_, select

from daemon.store.reads.time_blocks import SeqRange, next_range
from daemon.store.schema import attempts, deliveries, events, fan_outs, mails
from daemon.store.sequences import Sequences
from daemon.store.stored_status import PENDING_WORDS
from daemon.store.upkeep_commands import (
    Pruned,
    PruneEvents,
    PruneMails,
)

# With attempts and index updates, this many take about 20 ms.
MAX_DELIVERIES_PER_PRUNE = 500


def prune_events(connection: Connection, commands: Sequence[PruneEvents], _sequences: Sequences) -> list[Pruned]:
    """Look at the next events behind `after_seq`, and delete those that are old and finished."""
    return [_prune(connection, command) for command in commands]


def _prune(connection: Connection, command: PruneEvents) -> Pruned:
    reach = next_range(connection, events.c.accepted_at, command.after_seq + 1, until=command.before - 1)
    query = _look_at(reach, command)
    # Events whose deliveries are still to be created are kept.
    if (first_to_come := connection.execute(select(func.min(fan_outs.c.first_seq))).scalar()) is not None:
        query = query.where(events.c.seq < first_to_come)
    looked_at = connection.execute(query).all()
    if not looked_at:
        return Pruned(0, 0, None if reach.end_seq is None else reach.end_seq - 1)
    old = [row for row in looked_at if row.is_old]
    kept = _events_to_keep(connection, [row.id for row in old], command.before)
    return _delete(connection, [row for row in old if row.id not in kept], looked_at[-1].seq)


def _look_at(reach: SeqRange, command: PruneEvents) -> Select[tuple[int, str, bool]]:
    # The newest stays: later numbers continue from it.
    newest = select(func.max(events.c.seq)).scalar_subquery()
    query = select(events.c.seq, events.c.id, (events.c.accepted_at < command.before).label("is_old"))
    query = query.where(events.c.seq >= reach.first_seq, events.c.seq < newest)
    query = query if reach.end_seq is None else query.where(events.c.seq < reach.end_seq)
    return query.order_by(events.c.seq).limit(command.limit)


def _events_to_keep(connection: Connection, event_ids: Sequence[str], before: int) -> set[str]:
    """Return which events have a delivery that is pending, or was created recently by a resend or a recovery.

    Only the first DELIVERIES_AT_ONCE of each are looked at: those that `_delete` would delete.
    """
    newest = connection.execute(select(func.max(deliveries.c.seq))).scalar()
    return {event_id for event_id in event_ids if _is_wanted(connection, event_id, before=before, newest=newest)}


def _is_wanted(connection: Connection, event_id: str, before: int, newest: int | None) -> bool:
    values = {"event_id": event_id, "before": before, "newest": newest}
    return connection.execute(_WANTED, values).first() is not None


# Built once: building it for each event took half of the batch's time.
_some = (
    select(deliveries.c.seq, deliveries.c.status, deliveries.c.created_at)
    .where(deliveries.c.event_id == bindparam("event_id"))
    .order_by(deliveries.c.seq)
    .limit(MAX_DELIVERIES_PER_PRUNE)
    .subquery()
)
_WANTED = (
    select(_some.c.seq)
    .where(
        or_(
            _some.c.status.in_(PENDING_WORDS),
            _some.c.created_at >= bindparam("before"),
            _some.c.seq == bindparam("newest"),
        )
    )
    .limit(1)
)


def _delete(connection: Connection, over: Sequence[Row[Any]], looked_at_seq: int) -> Pruned:
    """Delete events from the first on, with no more than DELIVERIES_AT_ONCE of their deliveries."""
    deleted = 0
    for place, event in enumerate(over):
        first = select(deliveries.c.seq).where(deliveries.c.event_id == event.id).order_by(deliveries.c.seq)
        seqs = connection.execute(first.limit(MAX_DELIVERIES_PER_PRUNE - deleted)).scalars().all()
        connection.execute(delete(attempts).where(attempts.c.delivery_seq.in_(seqs)))
        connection.execute(delete(deliveries).where(deliveries.c.seq.in_(seqs)))
        deleted += len(seqs)
        if deleted == MAX_DELIVERIES_PER_PRUNE:
            return Pruned(place, deleted, event.seq - 1)  # it may have more
        connection.execute(delete(events).where(events.c.seq == event.seq))
    return Pruned(len(over), deleted, looked_at_seq)


def prune_mails(connection: Connection, commands: Sequence[PruneMails], _sequences: Sequences) -> list[int | None]:
    """Delete mails that are old and sent, of a bounded number for each command."""
    return [_prune_mails(connection, command) for command in commands]


def _prune_mails(connection: Connection, command: PruneMails) -> int | None:
    next_ones = select(mails.c.seq).where(mails.c.seq > command.after_seq).order_by(mails.c.seq).limit(command.limit)
    seqs = connection.execute(next_ones).scalars().all()
    over = mails.c.created_at < command.before, mails.c.sent_at.is_not(None)
    connection.execute(delete(mails).where(mails.c.seq.in_(seqs), *over))
    return seqs[-1] if len(seqs) == command.limit else None
