"""Checking that each cell of a database holds a value that we could have written: SQLite's own check does not."""

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from sqlalchemy import Column, Table

from daemon.domain.printable import printable
from daemon.store.cells import BYTES, FLAG, ID, MAX_ID_LENGTH, PAYLOAD, TEXT, Json, Kind, Whole, Word, kind_of
from daemon.store.schema import (
    api_keys,
    cancellations,
    daemon_state,
    ended_sessions,
    fan_out_cancellations,
    fan_outs,
    mails,
    metadata,
    operational_events,
    teams,
    webhooks,
)

_SHOWN = 60  # bytes of a key

# The rows that a start reads, and the outboxes: a wrong cell in one of them would block what waits behind it.
READ_AT_START: Mapping[Table, str] = {
    **dict.fromkeys((teams, api_keys, ended_sessions, webhooks), "TRUE"),
    **dict.fromkeys((fan_outs, fan_out_cancellations, cancellations, daemon_state, operational_events), "TRUE"),
    mails: "sent_at IS NULL",
}
EVERYTHING: Mapping[Table, str] = dict.fromkeys(metadata.sorted_tables, "TRUE")
_KINDS = {column: kind_of(column) for table in EVERYTHING for column in table.columns}
_JSON_KINDS = [kind for kind in _KINDS.values() if isinstance(kind, Json)]


def wrong_cell(connection: sqlite3.Connection, rows: Mapping[Table, str] = EVERYTHING) -> str | None:
    """Return a sentence about a cell of these tables' rows that holds what we never write there, None if none does.

    Skips tables and columns that an older database does not have. Reads every row: a second for a million.
    """
    for name, check in (("is_text", _is_text), ("is_id", _is_id), ("is_utf8", _is_utf8)):
        connection.create_function(name, 1, check, deterministic=True)
    for kind in _JSON_KINDS:
        connection.create_function(kind.name, 1, kind.fits, deterministic=True)
    found = (_wrong_cell_of(connection, table, which) for table, which in rows.items())
    return next(filter(None, found), None)


def _wrong_cell_of(connection: sqlite3.Connection, table: Table, which: str) -> str | None:
    existing = {name for _, name, *_ in connection.execute(f"PRAGMA table_info({table.name})")}
    columns = [column for column in table.columns if column.name in existing]
    if not columns:
        return None
    keys = [_shown(column) for column in table.primary_key.columns]
    wrong = " ".join(f"WHEN ({_condition(column)}) IS NOT TRUE THEN {n}" for n, column in enumerate(columns))
    query = f"SELECT CASE {wrong} END AS wrong, {', '.join(keys)} FROM {table.name}"
    row = connection.execute(f"{query} WHERE {which} AND wrong IS NOT NULL LIMIT 1").fetchone()
    return None if row is None else _sentence(columns[row[0]], row[1:])


@cache
def _condition(column: Column[object]) -> str:
    quoted = f'"{column.name}"'
    valid = _valid(_KINDS[column]).format(quoted)
    return f"{quoted} IS NULL OR {valid}" if column.nullable else valid


def _valid(kind: Kind) -> str:
    """Return the condition that a cell `{0}` of this kind meets."""
    match kind:
        case Whole(first=first, last=last):
            return f"typeof({{0}}) = 'integer' AND {{0}} BETWEEN {first} AND {last}"
        case Word(allowed=allowed):
            return f"{{0}} IN ({_quoted(allowed)})"
        case Json(name=name):
            return f"typeof({{0}}) = 'text' AND {name}(CAST({{0}} AS BLOB))"
        case _:
            return _PLAIN[kind]


# By functions of ours: SQLite's patterns take ten times as long for a text of 100 characters, and end at a NUL.
_PLAIN: Mapping[Kind, str] = {
    TEXT: "typeof({0}) = 'text' AND is_text(CAST({0} AS BLOB))",
    ID: "typeof({0}) = 'text' AND is_id(CAST({0} AS BLOB))",
    FLAG: "typeof({0}) = 'integer' AND {0} IN (0, 1)",
    BYTES: "typeof({0}) = 'blob'",
    PAYLOAD: "typeof({0}) = 'blob' AND is_utf8({0})",
}
_ID = re.compile(rb"[A-Za-z0-9._-]{1,%d}" % MAX_ID_LENGTH)


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in sorted(words))


def _is_text(content: bytes) -> bool:
    return 0 not in content and _is_utf8(content)


def _is_id(content: bytes) -> bool:
    return _ID.fullmatch(content) is not None


def _is_utf8(content: bytes) -> bool:
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown(column: Column[object]) -> str:
    return f'substr(CAST("{column.name}" AS BLOB), 1, {_SHOWN})'


def _sentence(column: Column[object], key: Sequence[bytes | None]) -> str:
    parts = ["NULL" if part is None else part.decode(errors="backslashreplace") for part in key]
    row = printable(" ".join(", ".join(parts).split()))
    return f"table {column.table.name}, row {row}: the column {column.name} does not hold {_KINDS[column].words}"
