"""What each cell may hold. SQLite itself lets any column hold anything, and the file may come from somebody else.

Each kind is said twice: for SQLite, which looks through whole tables (`daemon.store.file.content`), and for a value
that was read (`daemon.store.rows`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary

from daemon.domain.model import CancelReason, DeliveryStatus, DisabledReason, FailedDelivery, OutcomeKind

# Beyond these no time can be written down, and no number be counted on from.
_FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999
_BEYOND = 2**62
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """What cells of a column hold: in words, as a condition of SQLite (`{0}` is the column), and when it was read."""

    words: str
    sql: str
    holds: Callable[[Any], bool]


def kind_of(column: Column[Any]) -> Kind:
    """Return what cells of this column hold where they are not NULL."""
    if (special := _SPECIAL.get((column.table.name, column.name))) is not None:
        return special
    match column.type:
        case Boolean():
            return _FLAG
        case Integer() | BigInteger():
            is_time = column.name.endswith("_at") or column.name in _TIMES
            return _TIME if is_time else _COUNT
        case LargeBinary():
            return _BYTES
        case _:
            return _ID if column.name == "id" or column.name.endswith("_id") else _TEXT


def _whole(words: str, first: int, last: int) -> Kind:
    return Kind(
        words,
        f"typeof({{0}}) = 'integer' AND {{0}} BETWEEN {first} AND {last}",
        lambda value: type(value) is int and first <= value <= last,
    )


def _word(*words: str) -> Kind:
    said = ", ".join(f"'{word}'" for word in words)
    return Kind("a word that is known", f"{{0}} IN ({said})", frozenset(words).__contains__)


def is_text(content: bytes) -> bool:
    """Whether these bytes are a text in UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json(name: str, words: str, fits: Callable[[Any], bool]) -> Kind:
    def holds(text: str | bytes) -> bool:
        try:
            return fits(orjson.loads(text))
        except orjson.JSONDecodeError:
            return False

    FUNCTIONS[name] = holds
    condition = f"typeof({{0}}) = 'text' AND {name}(CAST({{0}} AS BLOB))"
    return Kind(words, condition, lambda value: type(value) is str and holds(value))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _are_pairs(value: Any, second: type) -> bool:
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return False
    return all(isinstance(name, str) and type(other) is second for name, other in value)


def _are_failures(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_failure, value))


def _is_failure(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {field.name for field in fields(FailedDelivery)}:
        return False
    texts = all(isinstance(value[name], str) for name in ("delivery_id", "event_type"))
    times = all(_TIME.holds(value[name]) for name in ("accepted_at", "failed_at"))
    status, error = value["status"], value["error"]
    answer = (status is None or _COUNT.holds(status)) and (error is None or isinstance(error, str))
    return texts and times and answer and value["outcome"] in list(OutcomeKind)


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_are_texts, value.values()))


# What the conditions call beside SQLite's own functions: each takes bytes.
FUNCTIONS: dict[str, Callable[[bytes], bool]] = {"is_text": is_text}

# Most texts are plain ASCII, which SQLite sees by itself; its patterns end at a NUL.
_WITHOUT_NUL = "typeof({0}) = 'text' AND instr(CAST({0} AS BLOB), x'00') = 0"
_TEXT = Kind(
    "a text in UTF-8 without NUL",
    f"{_WITHOUT_NUL} AND ({{0}} NOT GLOB '*[^ -~]*' OR is_text(CAST({{0}} AS BLOB)))",
    lambda value: type(value) is str and "\0" not in value,
)
_ID = Kind(
    "an id",
    f"{_WITHOUT_NUL} AND length({{0}}) BETWEEN 1 AND {_LONGEST_ID} AND {{0}} NOT GLOB '*[^A-Za-z0-9._-]*'",
    lambda value: type(value) is str and 0 < len(value) <= _LONGEST_ID and value.isascii() and value.isprintable(),
)
_FLAG = Kind("0 or 1", "typeof({0}) = 'integer' AND {0} IN (0, 1)", lambda value: type(value) is bool)
_BYTES = Kind("bytes", "typeof({0}) = 'blob'", lambda value: type(value) is bytes)
_PAYLOAD = Kind(
    "the bytes of a text",
    "typeof({0}) = 'blob' AND (CAST({0} AS TEXT) NOT GLOB '*[^ -~]*' OR is_text({0}))",
    _BYTES.holds,
)
_COUNT = _whole("a whole number from 0 on", 0, _BEYOND)
_AMOUNT = _whole("a whole number that can be counted on", -_BEYOND, _BEYOND)
_TIME = _whole("a time", _FIRST_MS, LAST_MS)
_TEXTS = _json("are_texts", "a JSON array of texts", _are_texts)
_HEADERS = _json("are_headers", "a JSON array of names and values", lambda value: _are_pairs(value, str))
_RECEIPTS = _json("are_receipts", "a JSON array of ids and numbers", lambda value: _are_pairs(value, int))
_FAILURES = _json("are_failures", "a JSON array of failed deliveries", _are_failures)
_CHOICE = _json("is_choice", "a JSON object of ids by event type", _is_choice)

_TIMES = ("at", "timestamp", "hour", "day", "earliest", "latest", "trusted_time")
_REASON = _word(*CancelReason)
_SPECIAL: Mapping[tuple[str, str], Kind] = {
    ("teams", "notification_emails"): _TEXTS,
    ("teams", "balance"): _AMOUNT,
    ("webhooks", "events"): _TEXTS,
    ("webhooks", "disabled_reason"): _word(*DisabledReason),
    ("events", "body"): _PAYLOAD,
    ("fan_outs", "webhooks"): _CHOICE,
    ("fan_out_cancellations", "reason"): _REASON,
    ("deliveries", "status"): _word(*DeliveryStatus),
    ("deliveries", "cancel_reason"): _REASON,
    ("cancellations", "reason"): _REASON,
    ("time_blocks", "table_name"): _word("deliveries", "events"),
    ("attempts", "outcome"): _word(*OutcomeKind),
    ("attempts", "headers"): _HEADERS,
    ("credit_entries", "amount"): _AMOUNT,
    ("credit_entries", "balance_after"): _AMOUNT,
    ("credit_days", "consumed"): _AMOUNT,
    ("idempotency_keys", "receipts"): _RECEIPTS,
    ("mails", "failures"): _FAILURES,
    ("mails", "recipients"): _TEXTS,
}
