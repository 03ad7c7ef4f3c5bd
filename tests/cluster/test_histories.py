"""The whole protocol in virtual time: steps of several nodes in many orders (`tests.cluster.virtual_cluster`)."""

from pathlib import Path

from trio.testing import MockClock

from tests.cluster.history import play
from tests.support.postgresql import PostgresqlServer


async def test_whatever_the_order_of_their_steps_nodes_keep_their_promises(
    postgresql: tuple[PostgresqlServer, str], tmp_path: Path, autojump_clock: MockClock
) -> None:
    """One history; `python -m tests.cluster.soak --only histories` plays many."""
    server, template = postgresql
    with server.database(template) as address:
        evidence, violated = await play(address, tmp_path, seed=1, seconds=6)
    assert violated == []
    assert sum(one.acknowledged_at is not None for one in evidence.submitted) > 10
