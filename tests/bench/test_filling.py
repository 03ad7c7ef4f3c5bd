import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
import trio.testing
from standardwebhooks import Webhook

from daemon.maintenance.state_dir import DATABASE
from tests.bench import bulk_insert
from tests.bench.arrival import first_arrival, reserve_port
from tests.bench.disk_space import TooLittleSpace, require_space
from tests.bench.filling import SECRET, fill_backlog, fill_history, fill_pending, fill_webhooks, redirect
from tests.bench.starting import PATIENCE_S, measure_readiness, measure_start
from tests.support.process import Installation, daemon_process, make_installation
from tests.support.receivers import open_receiver


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = make_installation(tmp_path)
    yield made
    made.close()


def read(installation: Installation, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(installation.state_dir / DATABASE)) as connection:
        return connection.execute(query).fetchall()


def types_of(installation: Installation, table: str, condition: str) -> tuple[object, ...]:
    """Return the type of each value in the one row that fits."""
    columns = [name for _, name, *_ in read(installation, f"PRAGMA table_info({table})")]
    [row] = read(
        installation, f"SELECT {', '.join(f'typeof({name})' for name in columns)} FROM {table} WHERE {condition}"
    )
    return row


async def test_a_daemon_delivers_a_filled_backlog_in_order_and_signed(installation: Installation) -> None:
    async with open_receiver() as receiver:
        fill_pending(installation.state_dir, [f"{receiver.url}/{number}" for number in range(2)], 3)
        async with daemon_process(installation) as daemon:
            await daemon.logged("delivery_succeeded", count=6)
        for request in receiver.requests:
            Webhook(SECRET).verify(request.body, {name.lower(): value for name, value in request.headers})
        for path in ("/0 ", "/1 "):
            arrived = [request.header("webhook-id") for request in receiver.requests if path in request.request_line]
            assert len(arrived) == 3
            assert arrived == sorted(str(delivery) for delivery in arrived)


async def test_filled_rows_are_of_the_form_that_the_daemon_writes(installation: Installation) -> None:
    async with open_receiver() as receiver:
        targets = fill_webhooks(installation.state_dir, [receiver.url])
        fill_history(installation.state_dir, targets, 1)
        fill_backlog(installation.state_dir, targets, 1)
        async with daemon_process(installation) as daemon:
            await daemon.logged("delivery_succeeded")
    for table in ("deliveries", "credit_entries", "events"):
        assert types_of(installation, table, "seq = 1") == types_of(installation, table, "seq = 2"), table
    assert types_of(installation, "attempts", "delivery_seq = 1") == types_of(
        installation, "attempts", "delivery_seq = 2"
    )
    for states in ("status, attempts_made, event_type, test FROM deliveries", "number, outcome, status FROM attempts"):
        filled, written = read(installation, f"SELECT {states}")
        assert filled == written


async def test_the_ledger_goes_on_from_a_filled_history(installation: Installation) -> None:
    async with open_receiver() as receiver:
        targets = fill_webhooks(installation.state_dir, [receiver.url])
        fill_history(installation.state_dir, targets, 5)
        fill_backlog(installation.state_dir, targets, 1)
        async with daemon_process(installation) as daemon:
            await daemon.logged("delivery_succeeded")
    balances = [balance for (balance,) in read(installation, "SELECT balance_after FROM credit_entries ORDER BY seq")]
    assert balances == [-2, -4, -6, -8, -10, -12]
    assert read(installation, "SELECT balance FROM teams") == [(-12,)]


def test_a_large_fill_leaves_every_index_as_it_was(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = fill_webhooks(installation.state_dir, ["http://127.0.0.1:9"])
    schema = read(installation, "SELECT name, sql FROM sqlite_master ORDER BY name")
    monkeypatch.setattr(bulk_insert, "MANY_ROWS", 10)
    fill_history(installation.state_dir, targets, 10)
    assert read(installation, "SELECT name, sql FROM sqlite_master ORDER BY name") == schema
    assert read(installation, "PRAGMA integrity_check") == [("ok",)]


def test_teams_share_their_webhooks_as_asked(installation: Installation) -> None:
    targets = fill_webhooks(installation.state_dir, ["http://127.0.0.1:9"] * 25, per_team=10)
    assert [len({target.webhook_id for target in targets}), len({target.team_id for target in targets})] == [25, 3]
    assert read(installation, "SELECT count(*) FROM webhooks GROUP BY team_id") == [(10,), (10,), (5,)]


def test_redirected_webhooks_all_have_the_new_url(installation: Installation) -> None:
    fill_webhooks(installation.state_dir, ["http://127.0.0.1:9/a", "http://127.0.0.1:9/b"])
    redirect(installation.state_dir, "http://127.0.0.1:10")
    assert read(installation, "SELECT DISTINCT url FROM webhooks") == [("http://127.0.0.1:10",)]


async def test_a_start_is_measured_until_ready_until_the_first_202_and_until_the_first_delivery(
    installation: Installation,
) -> None:
    with reserve_port() as port:
        targets = fill_webhooks(installation.state_dir, [f"http://127.0.0.1:{port.getsockname()[1]}"])
        fill_backlog(installation.state_dir, targets, 2)
        start = await measure_start(installation, targets[0].team_id, port)
    assert 0 < start.ready_s < min(start.receipt_s, start.delivery_s)
    assert max(start.receipt_s, start.delivery_s) < PATIENCE_S
    assert read(installation, "SELECT status FROM deliveries") == [("pending",)] * 3, (
        "the killed daemon left it as it was"
    )
    assert await measure_readiness(installation) > 0


async def test_only_the_first_arrival_is_noted() -> None:
    with reserve_port() as port:
        async with first_arrival(port) as arrival:
            first, second = [await trio.open_tcp_stream(*port.getsockname()) for _ in range(2)]
            async with first, second:
                await first.send_all(b"POST")
                await arrival.seen.wait()
                noted = arrival.at
                await second.send_all(b"POST")
                await trio.testing.wait_all_tasks_blocked()
                assert arrival.at == noted > 0


def test_too_little_space_is_told_in_a_sentence(tmp_path: Path) -> None:
    require_space(tmp_path, 1)
    with pytest.raises(TooLittleSpace, match=r"GB are free where 1000000\.0 GB are needed: free some, or name"):
        require_space(tmp_path, 10**15)
