"""An event as it was submitted: its envelope is decoded, its data stays as it came (contract "HTTP API").

msgspec decodes what is beyond doubt, and finds the data without making values of it: it checks the syntax of JSON, and
that no escape stands for half a character. What it refuses, and what it may have taken for something else (of two
members with one name it keeps the last), is read anew by the strict reader of all routes, without the data, which has
the words for what is wrong: so what is said does not depend on who found it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder
from pydantic import Field

from api.http.errors import ApiError, invalid_json
from api.http.json_body import JSON, decode, parse_json, validate
from api.http.known import EventName, Known, OneTeam
from api.http.wire import Input, InputTime
from api.limits.sizes import MAX_BATCH_EVENTS
from api.routes.batch_parsing import array_items, line_items
from daemon.domain.delivery_terms import Priority

MAX_DEPTH = 250  # of data: beyond it many parsers of receivers fail
_REFUSALS = (MsgspecError, RecursionError, UnicodeDecodeError)
_NAME = b'"event"'
_ESCAPED_NAME = re.compile(rb"\\u00(?:6[5eE]|7[46])")  # a letter of "event"
_TEXTS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", -1)}


class SubmittedEvent(Input):
    """An event that happened in the product."""

    event: EventName = Field(
        description="Its type, of GET /v1/webhooks/test/events.", examples=["linkedin.message.received"]
    )
    team_id: OneTeam = Field(None, description="Whose it is. A team's key may leave it out.", examples=["team_acme"])
    data: dict[str, Any] = Field(description="What happened, as any JSON object; it is passed on byte for byte.")
    timestamp: InputTime | None = Field(None, description="When it happened, with any offset; now, if left out.")
    deliver_at: InputTime | None = Field(
        None, description="Not to be delivered before this time, 90 days ahead at most; at once, if left out."
    )
    expires_at: InputTime | None = Field(
        None, description="Cancelled once this time has passed, 90 days ahead at most; never, if left out."
    )
    priority: Priority | None = Field(
        None,
        description="`low`: behind all others of its webhooks that are pending; `normal`, if left out.",
        strict=False,
    )


class Envelope(Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A submitted event: the members of `SubmittedEvent` as they were sent."""

    event: str
    data: Raw
    team_id: str | None = None
    timestamp: str | None = None
    deliver_at: str | None = None
    expires_at: str | None = None
    priority: str | None = None

    @property
    def rare_texts(self) -> Mapping[str, str | None]:
        """The members that few events have, all of them texts."""
        return {"deliverAt": self.deliver_at, "expiresAt": self.expires_at, "priority": self.priority}


class _Data(Struct):
    """Nothing of an event but its data."""

    data: Raw = Raw()


_EVENT = Decoder(Envelope)
_EVENTS = Decoder(list[Envelope])
_DATA = Decoder(_Data)


def read_event(raw: bytes, known: Known) -> Envelope:
    """Return the one event of a body. Raises ApiError (400, 404, 422) naming each wrong field."""
    text = decode(raw)
    try:
        envelope = _EVENT.decode(raw)
    except _REFUSALS:
        return _read_strictly(text, "$", known)
    return envelope if _are_beyond_doubt(raw, [envelope]) else _read_strictly(text, "$", known)


def read_events(raw: bytes, media_type: str, known: Known) -> Iterator[Envelope | ApiError]:
    """Yield each event of a batch, a JSON array or NDJSON, or what is wrong with it. Raises ApiError (400, 413, 422).

    Of more events than a batch may hold, those behind them are not read if the caller stops at the first of these.
    """
    text = decode(raw)
    try:
        envelopes = _decode_all(raw, media_type)
    except _REFUSALS:
        envelopes = []
    if envelopes and _are_beyond_doubt(raw, envelopes):
        return iter(envelopes)
    items = array_items(text) if media_type == JSON else line_items(text)
    return (_envelope_or_mistakes(item, f"$[{index}]", known) for index, item in enumerate(items))


def wrong_fields_of(envelope: Envelope, path: str, known: Known) -> ApiError:
    """Return the refusal (404, 422) that names each wrong field of an event but its data: there is one."""
    given = {"teamId": envelope.team_id, "timestamp": envelope.timestamp, **envelope.rare_texts}
    fields = {name: value for name, value in given.items() if value is not None}
    try:
        validate({"event": envelope.event, "data": {}, **fields}, SubmittedEvent, known, root=path)
    except ApiError as error:
        return error
    raise AssertionError("one of its fields is wrong")


def require_depth(data: bytes, path: str) -> None:
    """Raise ApiError (400) if the data, which is JSON, is nested more deeply than it may be."""
    if len(data) > 2 * MAX_DEPTH and data.count(b"{") + data.count(b"[") > MAX_DEPTH:
        brackets = _TEXTS.sub(b"", data).translate(None, _NO_BRACKETS)
        if max(accumulate(map(_STEPS.__getitem__, brackets))) > MAX_DEPTH:
            raise invalid_json("it is nested too deeply", path)


def _decode_all(raw: bytes, media_type: str) -> Sequence[Envelope]:
    """Return all events, none if they may be more than a batch can hold. Raises what msgspec raises."""
    if raw.count(_NAME) > MAX_BATCH_EVENTS or _ESCAPED_NAME.search(raw):
        return []
    if media_type == JSON:
        return _EVENTS.decode(raw)
    lines = raw.split(b"\n", 2 * MAX_BATCH_EVENTS)
    return [_EVENT.decode(line) for line in lines if line.strip(b" \t\r")]


def _are_beyond_doubt(raw: bytes, envelopes: Sequence[Envelope]) -> bool:
    """Whether no name is in an event twice, and all data are objects.

    It is so if these are all quotation marks that there are: those of one null, or of one escaped outside of the data,
    count as well.
    """
    marks = 0
    for envelope in envelopes:
        data = bytes(envelope.data)
        if not data.startswith(b"{"):
            return False
        given = 1 + (envelope.team_id is not None) + (envelope.timestamp is not None)
        marks += 2 + 4 * given + data.count(b'"')
    total = raw.count(b'"')
    return marks == total or marks + 4 * sum(map(_rare_texts_in, envelopes)) == total


def _rare_texts_in(envelope: Envelope) -> int:
    return sum(text is not None for text in envelope.rare_texts.values())


def _envelope_or_mistakes(text: str, path: str, known: Known) -> Envelope | ApiError:
    try:
        return _read_strictly(text, path, known)
    except ApiError as error:
        return error


def _read_strictly(text: str, path: str, known: Known) -> Envelope:
    """Read one event strictly, all but its data. Raises ApiError (400, 422)."""
    data = _data_of(text)
    value = parse_json(text.replace(data, "{}") if data else text, path)
    submitted = validate(value, SubmittedEvent, known, root=path)
    if not data:  # it is there, and only its depth can keep it from being found
        raise invalid_json("it is nested too deeply", path)
    return Envelope(
        submitted.event,
        Raw(data),
        team_id=submitted.team_id,
        timestamp=value.get("timestamp"),
        deliver_at=value.get("deliverAt"),
        expires_at=value.get("expiresAt"),
        priority=value.get("priority"),
    )


def _data_of(text: str) -> str:
    """Return the data of an event, "" if there is none or it is no object."""
    try:
        data = bytes(_DATA.decode(text).data).decode()
    except _REFUSALS:
        return ""
    return data if data.startswith("{") else ""
