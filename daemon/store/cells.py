"""What each cell may hold. A database file may come from somebody else, and an engine may let a column hold anything.

A kind checks a value that was read (`daemon.store.rows`); the engine runs the same check on whole tables.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import orjson
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary

from daemon.domain.audit import AuditAction
from daemon.domain.bulk_jobs import BulkAction, BulkJobStatus
from daemon.domain.delivery_filter import filter_from
from daemon.domain.mails import MailKind
from daemon.domain.model import (
    CancelReason,
    DisabledReason,
    FailedDelivery,
    KeyRole,
    Origin,
    OutcomeKind,
)
from daemon.domain.operations import About, BodyFormat, OperationalType
from daemon.domain.webhook_options import are_options
from daemon.store.stored_status import STATUS_WORDS

# Beyond these a time cannot be formatted, and a number cannot safely be counted up from.
_FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999  # the years 1 to 9999
_BEYOND = 2**62
MAX_ID_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """What cells of a column hold, in words, and whether a value that was read is one."""

    words: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A whole number from `first` to `last`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Word(Kind):
    """One of these words."""

    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Json(Kind):
    """A text of JSON; `fits` says whether one does, as bytes or text. `name` is its own."""

    name: str
    fits: Callable[[str | bytes], bool]


def kind_of(column: Column[Any]) -> Kind:
    """Return what cells of this column hold where they are not NULL."""
    if (special := _SPECIAL.get((column.table.name, column.name))) is not None:
        return special
    match column.type:
        case Boolean():
            return FLAG
        case Integer() | BigInteger():
            is_time = column.name.endswith("_at") or column.name in _TIMES
            return _TIME if is_time else _COUNT
        case LargeBinary():
            return BYTES
        case _:
            return ID if column.name == "id" or column.name.endswith("_id") else TEXT


def _whole(words: str, first: int, last: int) -> Whole:
    return Whole(words, lambda value: type(value) is int and first <= value <= last, first=first, last=last)


def _word(*words: str) -> Word:
    allowed = frozenset(words)
    return Word("a known word", allowed.__contains__, allowed)


def _json(name: str, words: str, fits: Callable[[Any], bool]) -> Json:
    def holds(text: str | bytes) -> bool:
        try:
            return fits(orjson.loads(text))
        except orjson.JSONDecodeError:
            return False

    return Json(words, lambda value: type(value) is str and holds(value), name=name, fits=holds)


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


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_schema(value: Any) -> bool:
    return isinstance(value, dict | bool)


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(map(_COUNT.holds, value))


def _is_filter(value: Any) -> bool:
    try:
        wanted = filter_from("", value)
    except (AttributeError, TypeError, ValueError):
        return False
    texts = (wanted.webhook_id, wanted.event_id, wanted.event_type)
    times = (wanted.since, wanted.until)
    return all(one is None or isinstance(one, str) for one in texts) and all(
        one is None or _TIME.holds(one) for one in times
    )


def _is_choice(value: Any) -> bool:
    # A text is which of them a single event is for.
    return isinstance(value, dict) and all(_are_texts(of) or _is_hexadecimal(of) for of in value.values())


def _is_hexadecimal(value: Any) -> bool:
    return isinstance(value, str) and set(value) <= set("0123456789abcdef") and value != ""


TEXT = Kind("a text in UTF-8 without NUL", lambda value: type(value) is str and "\0" not in value)
ID = Kind(
    "an id",
    lambda value: type(value) is str and 0 < len(value) <= MAX_ID_LENGTH and value.isascii() and value.isprintable(),
)
FLAG = Kind("0 or 1", lambda value: type(value) is bool)
BYTES = Kind("bytes", lambda value: type(value) is bytes)
PAYLOAD = Kind("the bytes of a text", BYTES.holds)
_COUNT = _whole("a whole number from 0 on", 0, _BEYOND)
_AMOUNT = _whole("a whole number in the safe range", -_BEYOND, _BEYOND)
_TIME = _whole("a time", _FIRST_MS, LAST_MS)
_TEXTS = _json("are_texts", "a JSON array of texts", _are_texts)
_HEADERS = _json("are_headers", "a JSON array of names and values", lambda value: _are_pairs(value, str))
_RECEIPTS = _json("are_receipts", "a JSON array of ids and numbers", lambda value: _are_pairs(value, int))
_FAILURES = _json("are_failures", "a JSON array of failed deliveries", _are_failures)
_OBJECT = _json("is_object", "a JSON object", _is_object)
_SCHEMA = _json("is_schema", "a JSON Schema", _is_schema)
_NUMBERS = _json("are_numbers", "a JSON array of whole numbers", _are_numbers)
_FILTER = _json("is_filter", "a JSON object with a filter of deliveries", _is_filter)
_OPTIONS = _json("are_options", "a JSON object with the options of a webhook", are_options)
_CHOICE = _json("is_choice", "a JSON object of ids by event type", _is_choice)

_TIMES = ("at", "counted_from", "timestamp", "hour", "day", "earliest", "latest", "trusted_time")
_REASON = _word(*CancelReason)
_SPECIAL: Mapping[tuple[str, str], Kind] = {
    ("teams", "notification_emails"): _TEXTS,
    ("teams", "balance"): _AMOUNT,
    ("teams", "low_credits"): _AMOUNT,
    ("api_keys", "role"): _word(*KeyRole),
    ("audit_entries", "action"): _word(*AuditAction),
    ("audit_entries", "changes"): _OBJECT,
    ("bulk_jobs", "action"): _word(*BulkAction),
    ("bulk_jobs", "status"): _word(*BulkJobStatus),
    ("bulk_jobs", "wanted"): _FILTER,
    ("bulk_jobs", "seqs"): _NUMBERS,
    ("webhooks", "events"): _TEXTS,
    ("webhooks", "disabled_reason"): _word(*DisabledReason),
    ("webhooks", "about"): _word(*About),
    ("webhooks", "body_format"): _word(*BodyFormat),
    ("webhooks", "options"): _OPTIONS,
    ("event_types", "example"): _OBJECT,
    ("event_type_versions", "schema"): _SCHEMA,
    ("operational_events", "type"): _word(*OperationalType),
    ("operational_events", "facts"): _OBJECT,
    ("events", "body"): PAYLOAD,
    ("fan_outs", "webhooks"): _CHOICE,
    ("fan_out_cancellations", "reason"): _REASON,
    ("deliveries", "status"): _word(*STATUS_WORDS),
    ("deliveries", "cancel_reason"): _REASON,
    ("deliveries", "origin"): _word(*Origin),
    ("cancellations", "reason"): _REASON,
    ("cancellations", "except_seqs"): _NUMBERS,
    ("time_blocks", "table_name"): _word("deliveries", "events"),
    ("attempts", "outcome"): _word(*OutcomeKind),
    ("attempts", "headers"): _HEADERS,
    ("webhook_errors", "outcome"): _word(*OutcomeKind),
    ("credit_entries", "amount"): _AMOUNT,
    ("credit_entries", "balance_after"): _AMOUNT,
    ("credit_days", "consumed"): _AMOUNT,
    ("idempotency_keys", "receipts"): _RECEIPTS,
    ("mails", "failures"): _FAILURES,
    ("mails", "recipients"): _TEXTS,
    ("mails", "kind"): _word(*MailKind),
    ("mails", "webhook_id"): TEXT,
    ("mails", "balance"): _AMOUNT,
}
