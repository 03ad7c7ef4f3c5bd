"""Reads and writes: the last plausible time (see `daemon.domain.trusted_time`)."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from daemon.store.schema import daemon_state, events
from daemon.store.sequences import Sequences
from daemon.store.upkeep_commands import ReadTrustedTime, SaveTrustedTime


def read_trusted_time(
    connection: Connection, commands: Sequence[ReadTrustedTime], _sequences: Sequences
) -> list[int | None]:
    """Return it; if the database is older than this column, the time the newest event was accepted."""
    newest = select(events.c.accepted_at).order_by(events.c.seq.desc()).limit(1).scalar_subquery()
    query = select(func.coalesce(daemon_state.c.trusted_time, newest)).where(daemon_state.c.id == 1)
    found = connection.execute(query).scalar_one()
    return [found] * len(commands)


def save_trusted_time(connection: Connection, commands: Sequence[SaveTrustedTime], _sequences: Sequences) -> list[None]:
    """Keep the newest command's."""
    connection.execute(update(daemon_state).where(daemon_state.c.id == 1).values(trusted_time=commands[-1].time))
    return [None] * len(commands)
