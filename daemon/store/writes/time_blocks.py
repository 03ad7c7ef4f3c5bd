"""Writes: blocks of rows with their first and last time (see `daemon.store.reads.time_blocks`)."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, func, select

from daemon.store.bulk import InsertRows, execute_rows
from daemon.store.reads.time_blocks import TIMES
from daemon.store.schema import time_blocks
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import KeepTimeBlock

_block = time_blocks.c


def keep_time_blocks(connection: Connection, commands: Sequence[KeepTimeBlock], _sequences: Sequences) -> list[None]:
    """Store blocks, once each, and delete those whose rows are all gone."""
    for block in commands:
        row = (block.table_name, block.first_seq, block.last_seq, block.earliest, block.latest)
        execute_rows(connection, _INSERT_BLOCK, [row])
        first_row = select(func.min(TIMES[block.table_name].table.c.seq)).scalar_subquery()
        ahead = and_(_block.table_name == block.table_name, _block.first_seq < first_row)
        connection.execute(delete(time_blocks).where(ahead, _block.last_seq < first_row))
    return [None] * len(commands)


_INSERT_BLOCK = InsertRows(
    time_blocks, ("table_name", "first_seq", "last_seq", "earliest", "latest"), skip_existing=True
)
