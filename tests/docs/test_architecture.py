"""Which package may use what, and other rules of the code (architecture "Enforced rules")."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.layers import LAYERS, arrows, layer_of
from tests.docs.positional_arguments import definitions_of, many_by_place
from tests.docs.sources import Source, sources

LONGEST_FILE = 350
DAEMON, API = sources("daemon"), sources("api")
ALL = [*DAEMON, *API]

# Who may name a client of HTTP outside daemon/egress/, and what for.
HTTP_CLIENTS = ("httpx", "httpcore", "httptools", "http.client", "urllib.request", "urllib3", "requests", "aiohttp")
USE_HTTP_CLIENTS = {
    "daemon/delivery/attempt.py": "catches the transport's exceptions",
    "daemon/delivery/outcome.py": "tells the transport's exceptions apart",
    "daemon/cli/client.py": "a client of the daemon's own API",
    "daemon/cli/forwarding.py": "a client of a server on the machine of whoever runs `listen`",
    "daemon/cli/live_stream.py": "a client of the daemon's own API",
    "daemon/cli/exchange.py": "a client of the daemon's own API",
    "daemon/demo/api.py": "a client of the daemon's own API",
    "daemon/demo/process.py": "a client of the daemon's own API",
}

# Who may sleep again and again, and why nothing could wake it instead.
SLEEPS_IN_LOOPS = {
    "daemon/actors/supervisor.py": "the back-off between restarts",
    "daemon/management/key_uses.py": "how often uses are kept",
    "daemon/maintenance/last_hour.py": "a minute is over when it is over",
    "daemon/store/retry.py": "the back-off while the database fails",
    "daemon/opening.py": "the back-off while a database server is awaited",
    "daemon/mail/notifier.py": "the back-off while the database fails",
    "daemon/maintenance/checkpointer.py": "SQLite tells nobody when a read ends",
    "daemon/management/bulk_jobs.py": "the others' share of the store",
    "daemon/management/paged_work.py": "the others' share of the store",
    "daemon/delivery/canceller.py": "the others' share of the store",
    "daemon/maintenance/shared_key_rotation.py": "a command that waits for what every node has to say",
    "daemon/maintenance/time_indexer.py": "its interval; the others' share of the store",
    "daemon/delivery/fan_out.py": "the others' share of the store",
    "daemon/maintenance/cleaner.py": "its interval; the others' share of the store",
    "daemon/systemd/notify.py": "the beat of the watchdog",
    "daemon/telemetry/log_throttle.py": "its window",
    "daemon/cluster/membership.py": "the back-off while the database is away",
    "daemon/cluster/listening.py": "the back-off between connections",
    "daemon/cluster/sweeping.py": "its interval: what no notice told of",
    "daemon/cluster/silence.py": "a server that is silent tells nobody",
    "daemon/cluster/caller.py": "what comes together is called out together",
    "daemon/cluster/live_pages.py": "how often others are told",
    "daemon/store/postgresql/doubtful_commit.py": "the server tells nobody when it is back",
    "daemon/telemetry/loop_lag.py": "how late it ends is what is measured",
    "daemon/cli/log_sources.py": "another program writes the file",
    "daemon/cli/nodes.py": "the API has nothing to wait on",
    "daemon/demo/process.py": "another process gets ready",
    "daemon/demo/run.py": "another process writes the mail",
    "daemon/demo/watching.py": "the API has nothing to wait on",
    "daemon/cli/following.py": "the back-off while the daemon cannot be reached",
    "api/console/pages/live.py": "how often a page may change",
    "api/routes/changes.py": "how often a change is told",
}

# Where groups of exceptions are taken apart: where a task's failure ends.
SUPERVISION = {
    "daemon/actors/supervisor.py": "a crashed actor",
    "daemon/app.py": "the process",
    "daemon/cli/listen.py": "a command that runs an event loop",
    "api/server/serve.py": "one connection",
}

# The package of each engine: nobody else knows its dialect.
SQLITE, POSTGRESQL = "daemon/store/sqlite/", "daemon/store/postgresql/"

# What the rest of the store may not name, in code or prose: there, an engine is any engine.
DIALECT = re.compile(
    r"""sqlite\w* | postgres\w* | psycopg\w* | pragma\b | \browid | without.rowid | json_(?:each|extract|group|array)\w*
    | insert\ or\b | or\ (?:ignore|replace)\b | \bvacuum | \bwal\b | write.ahead | checkpoint_frames | \borig\b
    | operationalerror | integrityerror | sqlalchemy\.dialects | with_variant | prefix_with | literal_column
    | exec_driver_sql | driver_connection | raw_connection | connection\.(?:connection|dialect)""",
    re.IGNORECASE | re.VERBOSE,
)
# A migration that has been released says, for each engine, what it made: how tables are laid out, partial indexes.
DIALECT_IN_MIGRATIONS = {
    "daemon/store/migrations/versions/0001_initial.py": {
        "with_variant",
        "sqlite",
        "sqlite_with_rowid",
        "sqlite_where",
        "postgresql_where",
    },
    "daemon/store/migrations/versions/0001a_sealing_begun.py": {"exec_driver_sql"},
    "daemon/store/migrations/versions/0002a_tallies_begun.py": {"sqlite_with_rowid", "exec_driver_sql"},
    "daemon/store/migrations/versions/0003_tallies.py": {"sqlite_with_rowid", "sqlite_where", "postgresql_where"},
    "daemon/store/migrations/versions/0005_bounded_work.py": {"with_variant", "sqlite", "sqlite_with_rowid"},
    "daemon/store/migrations/versions/0014_key_roles.py": {
        "with_variant",
        "sqlite",
        "postgresql",
        "sqlalchemy.dialects",
    },
    "daemon/store/migrations/versions/0017_portal_links.py": {"sqlite", "with_variant"},
    "daemon/store/migrations/versions/0020_operational_webhooks.py": {"sqlite", "with_variant"},
    "daemon/store/migrations/versions/0021_bulk_jobs.py": {"sqlite", "with_variant"},
    "daemon/store/migrations/versions/0022_team_settings.py": {"sqlite", "with_variant"},
    "daemon/store/migrations/versions/0006_fan_outs.py": {"with_variant", "sqlite", "sqlite_with_rowid"},
    "daemon/store/migrations/versions/0010_fan_out_cancellations.py": {"sqlite_with_rowid"},
    "daemon/store/migrations/versions/0026_statistics.py": {"sqlite_with_rowid"},
    "daemon/store/migrations/versions/0033_erasures.py": {"sqlite", "with_variant"},
    "daemon/store/migrations/versions/0012_nodes.py": {
        "postgresql",
        "postgresql_where",
        "sqlite",
        "sqlalchemy.dialects",
    },
}

# Who else uses SQLite's, and what for. Each has to know what it does with another engine.
SQLITE_USERS = {
    "daemon/start_log.py": "logs what is missing in the file",
    "daemon/maintenance/backup.py": "copies the file",
    "daemon/maintenance/opened_store.py": "tells what is missing in the file",
    "daemon/maintenance/migrate_to_postgresql.py": "copies the rows out of the file",
    "daemon/maintenance/migrate_to_sqlite.py": "makes a file of the rows of a server",
    "daemon/maintenance/migrated_file.py": "gives the file another name",
    "daemon/maintenance/restore.py": "puts another file in its place",
    "daemon/maintenance/sealed_database.py": "opens the file of the state directory",
    "daemon/maintenance/state_dir.py": "wants no links in the place of the file",
    "daemon/maintenance/store_migration.py": "tells what kept a backup from being copied",
    "daemon/doctor/database.py": "inspects the file",
}

# Who else uses PostgreSQL's; and nothing of it is imported unless the settings name a database.
POSTGRESQL_USERS = {
    "daemon/cluster/answering.py": "runs on a database that several nodes share",
    "daemon/cluster/held_credits.py": "runs on a database that several nodes share",
    "daemon/cluster/requests.py": "runs on a database that several nodes share",
    "daemon/doctor/nodes.py": "judges what was found in the database",
    "daemon/doctor/postgresql.py": "judges what was found on the server",
    "daemon/doctor/server.py": "looks at the server from outside the daemon",
    "daemon/maintenance/opened_store.py": "tells what it opened",
    "daemon/maintenance/migrate_to_postgresql.py": "copies the rows of the file into the database",
    "daemon/maintenance/migrate_to_sqlite.py": "copies the rows of the database into a file",
    "daemon/maintenance/postgresql_store.py": "opens the database of the settings",
    "daemon/maintenance/shared_key_rotation.py": "seals anew what is in the database",
    "daemon/wiring_cluster.py": "has several nodes share the database",
}


def names(found: Iterator[Source] | list[Source]) -> list[str]:
    return [source.path for source in found]


def test_a_package_imports_only_what_stands_below_it() -> None:
    upward = {(one, other) for one, other in arrows(ALL) if LAYERS.index(one) > LAYERS.index(other)}
    assert upward == set()


def test_every_package_has_its_place_in_the_order() -> None:
    assert {layer_of(source.path) for source in ALL} == set(LAYERS)


@pytest.mark.parametrize("package", ["daemon/domain", "daemon/actors"])
def test_what_everything_stands_on_imports_nothing_else_of_ours(package: str) -> None:
    assert not [imported for importer, imported in arrows(ALL) if importer == package]


def test_the_daemon_never_imports_the_api_but_in_its_composition_root() -> None:
    assert names(source for source in DAEMON if source.imports("api")) == ["daemon/app.py"]


def test_sql_stays_in_the_store() -> None:
    assert not names(s for s in ALL if s.imports("sqlalchemy", "alembic", "sqlite3") and not s.is_in("daemon/store/"))


def test_only_an_engines_package_knows_its_dialect() -> None:
    rest = (s for s in DAEMON if s.is_in("daemon/store/") and not s.is_in(SQLITE) and not s.is_in(POSTGRESQL))
    found = {source.path: dialect_in(source.text) for source in rest}
    assert {path: words for path, words in found.items() if words} == DIALECT_IN_MIGRATIONS


def test_only_those_who_deal_with_the_file_use_the_engines_package() -> None:
    users = (source for source in ALL if source.imports("daemon.store.sqlite") and not source.is_in(SQLITE))
    assert set(names(users)) == set(SQLITE_USERS)


def test_only_those_who_open_the_database_use_the_other_engines_package() -> None:
    users = (source for source in ALL if source.imports("daemon.store.postgresql", "psycopg"))
    assert {source.path for source in users if not source.is_in(POSTGRESQL)} == set(POSTGRESQL_USERS)


def test_no_engine_knows_the_other() -> None:
    assert not names(s for s in DAEMON if s.is_in(SQLITE) and s.imports("daemon.store.postgresql", "psycopg"))
    assert not names(s for s in DAEMON if s.is_in(POSTGRESQL) and s.imports("daemon.store.sqlite", "sqlite3"))


def test_the_api_makes_no_http_requests() -> None:
    assert not names(
        source for source in API if source.imports(*HTTP_CLIENTS, "daemon.egress", "daemon.delivery.attempt")
    )


def test_the_api_decides_nothing_about_retries() -> None:
    allowed = {
        "daemon.domain.lifecycle",
        "daemon.domain.lifecycle.WebhookEdit",
        "daemon.domain.lifecycle.is_before_switch",
    }
    used = {name for source in API for name in source.imported if name.startswith("daemon.domain.lifecycle")}
    assert used == allowed


def test_only_the_way_out_makes_requests() -> None:
    others = {source.path for source in ALL if source.imports(*HTTP_CLIENTS) and not source.is_in("daemon/egress/")}
    assert others == set(USE_HTTP_CLIENTS)


def test_the_web_framework_stays_in_the_api() -> None:
    assert not names(source for source in DAEMON if source.imports("quart", "quart_trio", "hypercorn", "werkzeug"))


def test_the_clients_see_the_daemon_through_its_http_api_only() -> None:
    inside = (
        "daemon.store",
        "daemon.delivery.router",
        "daemon.management",
        "daemon.delivery.fleet",
        "daemon.wiring",
        "daemon.wiring_delivery",
        "daemon.wiring_handles",
        "daemon.wiring_management",
    )
    clients = (source for source in DAEMON if source.is_in("daemon/cli/", "daemon/demo/"))
    assert not names(source for source in clients if source.imports(*inside))


def test_the_rules_are_pure() -> None:
    files = {f"daemon/domain/{name}.py" for name in ("lifecycle", "policy", "retries")}
    imported = {name for source in DAEMON if source.path in files for name in source.imported}
    of_values = {"collections", "dataclasses", "datetime", "enum", "re", "types", "typing"}
    assert {name.split(".")[0] for name in imported} <= {*of_values, "daemon"}
    values = ("model", "operations", "policy", "retries", "webhook_options")
    allowed = tuple(f"daemon.domain.{name}" for name in values)
    assert {name for name in imported if name.startswith("daemon.") and not name.startswith(allowed)} == set()


def test_there_is_no_asyncio() -> None:
    assert not names(source for source in ALL if source.imports("asyncio", "trio_asyncio", "aiosqlite"))


def test_nothing_polls_by_sleeping() -> None:
    assert {source.path for source in ALL if any(_sleeps_in_loops(source.tree))} == set(SLEEPS_IN_LOOPS)


def test_groups_of_exceptions_are_taken_apart_where_a_failure_ends_and_nowhere_else() -> None:
    found = {source.path for source in ALL if any(isinstance(node, ast.TryStar) for node in source.nodes)}
    assert found == set(SUPERVISION)


def test_every_shield_has_a_deadline() -> None:
    assert not [f"{source.path}:{line}" for source in ALL for line in _shields_without_deadline(source.tree)]


def test_no_file_is_too_long_to_read() -> None:
    assert not [source.path for source in ALL if source.text.count("\n") > LONGEST_FILE]


def test_what_takes_more_than_three_arguments_gets_the_others_by_keyword() -> None:
    definitions = definitions_of(ALL)
    assert not [f"{source.path}:{line}" for source in ALL for line in many_by_place(source, definitions)]


@pytest.mark.parametrize(
    ("code", "sleeps"),
    [
        ("while not done():\n    await trio.sleep(0.1)", True),
        ("async def wait():\n    for _ in range(9):\n        if here():\n            time.sleep(1)", True),
        ("await trio.sleep(1)", False),
        ("while True:\n    await event.wait()", False),
    ],
)
def test_a_sleep_in_a_loop_is_found(code: str, sleeps: bool) -> None:
    assert any(_sleeps_in_loops(ast.parse(code))) is sleeps


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("trio.CancelScope(shield=True)", [1]),
        ("scope.shield = True", [1]),
        ("trio.CancelScope(shield=True, deadline=9)", []),
        ("trio.move_on_after(5, shield=True)", []),
    ],
)
def test_a_shield_without_a_deadline_is_found(code: str, lines: list[int]) -> None:
    assert list(_shields_without_deadline(ast.parse(code))) == lines


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('connection.exec_driver_sql("PRAGMA page_count")', {"exec_driver_sql", "pragma"}),
        ("from sqlalchemy.dialects.postgresql import insert", {"sqlalchemy.dialects", "postgresql"}),
        ('insert(teams).prefix_with("OR IGNORE")', {"prefix_with", "or ignore"}),
        ("# SQLite walks through json_each", {"sqlite", "json_each"}),
        ("connection.connection.cursor()", {"connection.connection"}),
        ("the narrow ideas of a browser: either one or its ignorance", set()),
    ],
)
def test_words_of_a_dialect_are_found(text: str, words: set[str]) -> None:
    assert dialect_in(text) == words


def dialect_in(text: str) -> set[str]:
    return {found.lower() for found in DIALECT.findall(text)}


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("def f(a, b, c, d): ...\nf(1, 2, 3, 4)", [2]),
        ("def f(a, b, c, d): ...\nf(1, 2, 3, d=4)", []),
        ("def f(*all): ...\nf(1, 2, 3, 4)", []),
        ("@dataclass\nclass A:\n    a: int\nA(1, 2, 3, 4)", [4]),
        ("class A(Struct, frozen=True):\n    a: int\nA(1, 2, 3, 4)", [3]),
        ("class A(Base): ...\nA(1, 2, 3, 4)", []),
        ("class A:\n    def f(self, a, b, c, d): ...\nA().f(1, 2, 3, 4)", [3]),
        ("max(1, 2, 3, 4)\nnursery.start_soon(f, 1, 2, 3)", []),
    ],
)
def test_many_arguments_by_place_are_found(code: str, lines: list[int], tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(code)
    source = Source(str(file))
    assert list(many_by_place(source, definitions_of([source]))) == lines


def _sleeps_in_loops(tree: ast.AST) -> Iterator[ast.Call]:
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While | ast.For | ast.AsyncFor):
            yield from (
                node
                for node in ast.walk(loop)
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith((".sleep", "rest_after"))
            )


def _shields_without_deadline(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            if any(isinstance(target, ast.Attribute) and target.attr == "shield" for target in node.targets):
                yield node.lineno
        elif isinstance(node, ast.Call):
            given = {keyword.arg for keyword in node.keywords}
            if "shield" in given and "deadline" not in given and not _is_timed(node):
                yield node.lineno


def _is_timed(scope: ast.Call) -> bool:
    return ast.unparse(scope.func).endswith(("move_on_after", "fail_after", "move_on_at", "fail_at"))
