"""Fills a state directory before its daemon starts: registered webhooks, a backlog, old deliveries.

The database and the keys are made by the daemon's own code; the rows are what it would have written, but inserted in
bulk. Each function may be called again to add more, while no daemon has the state directory.
"""

from collections.abc import Sequence
from pathlib import Path

from daemon.config.settings import Settings
from daemon.crypto.vault import Vault
from daemon.domain.clock import DAY_MS, wall_clock_ms
from daemon.domain.event_types import WILDCARD
from daemon.domain.model import Team, Webhook
from daemon.maintenance.sealed_database import open_sealed_database
from daemon.maintenance.state_dir import DATABASE, operator_key
from daemon.store.rows import team_row, webhook_row
from daemon.store.schema import attempts, credit_entries, deliveries, events, teams, webhooks
from daemon.store.writes.counters import MOST_HOURS_KEPT_MS
from tests.bench.bulk_insert import bulk_connection, insert_rows, next_seq
from tests.bench.filled_rows import PRICE, Acceptance, Target, id_stem

SECRET = "whsec_a2FraXlvLXdlYmhvb2tzLWJlbmNobWFyay1zZWNyZXQ="
# Less than the daemon keeps events for.
_HISTORY_MS = 29 * DAY_MS
# What `daemon.store.writes.counters` would have counted.
_TALLY_HOURS = """
    INSERT INTO webhook_hours (hour, webhook_id, succeeded, failed, latency_10)
    SELECT completed_at - completed_at % 3600000, webhook_id, count(*), 0, count(*) FROM deliveries
    WHERE seq >= ? AND completed_at >= ? GROUP BY 1, 2
"""
_TALLY_DAYS = """
    INSERT INTO credit_days (team_id, day, consumed)
    SELECT team_id, completed_at - completed_at % 86400000, count(*) * ?2 FROM deliveries
    WHERE seq >= ?1 GROUP BY 1, 2
"""


def fill_pending(state_dir: Path, urls: Sequence[str], per_webhook: int) -> None:
    """Register a webhook for each URL, each in a team of its own, and give each so many pending deliveries."""
    fill_backlog(state_dir, fill_webhooks(state_dir, urls), per_webhook)


def fill_webhooks(
    state_dir: Path,
    urls: Sequence[str],
    *,
    per_team: int = 1,
    types: Sequence[str] = (WILDCARD,),
    signed: bool = True,
) -> list[Target]:
    """Register an active webhook for each URL, `per_team` of them in each new team; return them in this order.

    A new state directory gets its database and keys. With `signed` each webhook has a secret of the `whsec_` form.
    """
    vault, now = _prepare(state_dir), wall_clock_ms()
    with bulk_connection(state_dir / DATABASE, len(urls)) as connection:
        team_ids = _new_ids("team", now, next_seq(connection, teams), -(-len(urls) // per_team))
        webhook_ids = _new_ids("wh", now, next_seq(connection, webhooks), len(urls))
        targets = [Target(webhook_id, team_ids[n // per_team]) for n, webhook_id in enumerate(webhook_ids)]
        insert_rows(connection, teams, (team_row(_team(team_id, now)) | {"balance": 0} for team_id in team_ids))
        made = (
            _webhook(target, url, tuple(types), vault.seal(SECRET, target.webhook_id) if signed else None, now)
            for target, url in zip(targets, urls, strict=True)
        )
        insert_rows(connection, webhooks, map(webhook_row, made))
    return targets


def fill_backlog(state_dir: Path, targets: Sequence[Target], per_webhook: int) -> None:
    """Give each of these webhooks so many deliveries that were never attempted, accepted in turns just now."""
    now, count = wall_clock_ms(), per_webhook * len(targets)
    with bulk_connection(state_dir / DATABASE, count) as connection:
        first = next_seq(connection, events), next_seq(connection, deliveries)
        accepted = Acceptance(targets, count, *first, now, now)
        insert_rows(connection, events, accepted.event_rows())
        insert_rows(connection, deliveries, accepted.pending_rows())


def fill_history(state_dir: Path, targets: Sequence[Target], per_webhook: int, ended_days_ago: int = 0) -> None:
    """Give each of these webhooks, new ones in teams of their own, so many succeeded deliveries within 29 days.

    Each has its event, its attempt and its debit.
    """
    now, count = wall_clock_ms(), per_webhook * len(targets)
    with bulk_connection(state_dir / DATABASE, count) as connection:
        first = next_seq(connection, events), next_seq(connection, deliveries)
        ended = now - ended_days_ago * DAY_MS
        accepted = Acceptance(targets, count, *first, ended - _HISTORY_MS, ended)
        insert_rows(connection, events, accepted.event_rows())
        insert_rows(connection, deliveries, accepted.succeeded_rows())
        insert_rows(connection, attempts, accepted.attempt_rows())
        insert_rows(connection, credit_entries, accepted.debit_rows())
        connection.execute(_TALLY_HOURS, (first[1], now - MOST_HOURS_KEPT_MS))
        connection.execute(_TALLY_DAYS, (first[1], PRICE))
        charged = [(-PRICE * per_webhook, target.team_id) for target in targets]
        connection.executemany("UPDATE teams SET balance = ? WHERE id = ?", charged)


def redirect(state_dir: Path, url: str) -> None:
    """Give every webhook this URL."""
    with bulk_connection(state_dir / DATABASE, 0) as connection:
        connection.execute("UPDATE webhooks SET url = ?", (url,))


def _prepare(state_dir: Path) -> Vault:
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    operator_key(state_dir)
    opened = open_sealed_database(Settings(state_dir=state_dir))
    opened.database.close()
    return opened.vault


def _new_ids(prefix: str, now: int, first: int, count: int) -> list[str]:
    stem = id_stem(prefix, now)
    return [f"{stem}{number:016d}" for number in range(first, first + count)]


def _team(team_id: str, now: int) -> Team:
    return Team(team_id, "Acme", ("ops@example.com",), now)


def _webhook(target: Target, url: str, types: tuple[str, ...], sealed: str | None, now: int) -> Webhook:
    return Webhook(
        id=target.webhook_id,
        team_id=target.team_id,
        name="CRM Sync",
        url=url,
        secret=sealed,
        events=types,
        created_at=now,
        updated_at=now,
    )
