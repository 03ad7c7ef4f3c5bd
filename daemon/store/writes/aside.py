"""Writes: which pending deliveries wait aside, and until when."""

from collections.abc import Iterable, Sequence
from itertools import chain

from sqlalchemy import Connection, case, delete, select, update

from daemon.store.aside_commands import SetAside, TakeBack
from daemon.store.bulk import InsertRows, Row, send_rows
from daemon.store.schema import deliveries, events, set_aside
from daemon.store.sequences import Sequences
from daemon.store.stored_status import PENDING, PENDING_ASIDE, PENDING_LOW, QUEUED_WORDS

_INSERT = InsertRows(set_aside, tuple(set_aside.c.keys()))


def aside_row(seq: int, webhook_id: str, *, due_at: int, counted_from: int | None) -> Row:
    """Return the row of a delivery that waits aside. `counted_from` is None for a time that was asked for."""
    return (seq, webhook_id, due_at, counted_from)


def insert_aside(connection: Connection, rows: Sequence[Row]) -> None:
    """Keep until when deliveries wait aside, as `aside_row` makes them."""
    if rows:
        send_rows(connection, _INSERT, rows)


def set_all_aside(connection: Connection, commands: Sequence[SetAside], _sequences: Sequences) -> list[None]:
    """Set deliveries aside that are pending in the order of their webhooks."""
    for command in commands:
        row = aside_row(command.seq, command.webhook_id, due_at=command.due_at, counted_from=command.now)
        put_aside(connection, row)
    return [None] * len(commands)


def put_aside(connection: Connection, row: Row) -> None:
    """Set a delivery aside, if it is pending in the order of its webhook: as `aside_row` has it."""
    seq, _, due_at, _ = row
    this = (
        deliveries.c.seq == seq,
        # Concatenation keeps planners from going through all that is pending: there may be millions.
        deliveries.c.status.concat("").in_(QUEUED_WORDS),
    )
    aside = {"status": PENDING_ASIDE, "next_attempt_at": due_at}
    if connection.execute(update(deliveries).where(*this).values(**aside)).rowcount:
        insert_aside(connection, [row])


def take_all_back(connection: Connection, commands: Sequence[TakeBack], _sequences: Sequences) -> list[None]:
    """Let deliveries wait in the order of their webhooks."""
    seqs = sorted(set(chain.from_iterable(command.seqs for command in commands)))
    these = deliveries.c.seq.in_(seqs), deliveries.c.status.concat("") == PENDING_ASIDE
    # The first attempt waits for nothing but its turn then.
    due_at = case((deliveries.c.attempts_made > 0, deliveries.c.next_attempt_at), else_=None)
    is_low = select(events.c.low).where(events.c.id == deliveries.c.event_id).scalar_subquery()
    status = case((is_low.is_(True), PENDING_LOW), else_=PENDING)
    connection.execute(update(deliveries).where(*these).values(status=status, next_attempt_at=due_at))
    forget_aside(connection, seqs)
    return [None] * len(commands)


def forget_aside(connection: Connection, seqs: Iterable[int]) -> None:
    """Forget until when these waited aside."""
    connection.execute(delete(set_aside).where(set_aside.c.delivery_seq.in_(list(seqs))))
