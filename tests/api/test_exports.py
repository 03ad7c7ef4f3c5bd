"""Lists as files (contract "HTTP API")."""

import csv
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import httpx
import orjson
import pytest
import trio
from pydantic import BaseModel
from quart_trio import QuartTrio
from trio.testing import MockClock

from api.http.errors import ApiError, Code
from api.http.streamed import Streamed
from api.limits.exports import Exports
from api.limits.streams import MOST_OF_ONE_TEAM
from api.routes.export_streams import Caller, ExportFormat, Part, export
from daemon.domain.errors import StoreUnavailable
from daemon.store.reads import api_reads
from daemon.store.reads.reader import Reader
from tests.support.api_client import Answer, RunningApi
from tests.support.api_server import serving
from tests.support.console_client import SERVER, ConsoleClient, Stream

pytestmark = pytest.mark.usefixtures("each_engine")

EXPORTS = ("deliveries/export", "deliveries/attempts/export", "credits/entries/export")


def lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    return [orjson.loads(line) for line in answer.body.splitlines()]


def table(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.body.decode(), newline="")))


async def delivered(api: RunningApi, events: int) -> None:
    """Have two webhooks get so many events."""
    for _ in range(2):
        await api.webhook()
    for _ in range(events):
        await api.submit()
    await trio.sleep(10)


async def test_an_export_has_what_the_list_has_in_its_order(api: RunningApi, autojump_clock: MockClock) -> None:
    await delivered(api, 3)
    listed = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert len(listed) == 6
    assert lines(await api.as_acme.get("/v1/deliveries/export")) == listed
    rows = table(await api.as_acme.get("/v1/deliveries/export", format="csv"))
    assert [row["id"] for row in rows] == [one["id"] for one in listed]
    assert {row["lastAttempt.status"] for row in rows} == {str(listed[0]["lastAttempt"]["status"])}
    assert {(row["test"], row["cancelReason"]) for row in rows} == {("false", "")}


async def test_an_export_takes_the_filters_of_the_list(api: RunningApi, autojump_clock: MockClock) -> None:
    await delivered(api, 2)
    webhook = (await api.as_acme.get("/v1/webhooks")).value["items"][0]["id"]
    found = lines(await api.as_acme.get("/v1/deliveries/export", webhookId=webhook, since="1h"))
    assert [one["webhookId"] for one in found] == [webhook] * 2
    assert lines(await api.as_acme.get("/v1/deliveries/export", status="failed")) == []
    wrong = await api.as_acme.get("/v1/deliveries/export", limit=5)
    assert (wrong.status, wrong.paths) == (422, ["query.limit"])


async def test_attempts_are_exported_with_their_delivery(api: RunningApi, autojump_clock: MockClock) -> None:
    await delivered(api, 2)
    attempts = lines(await api.as_acme.get("/v1/deliveries/attempts/export"))
    listed = (await api.as_acme.get("/v1/deliveries")).value["items"]
    assert [one["deliveryId"] for one in attempts] == [one["id"] for one in listed]
    assert {one["number"] for one in attempts} == {1}


async def test_the_ledger_is_exported(api: RunningApi) -> None:
    notes = ("hello", "=HYPERLINK(1)", "a, b", 'say "hi"')
    for amount, note in enumerate(notes, 1):
        await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": amount, "note": note})
    listed = (await api.as_acme.get("/v1/credits/entries")).value["items"]
    assert lines(await api.as_acme.get("/v1/credits/entries/export")) == listed
    rows = table(await api.as_acme.get("/v1/credits/entries/export", format="csv"))
    assert [int(row["amount"]) for row in rows] == [4, 3, 2, 1]
    assert [row["note"] for row in rows] == ['say "hi"', "a, b", "'=HYPERLINK(1)", "hello"]


@pytest.mark.fault(
    "A text that others chose begins like a formula, and the CSV is opened in a spreadsheet",
    "It begins with an apostrophe there, and is no formula",
)
async def test_no_cell_of_a_csv_is_a_formula(api: RunningApi) -> None:
    for start in "=+-@\t":
        await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": 1, "note": f"{start}1|x!A1"})
    rows = table(await api.as_acme.get("/v1/credits/entries/export", format="csv"))
    assert all(not row["note"].startswith(("=", "+", "-", "@", "\t")) for row in rows)


async def test_an_empty_export_is_an_empty_file_with_its_head_in_csv(api: RunningApi) -> None:
    for path in EXPORTS:
        assert lines(await api.as_acme.get(f"/v1/{path}")) == []
        answer = await api.as_acme.get(f"/v1/{path}", format="csv")
        assert table(answer) == []
        assert b"eamId" in answer.body


class Row(BaseModel):
    number: int


def a_caller(exports: Exports | None = None, key_id: str = "key_1") -> Caller:
    async def is_valid() -> bool:
        return True

    return Caller(exports or Exports(), key_id, is_valid=is_valid, charge=lambda _tokens: None)


async def ignore(_piece: bytes) -> None:
    pass


@dataclass
class Download:
    """A request for a file over ASGI; `after_first` is called after the first piece of the answer."""

    app: QuartTrio
    path: str
    header: tuple[bytes, bytes]
    after_first: Callable[[], Awaitable[object]] = trio.lowlevel.checkpoint
    pieces: int = 0
    is_whole: bool = False

    async def run(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"format=ndjson",
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), self.header],
            "client": ("127.0.0.1", 1),
            **SERVER,
            "extensions": {},
        }
        await cast(Any, self.app)(scope, Stream().receive, self._send)

    async def _send(self, message: dict[str, Any]) -> None:
        if message.get("more_body"):
            self.pieces += 1
            if self.pieces == 1:
                await self.after_first()
        elif message["type"] == "http.response.body":
            self.is_whole = True


async def test_an_export_goes_on_page_by_page_and_leaves_others_the_store(autojump_clock: MockClock) -> None:
    async def read(after: int | None) -> Part:
        await trio.sleep(1)
        first = after or 0
        return Part([Row(number=first + place) for place in range(2)], first + 2 if first < 8 else None)

    sent: list[bytes] = []

    async def send(piece: bytes) -> None:
        sent.append(piece)

    streamed = await export(read, a_caller(), ("number",), form=ExportFormat.CSV, name="numbers")
    began_at = trio.current_time()
    await streamed.run(send)
    assert b"".join(sent).split() == [b"number", *(b"%d" % number for number in range(10))]
    assert trio.current_time() - began_at >= 4 * 2  # as long a rest after each part as it took


async def test_a_failure_in_the_middle_breaks_the_answer_off(autojump_clock: MockClock) -> None:
    async def read(after: int | None) -> Part:
        if after is not None:
            raise StoreUnavailable("gone")
        return Part([Row(number=1)], 1)

    async def send(_piece: bytes) -> None:
        pass

    streamed = await export(read, a_caller(), ("number",), form=ExportFormat.NDJSON, name="numbers")
    with pytest.raises(StoreUnavailable):
        await streamed.run(send)


async def test_a_failure_at_the_beginning_is_refused_as_usual() -> None:
    async def read(_after: int | None) -> Part:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        await export(read, a_caller(), ("number",), form=ExportFormat.NDJSON, name="numbers")


# -- what all exports share


async def test_all_exports_together_take_half_of_the_stores_time(autojump_clock: MockClock) -> None:
    exports, reading, at_once = Exports(), 0, list[int]()

    async def read(after: int | None) -> Part:
        nonlocal reading
        reading += 1
        at_once.append(reading)
        await trio.sleep(1)
        reading -= 1
        return Part([], (after or 0) + 1 if (after or 0) < 4 else None)

    async def run(key_id: str) -> None:
        caller = a_caller(exports, key_id)
        await (await export(read, caller, ("number",), form=ExportFormat.NDJSON, name="numbers")).run(ignore)

    async with trio.open_nursery() as nursery:
        for key_id in ("key_1", "key_1", "key_2"):
            nursery.start_soon(run, key_id)
    assert at_once == [1] * 15
    assert trio.current_time() >= 15 + 14  # a rest as long as each read, but for the last one


async def test_a_key_has_three_exports_at_once_and_all_keys_have_twenty(autojump_clock: MockClock) -> None:
    exports, running = Exports(), list[Streamed]()

    async def begin(key_id: str) -> Streamed:
        async def read(_after: int | None) -> Part:
            return Part([], None)

        return await export(read, a_caller(exports, key_id), ("number",), form=ExportFormat.NDJSON, name="numbers")

    async def is_refused(key_id: str) -> bool:
        try:
            running.append(await begin(key_id))
        except ApiError as refusal:
            return (refusal.code, refusal.retry_after_s) == (Code.OVERLOADED, 15)
        return False

    assert [await is_refused("key_0") for _ in range(4)] == [False, False, False, True]
    running.pop().end()
    assert [await is_refused("key_0") for _ in range(2)] == [False, True]
    assert [await is_refused(f"key_{number // 2}") for number in range(2, 20)] == [*[False] * 17, True]
    running.pop().end()
    assert not await is_refused("key_10")


async def test_the_api_and_the_console_share_the_room_for_exports(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.limits.exports.MOST_OF_ONE_KEY", 0)
    browser = ConsoleClient(api.operator.app)
    await browser.sign_in(str(api.as_acme.key))
    refused = await api.as_acme.get("/v1/credits/entries/export")
    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "overloaded", "15")
    page = await browser.get(f"/console/teams/{api.acme.id}/credits/export")
    assert (page.status, page.headers["Retry-After"]) == (503, "15")
    assert "Too many exports run at once" in page.text


async def test_an_export_costs_its_key_tokens_for_all_rows_that_it_looks_at(autojump_clock: MockClock) -> None:
    charged: list[int] = []

    async def read(after: int | None) -> Part:
        place = after or 0
        return Part([], place + 1 if place < 11 else None, looked_at=200)

    caller = replace(a_caller(), charge=charged.append)
    streamed = await export(read, caller, ("number",), form=ExportFormat.NDJSON, name="numbers")
    await streamed.run(ignore)
    assert sum(charged) == 12 * 200 // 1_000


async def test_an_export_that_fails_before_it_begins_makes_room(autojump_clock: MockClock) -> None:
    exports = Exports()

    async def fail(_after: int | None) -> Part:
        await trio.sleep(1)
        raise StoreUnavailable("gone")

    async def begin() -> None:
        await export(fail, a_caller(exports), ("number",), form=ExportFormat.NDJSON, name="numbers")

    for _ in range(4):
        with pytest.raises(StoreUnavailable):
            await begin()
    for _ in range(4):
        with trio.move_on_after(0.5):
            await begin()
    assert not exports.is_full("key_1")


# -- what becomes of the answer


async def test_a_file_breaks_off_when_its_key_or_session_ends(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.routes.exports.MAX_PAGE", 1)
    for amount in (1, 2, 3):
        await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": amount})
    keys = f"/v1/teams/{api.acme.id}/keys"
    of_api, of_browser = [(await api.operator.post(keys, {"name": "CI"})).value for _ in range(2)]
    browser = ConsoleClient(api.operator.app)
    await browser.sign_in(of_browser["key"])
    bearer, cookie = f"Bearer {of_api['key']}".encode(), f"console_session={browser.cookie}".encode()
    for path, header, key in (
        ("/v1/credits/entries/export", (b"authorization", bearer), of_api),
        (f"/console/teams/{api.acme.id}/credits/export", (b"cookie", cookie), of_browser),
    ):
        whole = Download(api.operator.app, path, header)
        await whole.run()
        assert (whole.pieces, whole.is_whole) == (3, True)
        half = replace(
            whole, after_first=partial(api.operator.delete, f"/v1/keys/{key['id']}"), pieces=0, is_whole=False
        )
        await half.run()
        assert (half.pieces, half.is_whole) == (1, False)
    refused = [line for line in api.daemon.log_lines("request_refused") if line["code"] == "unauthorized"]
    assert len(refused) == 2


async def test_a_broken_file_is_logged_in_a_sentence_and_closes_its_connection(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.exports.MAX_PAGE", 1)
    for amount in (1, 2):
        await api.operator.post("/v1/credits/grants", {"teamId": api.acme.id, "amount": amount})
    fetch = Reader.fetch

    async def fail_later(reader: Reader, query: Any, *args: Any) -> Any:
        if query is api_reads.list_credit_entries and args[-1] is not None:
            raise StoreUnavailable("the database is gone")
        return await fetch(reader, query, *args)

    monkeypatch.setattr(Reader, "fetch", fail_later)
    key = {"Authorization": f"Bearer {api.as_acme.key}"}
    async with serving(cast(Any, api.operator.app)) as served, httpx.AsyncClient(verify=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{served.url}/v1/credits/entries/export", headers=key)
        [line] = api.daemon.log_lines("request_failed")
        assert (line["path"], line["error"]) == ("/v1/credits/entries/export", "the database is gone")
        assert "traceback" not in line
        assert [line for line in served.log_lines() if line["level"] == "error"] == []


async def test_a_head_of_a_stream_runs_none(api: RunningApi, autojump_clock: MockClock) -> None:
    for path in ("credits/entries/export", "deliveries/changes"):
        for _ in range(MOST_OF_ONE_TEAM + 1):
            with trio.fail_after(1):
                answer = await api.as_acme.call("HEAD", f"/v1/{path}")
            assert (answer.status, answer.body) == (200, b"")
