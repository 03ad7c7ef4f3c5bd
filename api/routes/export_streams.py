"""Lists as files: page after page, as fast as the client reads and the store has time for it (contract "HTTP API")."""

import csv
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import trio
from pydantic import BaseModel

from api.http.json_body import NDJSON
from api.http.streamed import SendPiece, Streamed
from api.http.wire import to_json
from daemon.actors.pacing import rest_after

CSV = "text/csv; charset=utf-8"
# The share of the store's time that one export may take.
_SHARE = 0.5
# With these, spreadsheets take a text for a formula (OWASP "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ExportFormat(StrEnum):
    """How a list is written into a file."""

    NDJSON = "ndjson"
    CSV = "csv"


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, and where the next ones begin; None: these were the last."""

    rows: Sequence[BaseModel]
    following: int | None


ReadPart = Callable[[int | None], Awaitable[Part]]


async def export(read: ReadPart, columns: Sequence[str], *, form: ExportFormat, name: str) -> Streamed:
    """Return a file called `name` with all rows that `read` finds, from None on.

    CSV has the `columns`, paths into a row's JSON such as `lastAttempt.status`; NDJSON the whole JSON of each row. The
    first rows are read before the answer begins: what fails then is refused as usual. A later failure breaks the
    connection off, so that half a file is not taken for a whole one.
    """
    write = _ndjson if form is ExportFormat.NDJSON else _csv_of(columns)
    first = await read(None)

    async def run(send: SendPiece) -> None:
        part, head = first, b"" if form is ExportFormat.NDJSON else _csv_lines([columns])
        while True:
            if piece := head + write(part.rows):
                await send(piece)
            if part.following is None:
                return
            began_at = trio.current_time()
            part, head = await read(part.following), b""
            await rest_after(began_at, share=_SHARE)

    media_type = NDJSON if form is ExportFormat.NDJSON else CSV
    disposition = f'attachment; filename="{name}.{form}"'
    return Streamed((("Content-Type", media_type), ("Content-Disposition", disposition)), run)


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
