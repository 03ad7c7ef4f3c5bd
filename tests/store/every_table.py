"""A database file with rows in every table, also with what is at the limits of its cells."""

from dataclasses import replace
from pathlib import Path

from daemon.crypto.idempotency import answer_id
from daemon.crypto.vault import Vault
from daemon.domain.submission import Idempotency
from daemon.store.cells import LAST_MS
from daemon.store.commands import CreateTeam, CreateWebhook
from daemon.store.sqlite.database import open_database
from tests.store.filling import a_team, a_webhook, accept, recording, run
from tests.store.test_cells import ROWS

SECRETS = 3
_MOST = 2**62
_ALL_BYTES = bytes(range(256)).hex()
_LIMITS = (
    f"INSERT INTO teams VALUES (10, 'team_10', 'Ærø ☃ 𝄞', '[]', {_MOST}, {LAST_MS}, 2147483647, {_MOST}, 'Asia/Tokyo')",
    f"INSERT INTO teams VALUES (11, 'team_11', '', '[]', {_MOST}, 0, NULL, NULL, NULL)",
    f"INSERT INTO teams VALUES (12, 'team_12', '\"\\', '[]', -{_MOST}, 0, 0, 0, 'UTC')",
    f"INSERT INTO credit_entries VALUES ({_MOST}, 'crd_x', 'team_10', {_MOST}, {_MOST}, 0, NULL, NULL)",
    f"INSERT INTO credit_entries VALUES ({_MOST - 1}, 'crd_y', 'team_12', -{_MOST}, -{_MOST}, 0, NULL, '\\N')",
    "INSERT INTO attempts VALUES (50, 2147483647, 1, 1, 'http_error', 500, '[[\"a\", \"\\u0000\"]]', "
    f"x'{_ALL_BYTES}', '\t\n')",
    "INSERT INTO attempts VALUES (50, 3, 1, 1, 'http_error', NULL, '[]', x'', '')",
    "UPDATE events SET test = 1, body = CAST('{\"a\": \"\\u0000 ☃\"}' AS BLOB) WHERE id = 'evt_1'",
    "UPDATE deliveries SET test = 1 WHERE id = 'dlv_1'",
)


def make_every_table(path: Path, vault: Vault) -> None:
    """Make the database at `path`, whose secrets the vault has sealed."""
    database = open_database(path)
    run(database, CreateTeam(a_team()))
    sealed = vault.seal("whsec_one", "wh_1")
    run(database, CreateWebhook(replace(a_webhook(), secret=sealed, previous_secret=vault.seal("two", "wh_1"))))
    run(database, CreateWebhook(replace(a_webhook(2), secret=vault.seal("three", "wh_2"), active=False)))
    for work in accept(database, range(100, 110))[:7]:
        run(database, recording(work, 1))
    answer = vault.seal("{}", answer_id(Idempotency("operator", "key", b"")))
    with database.writer.begin():
        for statement in (*ROWS, *_LIMITS):
            statement = statement.replace("credit_entries VALUES (1,", "credit_entries VALUES (1000,")
            statement = statement.replace("credit_days VALUES ('team_1', 0", "credit_days VALUES ('team_1', 86400000")
            database.writer.exec_driver_sql(statement.replace("'sealed'", f"'{answer}'"))
    database.close()
