"""What a run with crashes leaves behind, as plain data: the receiver's log, the receipts, the database, the mail."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as the receiver logged it before it answered `status` (None: it hung up).

    `life` counts the kills before it, `number` is the one in the event's data.
    """

    life: int
    delivery_id: str
    attempt: int
    number: int
    status: int | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event that the API acknowledged: its id, the number in its data, how many deliveries it said it made."""

    event_id: str
    number: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """A row of the table of events; `number` is the one in its data."""

    id: str
    number: int
    accepted_at: int


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A row of the table of deliveries, with the status code of each of its attempts by number."""

    seq: int
    id: str
    event_id: str
    webhook_id: str
    status: str
    attempts_made: int
    created_at: int
    completed_at: int | None
    attempts: Mapping[int, int | None]


@dataclass(frozen=True, slots=True)
class StoredWebhook:
    """What a webhook's row says of its failures."""

    id: str
    active: bool
    deleted: bool
    consecutive_failures: int


@dataclass(frozen=True, slots=True)
class StoredMail:
    """A mail of the outbox: the failed deliveries it names."""

    id: str
    webhook_id: str
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known after a run.

    `unsure` are the numbers whose submission was never answered; `by_hand` the webhooks that somebody enabled,
    disabled or deleted at will. `maildir` holds the names of the mails that lie there, None where none is kept.
    """

    events: tuple[StoredEvent, ...]
    deliveries: tuple[StoredDelivery, ...]
    webhooks: tuple[StoredWebhook, ...]
    mails: tuple[StoredMail, ...]
    arrivals: tuple[Arrival, ...]
    receipts: tuple[Receipt, ...]
    unsure: frozenset[int] = frozenset()
    by_hand: frozenset[str] = frozenset()
    maildir: tuple[str, ...] | None = None
    impossible: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """The part of the evidence that is not in the database."""

    arrivals: tuple[Arrival, ...]
    receipts: tuple[Receipt, ...]
    unsure: frozenset[int] = frozenset()
    by_hand: frozenset[str] = field(default=frozenset())
    maildir: tuple[str, ...] | None = None


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a database that nothing here can change."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def gather(connection: sqlite3.Connection, told: Told, impossible: Iterable[str] = ()) -> Evidence:
    """Combine what the database holds with what was observed."""
    return Evidence(
        events=tuple(_event(row) for row in connection.execute("SELECT * FROM events ORDER BY seq")),
        deliveries=_deliveries(connection),
        webhooks=tuple(_webhook(row) for row in connection.execute("SELECT * FROM webhooks ORDER BY seq")),
        mails=tuple(_mail(row) for row in connection.execute("SELECT * FROM mails ORDER BY seq")),
        arrivals=told.arrivals,
        receipts=told.receipts,
        unsure=told.unsure,
        by_hand=told.by_hand,
        maildir=told.maildir,
        impossible=tuple(impossible),
    )


def _event(row: sqlite3.Row) -> StoredEvent:
    return StoredEvent(row["id"], json.loads(row["body"])["data"]["n"], row["accepted_at"])


def _deliveries(connection: sqlite3.Connection) -> tuple[StoredDelivery, ...]:
    attempts: defaultdict[int, dict[int, int | None]] = defaultdict(dict)
    for row in connection.execute("SELECT delivery_seq, number, status FROM attempts"):
        attempts[row["delivery_seq"]][row["number"]] = row["status"]
    columns = "seq, id, event_id, webhook_id, status, attempts_made, created_at, completed_at"
    rows = connection.execute(f"SELECT {columns} FROM deliveries ORDER BY seq")
    return tuple(StoredDelivery(**dict(row), attempts=attempts.get(row["seq"], {})) for row in rows)


def _webhook(row: sqlite3.Row) -> StoredWebhook:
    return StoredWebhook(row["id"], bool(row["active"]), row["deleted_at"] is not None, row["consecutive_failures"])


def _mail(row: sqlite3.Row) -> StoredMail:
    failed = tuple(failure["delivery_id"] for failure in json.loads(row["failures"]))
    return StoredMail(row["id"], row["webhook_id"], failed)
