"""What a suite fills is what its daemons find, wherever they keep it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.__main__ import read_options
from tests.bench.filling import fill_history, fill_webhooks
from tests.bench.stores import SQLITE, PostgresqlStore, Store
from tests.support.postgresql import PostgresqlServer

COUNTS = "SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM attempts), (SELECT sum(balance) FROM teams)"


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "sqlite":
        return SQLITE
    server: PostgresqlServer = request.getfixturevalue("postgresql")[0]
    return PostgresqlStore(lambda name: server.tcp_address(name).url)


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Iterator[Path]:
    """A state directory with two webhooks, of three old deliveries each."""
    store.make(tmp_path / "filled")
    fill_history(tmp_path / "filled", fill_webhooks(tmp_path / "filled", ["http://a.test/", "http://b.test/"]), 3)
    store.take_over(tmp_path / "filled")
    yield tmp_path / "filled"
    store.remove(tmp_path / "filled")


def test_a_copy_has_what_was_filled_and_goes_its_own_way(store: Store, filled: Path, tmp_path: Path) -> None:
    store.make(tmp_path / "copy")
    store.copy(filled, tmp_path / "copy")
    assert store.query(tmp_path / "copy", COUNTS) == [(6, 6, -12)]
    store.redirect(tmp_path / "copy", "http://c.test/")
    assert store.query(tmp_path / "copy", "SELECT DISTINCT url FROM webhooks") == [("http://c.test/",)]
    store.remove(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert store.query(filled, "SELECT count(*) FROM webhooks WHERE url = 'http://c.test/'") == [(0,)]


def test_a_file_each_is_usual_and_another_store_is_named() -> None:
    assert (read_options([]).store, read_options(["--store", "postgresql"]).store) == ("sqlite", "postgresql")
    with pytest.raises(SystemExit, match="2"):
        read_options(["--store", "mysql"])
