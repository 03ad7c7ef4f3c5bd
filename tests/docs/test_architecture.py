"""The walls between the rooms: which may use what (architecture "The walls")."""

import ast
from collections.abc import Iterator

import pytest

from tests.docs.sources import Source, sources

LONGEST_FILE = 350
DAEMON, API = sources("daemon"), sources("api")
ALL = [*DAEMON, *API]

# Who may use httpx, and what for.
HTTPX = {
    "daemon/egress/": "the way out: a transport of its own, and its exceptions",
    "daemon/delivery/attempt.py": "builds the request and reads the response of an attempt",
    "daemon/delivery/endpoint.py": "names the type of the transport that it keeps for its webhook",
    "daemon/wiring.py": "names the type of the transport that tests replace",
    "daemon/demo/": "a client of the daemon's own API",
}

# Who may sleep again and again, and why nothing could wake it instead.
SLEEPS_IN_LOOPS = {
    "daemon/actors/supervisor.py": "the back-off between restarts",
    "daemon/actors/retry.py": "the back-off while the database fails",
    "daemon/mail/outbox.py": "the back-off while the database fails",
    "daemon/maintenance/checkpointer.py": "SQLite tells nobody when a read ends",
    "daemon/delivery/canceller.py": "the others' share of the store",
    "daemon/maintenance/time_indexer.py": "its interval; the others' share of the store",
    "daemon/delivery/fan_out.py": "the others' share of the store",
    "daemon/maintenance/cleaner.py": "its interval; the others' share of the store",
    "daemon/systemd/notify.py": "the beat of the watchdog",
    "daemon/telemetry/log_throttle.py": "its window",
    "daemon/telemetry/loop_lag.py": "how late it ends is what is measured",
    "daemon/cli/log_sources.py": "another program writes the file",
    "daemon/demo/process.py": "another process gets ready",
    "daemon/demo/run.py": "another process writes the mail",
    "daemon/demo/watching.py": "the API has nothing to wait on",
    "api/console/live.py": "how often a page may change",
}

# Where groups of exceptions are taken apart: where a task's failure ends.
SUPERVISION = {
    "daemon/actors/supervisor.py": "a crashed actor",
    "daemon/app.py": "the process",
    "daemon/cli/listen.py": "a command that runs an event loop",
    "api/server/serve.py": "one connection",
}


def names(found: Iterator[Source] | list[Source]) -> list[str]:
    return [source.path for source in found]


def test_the_daemon_never_imports_the_api_but_in_its_composition_root() -> None:
    assert names(source for source in DAEMON if source.imports("api")) == ["daemon/app.py"]


def test_sql_stays_in_the_store() -> None:
    assert not names(s for s in ALL if s.imports("sqlalchemy", "alembic", "sqlite3") and not s.is_in("daemon/store/"))


def test_the_api_makes_no_http_requests() -> None:
    assert not names(
        source for source in API if source.imports("httpx", "httptools", "daemon.egress", "daemon.delivery.attempt")
    )


def test_the_api_decides_nothing_about_retries() -> None:
    allowed = {
        "daemon.domain.lifecycle",
        "daemon.domain.lifecycle.WebhookEdit",
        "daemon.domain.lifecycle.is_before_switch",
    }
    used = {name for source in API for name in source.imported if name.startswith("daemon.domain.lifecycle")}
    assert used <= allowed


def test_only_those_who_need_it_use_httpx() -> None:
    assert not names(source for source in ALL if source.imports("httpx") and not source.is_in(*HTTPX))


def test_the_web_framework_stays_in_the_api() -> None:
    assert not names(source for source in DAEMON if source.imports("quart", "quart_trio", "hypercorn", "werkzeug"))


def test_the_clients_see_the_daemon_through_its_http_api_only() -> None:
    inside = (
        "daemon.store",
        "daemon.delivery.router",
        "daemon.management.registry",
        "daemon.delivery.fleet",
        "daemon.wiring",
    )
    clients = (source for source in DAEMON if source.is_in("daemon/cli/", "daemon/demo/"))
    assert not names(source for source in clients if source.imports(*inside))


def test_the_rules_are_pure() -> None:
    [rules] = [source for source in DAEMON if source.path == "daemon/domain/lifecycle.py"]
    assert {name.split(".")[0] for name in rules.imported} <= {"dataclasses", "typing", "daemon"}
    assert {
        name for name in rules.imported if name.startswith("daemon.") and not name.startswith("daemon.domain.model")
    } == set()


def test_there_is_no_asyncio() -> None:
    assert not names(source for source in ALL if source.imports("asyncio", "trio_asyncio", "aiosqlite"))


def test_nothing_polls_by_sleeping() -> None:
    assert {source.path for source in ALL if any(_sleeps_in_loops(source.tree))} == set(SLEEPS_IN_LOOPS)


def test_groups_of_exceptions_are_taken_apart_where_a_failure_ends_and_nowhere_else() -> None:
    found = {source.path for source in ALL if any(isinstance(node, ast.TryStar) for node in ast.walk(source.tree))}
    assert found <= set(SUPERVISION)


def test_every_shield_has_a_deadline() -> None:
    assert not [f"{source.path}:{line}" for source in ALL for line in _shields_without_deadline(source.tree)]


def test_no_file_is_too_long_to_read() -> None:
    assert not [source.path for source in ALL if source.text.count("\n") > LONGEST_FILE]


@pytest.mark.parametrize("place", [*HTTPX, *SLEEPS_IN_LOOPS, *SUPERVISION])
def test_what_is_allowed_is_there(place: str) -> None:
    assert [source for source in ALL if source.is_in(place)]


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


def _sleeps_in_loops(tree: ast.AST) -> Iterator[ast.Call]:
    for loop in ast.walk(tree):
        if isinstance(loop, ast.While | ast.For | ast.AsyncFor):
            yield from (
                node
                for node in ast.walk(loop)
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".sleep")
            )


def _shields_without_deadline(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            if any(isinstance(target, ast.Attribute) and target.attr == "shield" for target in node.targets):
                yield node.lineno
        elif isinstance(node, ast.Call):
            given = {keyword.arg for keyword in node.keywords}
            timed = ast.unparse(node.func).endswith(("move_on_after", "fail_after", "move_on_at", "fail_at"))
            if "shield" in given and "deadline" not in given and not timed:
                yield node.lineno
