"""Lists as files (contract "HTTP API")."""

import csv
import io
from typing import Any

import orjson
import pytest
import trio
from pydantic import BaseModel
from trio.testing import MockClock

from api.routes.export_streams import ExportFormat, Part, export
from daemon.domain.errors import StoreUnavailable
from tests.support.api_client import Answer, RunningApi

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


async def test_an_export_goes_on_page_by_page_and_leaves_others_the_store(autojump_clock: MockClock) -> None:
    async def read(after: int | None) -> Part:
        await trio.sleep(1)
        first = after or 0
        return Part([Row(number=first + place) for place in range(2)], first + 2 if first < 8 else None)

    sent: list[bytes] = []

    async def send(piece: bytes) -> None:
        sent.append(piece)

    streamed = await export(read, ("number",), form=ExportFormat.CSV, name="numbers")
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

    streamed = await export(read, ("number",), form=ExportFormat.NDJSON, name="numbers")
    with pytest.raises(StoreUnavailable):
        await streamed.run(send)


async def test_a_failure_at_the_beginning_is_refused_as_usual() -> None:
    async def read(_after: int | None) -> Part:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        await export(read, ("number",), form=ExportFormat.NDJSON, name="numbers")
