"""Writes: when pending deliveries expire."""

from collections.abc import Sequence
from itertools import chain

from sqlalchemy import Connection, delete

from daemon.store.bulk import InsertRows, Row, send_rows
from daemon.store.expiry_commands import ForgetExpiries
from daemon.store.schema import expiries
from daemon.store.sequences import Sequences

_INSERT = InsertRows(expiries, tuple(expiries.c.keys()))


def insert_expiries(connection: Connection, rows: Sequence[Row]) -> None:
    """Keep when deliveries expire: the number of each, its webhook's id, and the time (ms)."""
    if rows:
        send_rows(connection, _INSERT, rows)


def forget_expiries(connection: Connection, commands: Sequence[ForgetExpiries], _sequences: Sequences) -> list[None]:
    """Forget when deliveries would have expired."""
    forget(connection, list(chain.from_iterable(command.seqs for command in commands)))
    return [None] * len(commands)


def forget(connection: Connection, seqs: Sequence[int]) -> None:
    """Forget when these would have expired."""
    connection.execute(delete(expiries).where(expiries.c.delivery_seq.in_(seqs)))
