"""Submitting one event, and looking at it."""

from typing import Any

import orjson
import pytest
import trio

from api.app import create_app
from api.routes.events import EventDetails
from daemon.domain.errors import Overloaded, Stopping, StoreUnavailable
from daemon.domain.submission import Receipt, Submission
from daemon.store.reads import api_reads
from tests.support.api_client import MESSAGE_SENT, RunningApi, running_api
from tests.support.api_server import exchange, serving

KIB = 1024


async def body_of(api: RunningApi, event_id: str) -> bytes:
    """The very bytes that are sent of an event."""
    event = await api.handles.reader.fetch(api_reads.get_event, event_id)
    assert event is not None
    return event.body


async def test_an_event_is_accepted_and_counted_for_each_webhook_that_subscribes(api: RunningApi) -> None:
    for events in (["*"], [MESSAGE_SENT], ["linkedin.message.received"]):
        await api.webhook(*events)
    answer = await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "teamId": api.acme.id, "data": {}})
    assert answer.status == 202
    assert answer.value == {"id": answer.value["id"], "deliveries": 2}
    assert answer.headers["Content-Type"] == "application/json"


DATA_AS_IT_CAME = {
    "spaces": b'{ "a" :\t[ 1 ,2 ]\r\n}',
    "numbers as they are written": b'{"price": 10.00, "e": 1E5, "minus": -0, "zero": -0.0}',
    "a number of 30 digits": b'{"n": 123456789012345678901234567890}',
    "a number of 5,000 digits": b'{"n": %s}' % (b"9" * 5_000),
    "a number beyond a double": b'{"n": 1e400}',
    "escapes": b'{"a": "\\u00e9\\/\\ud83d\\ude00\\"", "\\u0065vent": "x"}',
    "no escapes": '{"ä": "é😀\u2028\x7f"}'.encode(),
    "a name twice": b'{"a": {"b": 1, "b": 2}, "a": "last"}',
    "names of the envelope": b'{"event": "e", "teamId": null, "data": {"data": []}, "timestamp": ""}',
    "as deep as it may be": b'{"a":' * 250 + b"1" + b"}" * 250,
}
SUBMITTED = b'{"data": %s, "timestamp": "2025-07-15T12:30:00.1239+02:00", "event" : "linkedin.message.sent"}'


async def test_the_data_is_passed_on_as_it_came_in_the_promised_order(api: RunningApi) -> None:
    head = b'{"event":"linkedin.message.sent","teamId":"%s","timestamp":"2025-07-15T10:30:00.123Z","data":'
    for name, data in DATA_AS_IT_CAME.items():
        answer = await api.as_acme.call("POST", "/v1/events", content=SUBMITTED % data)
        assert await body_of(api, answer.value["id"]) == head % api.acme.id.encode() + data + b"}", name


@pytest.mark.parametrize("media_type", ["application/json", "application/x-ndjson"])
async def test_so_is_the_data_of_each_event_of_a_batch(api: RunningApi, media_type: str) -> None:
    data = [each.replace(b"\n", b" ") for each in DATA_AS_IT_CAME.values()]
    events = [SUBMITTED % each for each in data]
    content = b"\n".join(events) if media_type.endswith("ndjson") else b"[%s]" % b",".join(events)
    answer = await api.as_acme.call("POST", "/v1/events/batch", content=content, media_type=media_type)
    bodies = [await body_of(api, receipt["id"]) for receipt in answer.value["receipts"]]
    assert [body.partition(b'"data":')[2] for body in bodies] == [each + b"}" for each in data]


async def test_an_envelope_may_be_written_in_any_way_of_json(api: RunningApi) -> None:
    for sent in (
        b'{"event": "linkedin.message.sent", "teamId": null, "timestamp": null, "data": {"n":1}}',
        b'{"\\u0065vent": "linkedin.message\\u002esent", "d\\u0061ta": {"n":1}}',
        b'{"event": "linkedin.message.sent", "data": {"n":1}, "timestamp": "2025-07-15T10:30:00\\u005a"}',
    ):
        for path, content in (("/v1/events", sent), ("/v1/events/batch", b"[%s]" % sent)):
            answer = await api.as_acme.call("POST", path, content=content)
            event_id = answer.value["receipts"][0]["id"] if "receipts" in answer.value else answer.value["id"]
            assert (await body_of(api, event_id)).endswith(b'"data":{"n":1}}'), (sent, path)


UNREADABLE = (
    (b'{"event": "linkedin.message.sent", "event": "linkedin.message.sent", "data": {}}', "twice"),
    (b'{"event": "linkedin.message.sent", "data": {"a": 1}, "data": {"b": 2}}', "twice"),
    (b'{"event": "linkedin.message.sent", "data": {}, "d\\u0061ta": {}}', "twice"),
    (b'{"event": "linkedin.message.sent", "data": {}, "teamId": "x", "teamId": null}', "twice"),
    (b'{"event": "linkedin.message.sent", "data": {"a": "\\ud800"}}', "cannot be passed on"),
    (b'{"event": "linkedin.message.sent", "data": {"\\udfff": 1}}', "cannot be passed on"),
    (b'{"event": "linkedin.message.sent", "data": {"a": "\xff"}}', "is not UTF-8"),
    (b'{"event": "linkedin.message.sent", "data": {"a": NaN}}', "nan is not json"),
    (b'{"event": "linkedin.message.sent", "data": {"a": 01}}', "line 1, column 51"),
    (b'{"event": "linkedin.message.sent", "data": %s1%s}' % (b'{"a":' * 251, b"}" * 251), "nested too deeply"),
    (b'{"event": "linkedin.message.sent", "data": %s1%s}' % (b'{"a":' * 5_000, b"}" * 5_000), "nested too deeply"),
)


async def test_what_no_receiver_could_read_is_400(api: RunningApi) -> None:
    for sent, reason in UNREADABLE:
        for path, content, where in (("/v1/events", sent, "$"), ("/v1/events/batch", b"[%s]" % sent, "$[0]")):
            answer = await api.as_acme.call("POST", path, content=content)
            assert (answer.status, answer.code) == (400, "invalid_json"), (sent[:80], path)
            assert answer.paths == [where if "UTF-8" not in reason else "$"], (sent[:80], path)
            detail = answer.value["detail"]
            assert reason in detail or (path != "/v1/events" and "column" in detail), (sent[:80], path)


async def test_an_event_without_a_timestamp_happens_now(api: RunningApi) -> None:
    shown = (await api.as_acme.get(f"/v1/events/{await api.submit()}")).value
    assert shown["timestamp"][:16] == shown["acceptedAt"][:16] == "2027-01-15T08:00"


async def test_an_event_is_shown_with_its_body_and_deliveries(api: RunningApi) -> None:
    webhook = await api.webhook()
    event_id = await api.submit(n=1)
    shown = (await api.as_acme.get(f"/v1/events/{event_id}")).value
    assert shown["id"] == event_id
    assert (shown["teamId"], shown["event"], shown["test"]) == (api.acme.id, MESSAGE_SENT, False)
    assert shown["body"]["data"] == {"n": 1}
    assert [delivery["webhookId"] for delivery in shown["deliveries"]] == [webhook["id"]]


async def test_an_event_is_shown_with_the_very_bytes_that_are_sent(api: RunningApi) -> None:
    await api.webhook()
    event_id = await api.submit(z=1.0, a=2**63 - 1, text="ä\u2028")
    answer = await api.as_acme.get(f"/v1/events/{event_id}")
    assert await body_of(api, event_id) in answer.body
    assert EventDetails.model_validate_json(answer.body, strict=False).id == event_id


WRONG_FIELDS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"event": "linkedin.message.eaten"}, "$.event"),
    ({"event": "*"}, "$.event"),
    ({"event": None}, "$.event"),
    ({"data": []}, "$.data"),
    ({"data": "{}"}, "$.data"),
    ({"data": None}, "$.data"),
    ({"timestamp": "yesterday"}, "$.timestamp"),
    ({"timestamp": 1752575400}, "$.timestamp"),
    ({"teamId": 5}, "$.teamId"),
    ({"team_id": "x"}, "$.team_id"),
    ({"test": True}, "$.test"),
)


async def test_a_wrong_event_is_422_and_counted(api: RunningApi) -> None:
    for count, (change, path) in enumerate(WRONG_FIELDS, 1):
        answer = await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}, **change})
        assert (answer.status, answer.code, answer.paths) == (422, "invalid_field", [path]), change
        assert b'submissions_refused_total{reason="invalid"} %d.0' % count in api.handles.metrics.render(), change


async def test_an_event_may_have_256_kib_and_not_a_byte_more(api: RunningApi) -> None:
    event_id = await api.submit(filler="")
    room = 256 * KIB - len(await body_of(api, event_id))
    for size, status in ((room, 202), (room + 1, 413)):
        answer = await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {"filler": "x" * size}})
        assert answer.status == status
    assert (answer.code, answer.paths) == ("too_large", ["$"])


async def test_a_request_may_be_longer_than_the_event_it_holds_but_not_for_ever(api: RunningApi) -> None:
    content = orjson.dumps({"event": MESSAGE_SENT, "data": {}})
    for size, status in ((512 * KIB, 202), (512 * KIB + 1, 413)):
        answer = await api.as_acme.call("POST", "/v1/events", content=content.ljust(size))
        assert answer.status == status
    assert answer.code == "too_large"


async def test_the_same_key_with_the_same_request_gets_the_first_receipt_and_delivers_nothing_again(
    api: RunningApi,
) -> None:
    await api.webhook()
    event = {"event": MESSAGE_SENT, "data": {"n": 1}}
    first = await api.as_acme.post("/v1/events", event, **{"Idempotency-Key": "k 1"})
    again = await api.as_acme.post("/v1/events", event, **{"Idempotency-Key": "k 1"})
    assert first == again
    assert len((await api.as_acme.get("/v1/deliveries")).value["items"]) == 1


async def test_the_same_key_with_another_request_is_409(api: RunningApi) -> None:
    event = {"event": MESSAGE_SENT, "data": {"n": 1}}
    await api.as_acme.post("/v1/events", event, **{"Idempotency-Key": "k"})
    for path, body in (("/v1/events", {**event, "data": {"n": 2}}), ("/v1/events/batch", [event])):
        answer = await api.as_acme.post(path, body, **{"Idempotency-Key": "k"})
        assert (answer.status, answer.code) == (409, "idempotency_conflict")


async def test_two_callers_may_use_the_same_key(api: RunningApi) -> None:
    _, stranger = await api.another_team()
    event = {"event": MESSAGE_SENT, "data": {}}
    receipts = [
        await client.post("/v1/events", event, **{"Idempotency-Key": "k"}) for client in (api.as_acme, stranger)
    ]
    receipts.append(await api.operator.post("/v1/events", {**event, "teamId": api.acme.id}, **{"Idempotency-Key": "k"}))
    assert [receipt.status for receipt in receipts] == [202] * 3
    assert len({receipt.value["id"] for receipt in receipts}) == 3


async def test_an_idempotency_key_has_1_to_255_printable_ascii_characters(api: RunningApi) -> None:
    for key, status in (("k" * 255, 202), ("k" * 256, 422), ("", 422), ("kä", 422), ("k\x7f", 422)):
        answer = await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}}, **{"Idempotency-Key": key})
        assert answer.status == status, key
        assert status == 202 or answer.paths == ["header.Idempotency-Key"], key


class RefusingRouter:
    """Refuses every submission in the same way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def submit(self, submission: Submission) -> tuple[Receipt, ...]:
        await trio.lowlevel.checkpoint()
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [(Overloaded(), "overloaded"), (Stopping(), "stopping"), (StoreUnavailable(), "store_unavailable")],
)
async def test_what_the_daemon_cannot_take_now_is_503_with_retry_after(
    tmp_path: Any, error: Exception, code: str
) -> None:
    async with running_api(tmp_path, router=RefusingRouter(error)) as api:
        for path in ("/v1/events", "/v1/events/batch", "/v1/webhooks/test"):
            event = {"event": MESSAGE_SENT} if path.endswith("test") else {"event": MESSAGE_SENT, "data": {}}
            answer = await api.as_acme.post(path, [event] if path.endswith("batch") else event)
            assert (answer.status, answer.code) == (503, code), path
            assert answer.headers["Retry-After"] == "1", path


async def test_a_bug_is_a_500_problem_that_says_nothing_of_it_and_is_logged(tmp_path: Any) -> None:
    async with running_api(tmp_path, router=RefusingRouter(RuntimeError("secret details"))) as api:
        answer = await api.as_acme.post("/v1/events", {"event": MESSAGE_SENT, "data": {}})
        [line] = api.daemon.log_lines("api_error")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret details" not in answer.body
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/events", 500)
    assert "secret details" in line["error"]


async def test_a_body_that_does_not_arrive_in_time_is_408(api: RunningApi) -> None:
    app = create_app(api.handles)
    assert app.config["BODY_TIMEOUT"] == 15
    app.config["BODY_TIMEOUT"] = 0.05
    head = f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.as_acme.key}\r\n"
    head += "content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
    async with serving(app) as served, await served.connect() as stream:
        with trio.fail_after(5):
            status, body = await exchange(stream, head.encode())
    assert (status, orjson.loads(body)["code"]) == (408, "request_timeout")


async def test_a_client_that_goes_away_leaves_its_event_whole_or_not_there(api: RunningApi) -> None:
    await api.webhook()
    content = orjson.dumps({"event": MESSAGE_SENT, "data": {}})
    head = f"POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.as_acme.key}\r\n"
    head += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    async with serving(create_app(api.handles)) as served:
        for rounds in range(40):  # gone at ever later points of the way
            stream = await served.connect()
            await stream.send_all(head.encode() + content)
            for _ in range(rounds):
                await trio.lowlevel.checkpoint()
            await stream.aclose()
        async with await served.connect() as stream:
            status, body = await exchange(stream, head.encode() + content)
    assert (status, orjson.loads(body)["deliveries"]) == (202, 1)
    for delivery in (await api.as_acme.get("/v1/deliveries")).value["items"]:
        shown = await api.as_acme.get(f"/v1/events/{delivery['eventId']}")
        assert len(shown.value["deliveries"]) == 1
    assert api.daemon.log_lines("api_error") == []
