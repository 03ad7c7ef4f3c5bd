"""Upgrading an older database in steps: each is kept, whenever the process ends."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection

from daemon.store.commands import CreateWebhook
from daemon.store.migrate import Seal, page_of
from daemon.store.schema import HEAD_REVISION
from daemon.store.sqlite.database import open_database
from tests.store.filling import a_webhook, accept, found, recording, run
from tests.store.test_database import alembic_config

Rows = list[tuple[object, ...]]
_TALLIES = (
    "SELECT hour, webhook_id, succeeded, failed FROM webhook_hours ORDER BY hour",
    "SELECT * FROM credit_days ORDER BY day",
)
_ENDED = 40


class Killed(Exception):
    """Stands in for the end of the process between two transactions."""


def tallies_of(path: Path) -> list[Rows]:
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(query).fetchall() for query in _TALLIES]


def revision_of(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def downgrade(path: Path, revision: str) -> None:
    database, config = open_database(path), alembic_config()
    with database.writing.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
    database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with some deliveries that ended and were paid for."""
    database = open_database(tmp_path / "x.db")
    found(database)
    for work in accept(database, range(_ENDED)):
        run(database, recording(work, 1))
    database.close()
    return tmp_path / "x.db"


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make pages small; the process ends before the page of this number."""

    def prepare(pages: int) -> None:
        left = pages

        def small_page(revision: str) -> Callable[[Connection, Seal], bool]:
            real = page_of(revision)
            real.__globals__["_PAGE_ROWS"] = 7

            def page(connection: Connection, seal: Seal) -> bool:
                nonlocal left
                left -= 1
                if left < 0:
                    raise Killed
                return real(connection, seal)

            return page

        monkeypatch.setattr("daemon.store.sqlite.upgrade.page_of", small_page)

    return prepare


@pytest.mark.fault(
    "A kill in the middle of an upgrade that counts millions of rows",
    "What was counted is kept: the next start counts the rest, each row once",
)
@pytest.mark.parametrize("pages", [0, 9])
def test_a_killed_upgrade_continues_where_it_was(path: Path, killed_after: Callable[[int], None], pages: int) -> None:
    expected = tallies_of(path)
    downgrade(path, "0002")
    killed_after(pages)
    with pytest.raises(Killed):
        open_database(path)
    assert revision_of(path) == "0002a"
    with closing(sqlite3.connect(path)) as connection:
        left = connection.execute("SELECT sum(before_seq - 1) FROM tally_progress").fetchone()[0]
    assert left == 2 * _ENDED - sum(min(7, _ENDED - 7 * (page % 6)) for page in range(pages))
    killed_after(100)
    open_database(path).close()
    assert revision_of(path) == HEAD_REVISION
    assert tallies_of(path) == expected


@pytest.fixture
def readable(tmp_path: Path) -> Path:
    """A database from before secrets were sealed, with 20 webhooks; every fifth has no secret."""
    path = tmp_path / "readable.db"
    database = open_database(path)
    found(database)
    for number in range(2, 21):
        run(database, CreateWebhook(a_webhook(number)))
    database.close()
    downgrade(path, "0001")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE webhooks SET secret = 'readable ' || id WHERE seq % 5")
    return path


def secrets_of(path: Path) -> dict[str, str | None]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT id, secret FROM webhooks").fetchall())


@pytest.mark.fault(
    "A kill in the middle of an upgrade that seals the secrets of very many webhooks",
    "What was sealed stays; the next start seals the rest, each secret once",
)
@pytest.mark.parametrize("pages", [0, 1, 2, 3])
def test_killed_sealing_continues_where_it_was(readable: Path, killed_after: Callable[[int], None], pages: int) -> None:
    def seal(secret: str, webhook_id: str) -> str:
        return f"sealed {secret} for {webhook_id}"

    before = secrets_of(readable)
    killed_after(pages)
    with pytest.raises(Killed):
        open_database(readable, seal)
    sealed = [secret for secret in secrets_of(readable).values() if secret and secret.startswith("sealed")]
    assert len(sealed) == [0, 5, 11, 16][pages]
    killed_after(100)
    open_database(readable, seal).close()
    assert revision_of(readable) == HEAD_REVISION
    expected = {webhook_id: secret and seal(secret, webhook_id) for webhook_id, secret in before.items()}
    assert secrets_of(readable) == expected


def test_an_upgrade_that_is_killed_before_secrets_are_overwritten_overwrites_them_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, secret = tmp_path / "x.db", "whsec_" + "readable" * 3
    database = open_database(path)
    found(database)
    database.close()
    downgrade(path, "0001")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE webhooks SET secret = ?", (secret,))
        connection.execute("UPDATE webhooks SET secret = ?", (secret,))

    def killed(_engine: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("daemon.store.sqlite.upgrade._overwrite_free_space", killed)
        with pytest.raises(Killed):
            open_database(path, lambda _secret, _webhook_id: "sealed")
    assert secret.encode() in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    open_database(path, lambda _secret, _webhook_id: "sealed").close()
    assert secret.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
