"""Writes: old events are forgotten with their deliveries and attempts, and the space is given back."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, or_, select

from daemon.model import DeliveryStatus
from daemon.store.commands import ForgetEvents, ForgetMails, Forgotten, ReleaseSpace
from daemon.store.schema import attempts, deliveries, events, fan_outs, mails
from daemon.store.sequences import Sequences


def forget_events(connection: Connection, commands: Sequence[ForgetEvents], _sequences: Sequences) -> list[Forgotten]:
    """Look at the next events behind `after_seq`, and delete those that are old and over."""
    return [_forget(connection, command) for command in commands]


def _forget(connection: Connection, command: ForgetEvents) -> Forgotten:
    # The newest stays: the numbers of those that come go on from it.
    newest = select(func.max(events.c.seq)).scalar_subquery()
    query = select(events.c.seq, events.c.id).where(events.c.seq > command.after_seq, events.c.seq < newest)
    query = query.where(events.c.accepted_at < command.before).order_by(events.c.seq).limit(command.limit)
    # Nor is any forgotten whose deliveries are still to be made.
    first_to_come = connection.execute(select(func.min(fan_outs.c.first_seq))).scalar()
    if first_to_come is not None:
        query = query.where(events.c.seq < first_to_come)
    found = connection.execute(query).all()
    if not found:
        return Forgotten(0, 0, None)
    kept = _still_wanted(connection, [row.id for row in found], command.before)
    over = [row for row in found if row.id not in kept]
    count = _delete(connection, [row.id for row in over], [row.seq for row in over])
    return Forgotten(len(over), count, found[-1].seq)


def _still_wanted(connection: Connection, event_ids: Sequence[str], before: int) -> set[str]:
    """Return which events have a delivery that is pending, or that was made lately by a resend or a recovery."""
    newest = select(func.max(deliveries.c.seq)).scalar_subquery()
    query = select(deliveries.c.event_id).where(deliveries.c.event_id.in_(event_ids))
    lately = or_(deliveries.c.created_at >= before, deliveries.c.seq == newest)
    found = connection.execute(query.where(or_(deliveries.c.status == DeliveryStatus.PENDING.value, lately)))
    return set(found.scalars())


def _delete(connection: Connection, event_ids: Sequence[str], event_seqs: Sequence[int]) -> int:
    query = select(deliveries.c.seq).where(deliveries.c.event_id.in_(event_ids))
    delivery_seqs = connection.execute(query).scalars().all()
    connection.execute(delete(attempts).where(attempts.c.delivery_seq.in_(delivery_seqs)))
    connection.execute(delete(deliveries).where(deliveries.c.seq.in_(delivery_seqs)))
    connection.execute(delete(events).where(events.c.seq.in_(event_seqs)))
    return len(delivery_seqs)


def forget_mails(connection: Connection, commands: Sequence[ForgetMails], _sequences: Sequences) -> list[None]:
    """Delete mails that are old and sent."""
    before = max(command.before for command in commands)
    connection.execute(delete(mails).where(mails.c.created_at < before, mails.c.sent_at.is_not(None)))
    return [None] * len(commands)


def release_space(connection: Connection, commands: Sequence[ReleaseSpace], _sequences: Sequences) -> list[bool]:
    """Cut free pages off the file's end while more of it is free than the command leaves."""
    return [_release(connection, command) for command in commands]


def _release(connection: Connection, command: ReleaseSpace) -> bool:
    cursor = connection.connection.cursor()
    [free] = cursor.execute("PRAGMA freelist_count").fetchone()
    [pages] = cursor.execute("PRAGMA page_count").fetchone()
    if free <= max(command.leave_pages, pages // command.leave_part):
        return False
    for _ in range(command.limit):
        cursor.execute("PRAGMA incremental_vacuum(1)")  # one: Python's driver takes a single step of it
    [left] = cursor.execute("PRAGMA freelist_count").fetchone()
    return bool(left < free)
