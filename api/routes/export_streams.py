"""Lists as files: page after page, as fast as the client reads and all exports have time (contract "HTTP API")."""

import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from pydantic import BaseModel

from api.http.errors import ApiError, Code, unauthorized
from api.http.json_body import NDJSON
from api.http.streamed import SendPiece, Streamed
from api.http.wire import to_json
from api.limits.exports import Exports
from api.limits.rate_limit import tokens_for

CSV = "text/csv; charset=utf-8"
_RETRY_S = 15
# With these, spreadsheets take a text for a formula (OWASP "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How a list is written into a file."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, where the next ones begin (None: these were the last), and how many rows were looked at for them."""

    rows: Sequence[BaseModel]
    following: int | None
    looked_at: int = 0


ReadPart = Callable[[int | None], Awaitable[Part]]
IsValid = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who exports: with which key, whether that, or the session, is still valid, and what takes tokens of it."""

    exports: Exports
    key_id: str
    is_valid: IsValid
    charge: Callable[[int], None]

    async def read(self, read: ReadPart, place: int | None) -> Part:
        """Return what `read` reads, in turn with other exports. Raises ApiError (401) if the key has ended."""
        return await self.exports.in_turn(partial(self._read, read, place))

    async def _read(self, read: ReadPart, place: int | None) -> Part:
        if not await self.is_valid():
            raise unauthorized()
        return await read(place)


async def export(read: ReadPart, caller: Caller, columns: Sequence[str], *, form: ExportFormat, name: str) -> Streamed:
    """Return a file called `name` with all rows that `read` finds, from None on.

    CSV has the `columns`, paths into a row's JSON such as `lastAttempt.status`; NDJSON the whole JSON of each row. The
    first rows are read before the answer begins: what fails then is refused as usual. A later failure breaks the
    connection off, so that half a file is not taken for a whole one. Raises ApiError (503) for one export too many.
    """
    write = _ndjson if form is ExportFormat.NDJSON else _csv_of(columns)
    if caller.exports.is_full(caller.key_id):
        raise _too_many()
    end = caller.exports.begin(caller.key_id)
    try:
        first = await caller.exports.in_turn(partial(read, None))
    except BaseException:
        end()
        raise
    caller.charge(tokens_for(rows=first.looked_at))

    async def run(send: SendPiece) -> None:
        part, head, looked_at = first, b"" if form is ExportFormat.NDJSON else _csv_lines([columns]), first.looked_at
        while True:
            if piece := head + write(part.rows):
                await send(piece)
            if part.following is None:
                return
            part, head = await caller.read(read, part.following), b""
            # A part looks at fewer rows than cost a token: all parts count together.
            caller.charge(tokens_for(rows=looked_at + part.looked_at) - tokens_for(rows=looked_at))
            looked_at += part.looked_at

    media_type = NDJSON if form is ExportFormat.NDJSON else CSV
    disposition = f'attachment; filename="{name}.{form}"'
    return Streamed((("Content-Type", media_type), ("Content-Disposition", disposition)), run, end)


def _too_many() -> ApiError:
    detail = f"Too many exports run at once: wait until one has ended, or retry in {_RETRY_S} s."
    return ApiError(Code.OVERLOADED, detail, retry_after_s=_RETRY_S)


def _ndjson(rows: Sequence[BaseModel]) -> bytes:
    return "".join(f"{to_json(row)}\n" for row in rows).encode()


def _csv_of(columns: Sequence[str]) -> Callable[[Sequence[BaseModel]], bytes]:
    paths = [column.split(".") for column in columns]

    def write(rows: Sequence[BaseModel]) -> bytes:
        values = (row.model_dump(mode="json", by_alias=True) for row in rows)
        return _csv_lines([[_cell(value, path) for path in paths] for value in values])

    return write


def _csv_lines(lines: Sequence[Sequence[Any]]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows(lines)
    return written.getvalue().encode()


def _cell(value: Any, path: Sequence[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
