"""How long a start waits for its database, and what it says meanwhile (contract "The database")."""

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import orjson
import pytest
import trio

from daemon.config.settings import LogSettings
from daemon.crypto.encryption_keys import KeyFile
from daemon.crypto.vault import Vault, generate_key
from daemon.maintenance.opened_store import OpenedStore
from daemon.opening import open_patiently
from daemon.store.engine import DatabaseAway, DatabaseRefused
from daemon.store.progress import Progress
from daemon.telemetry.log import make_logger


@pytest.fixture
def said() -> BytesIO:
    return BytesIO()


@pytest.fixture
def wait_for(said: BytesIO) -> Callable[[Any], Awaitable[OpenedStore]]:
    """Open a store patiently, which `open_store` does."""
    log = make_logger(LogSettings(format="json"), said)
    return lambda open_store: open_patiently(open_store, log)


def events(said: BytesIO) -> list[str]:
    return [orjson.loads(line)["event"] for line in said.getvalue().splitlines()]


async def test_a_server_that_is_away_is_waited_for(
    autojump_clock: trio.testing.MockClock, wait_for: Callable[[Any], Awaitable[OpenedStore]], said: BytesIO
) -> None:
    store = OpenedStore(object(), Vault([key := generate_key()]), KeyFile(None, (key,)))  # type: ignore[arg-type]  # nobody looks
    until = trio.current_time() + 25

    async def open_store(progress: Progress) -> OpenedStore:
        await trio.sleep(1)
        if trio.current_time() < until:
            raise DatabaseAway("not yet")
        return store

    assert await wait_for(open_store) is store
    assert 25 <= trio.current_time() - until + 25 <= 30
    assert set(events(said)) == {"store_unavailable", "store_recovered"}


async def test_after_30_seconds_it_is_refused(
    autojump_clock: trio.testing.MockClock, wait_for: Callable[[Any], Awaitable[OpenedStore]]
) -> None:
    started = trio.current_time()

    async def open_store(progress: Progress) -> OpenedStore:
        await trio.sleep(1)
        raise DatabaseAway("it is gone")

    with pytest.raises(DatabaseAway, match="it is gone"):
        await wait_for(open_store)
    assert 25 <= trio.current_time() - started <= 32


async def test_what_waiting_would_not_mend_is_refused_at_once(
    autojump_clock: trio.testing.MockClock, wait_for: Callable[[Any], Awaitable[OpenedStore]], said: BytesIO
) -> None:
    async def open_store(progress: Progress) -> OpenedStore:
        await trio.lowlevel.checkpoint()
        raise DatabaseRefused("another program's")

    with pytest.raises(DatabaseRefused, match="another program's"):
        await wait_for(open_store)
    assert events(said) == []
