"""Writes: blocks of rows with their first and last time (see `daemon.store.reads.time_blocks`)."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, delete, func, insert, select

from daemon.store.reads.time_blocks import TIMES
from daemon.store.schema import time_blocks
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import KeepTimeBlock

_block = time_blocks.c


def keep_time_blocks(connection: Connection, commands: Sequence[KeepTimeBlock], _sequences: Sequences) -> list[None]:
    """Keep blocks, once each, and forget those of which every row is gone."""
    for block in commands:
        row = {
            "table_name": block.table_name,
            "first_seq": block.first_seq,
            "last_seq": block.last_seq,
            "earliest": block.earliest,
            "latest": block.latest,
        }
        connection.execute(insert(time_blocks).prefix_with("OR IGNORE").values(row))
        first_row = select(func.min(TIMES[block.table_name].table.c.seq)).scalar_subquery()
        ahead = and_(_block.table_name == block.table_name, _block.first_seq < first_row)
        connection.execute(delete(time_blocks).where(ahead, _block.last_seq < first_row))
    return [None] * len(commands)
