"""Submitting many events at once: all or nothing, in order."""

from typing import Any

import orjson
import pytest

from tests.support.api_client import MESSAGE_SENT, Answer, RunningApi

NDJSON = "application/x-ndjson"
EVENT = {"event": MESSAGE_SENT, "data": {}}


def lines(events: list[Any], newline: bytes = b"\n") -> bytes:
    return newline.join(orjson.dumps(event) for event in events)


async def submit(api: RunningApi, events: list[Any], media_type: str) -> Answer:
    content = lines(events) if media_type == NDJSON else orjson.dumps(events)
    return await api.as_acme.call("POST", "/v1/events/batch", content=content, media_type=media_type)


async def count_of_events(api: RunningApi) -> float:
    return next(
        float(line.split()[1])
        for line in api.handles.metrics.render().decode().splitlines()
        if line.startswith("kakiyo_webhooks_events_accepted_total")
    )


@pytest.mark.parametrize("media_type", ["application/json", NDJSON])
async def test_a_batch_gets_a_receipt_for_each_event_in_order(api: RunningApi, media_type: str) -> None:
    await api.webhook(MESSAGE_SENT)
    events = [
        {**EVENT, "data": {"n": 0}},
        {"event": "linkedin.message.received", "data": {"n": 1}},
        {**EVENT, "data": {"n": 2}},
    ]
    answer = await submit(api, events, media_type)
    assert answer.status == 202
    receipts = answer.value["receipts"]
    assert [receipt["deliveries"] for receipt in receipts] == [1, 0, 1]
    bodies = [(await api.as_acme.get(f"/v1/events/{receipt['id']}")).value["body"] for receipt in receipts]
    assert [body["data"]["n"] for body in bodies] == [0, 1, 2]


WRONG_EVENTS: tuple[tuple[Any, int, str], ...] = (
    ({**EVENT, "event": "nothing"}, 422, "$[1].event"),
    ({**EVENT, "data": []}, 422, "$[1].data"),
    ({**EVENT, "teamId": "x"}, 404, "$[1].teamId"),
    ({**EVENT, "more": 1}, 422, "$[1].more"),
    ("text", 422, "$[1]"),
    ({**EVENT, "data": {"x": "x" * 256 * 1024}}, 413, "$[1]"),
)


@pytest.mark.parametrize("media_type", ["application/json", NDJSON])
async def test_one_wrong_event_refuses_the_batch_and_is_named_by_its_index(api: RunningApi, media_type: str) -> None:
    for wrong, status, path in WRONG_EVENTS:
        answer = await submit(api, [EVENT, wrong, EVENT], media_type)
        assert (answer.status, answer.paths) == (status, [path])
        assert await count_of_events(api) == 0, path


async def test_an_operators_unknown_team_is_named_by_its_index(api: RunningApi) -> None:
    events = [{**EVENT, "teamId": api.acme.id}, {**EVENT, "teamId": "x"}]
    answer = await api.operator.post("/v1/events/batch", events)
    assert (answer.status, answer.paths) == (404, ["$[1].teamId"])
    assert await count_of_events(api) == 0


MALFORMED = (
    (b"[", "application/json", 400, "$[0]"),
    (lines([EVENT]), "application/json", 422, "$"),
    (b"[]", "application/json", 422, "$"),
    (b" ", "application/json", 400, "$"),
    (b"[] x", "application/json", 400, "$"),
    (b"[%s" % lines([EVENT]), "application/json", 400, "$"),
    (b"[%s %s]" % (lines([EVENT]), lines([EVENT])), "application/json", 400, "$"),
    (b"[%s,]" % lines([EVENT]), "application/json", 400, "$[1]"),
    (b"[%s]]" % lines([EVENT]), "application/json", 400, "$"),
    (b"[%s,,%s]" % (lines([EVENT]), lines([EVENT])), "application/json", 400, "$[1]"),
    (b"", NDJSON, 422, "$"),
    (b"\n \r\n", NDJSON, 422, "$"),
    (lines([EVENT]) + b"\n{", NDJSON, 400, "$[1]"),
    (lines([EVENT]) + b" " + lines([EVENT]), NDJSON, 400, "$[0]"),
    (lines([EVENT]) + b"\n" + orjson.dumps(EVENT, option=orjson.OPT_INDENT_2), NDJSON, 400, "$[1]"),
    (lines([EVENT, EVENT], b",\n"), NDJSON, 400, "$[0]"),
    (b"\xff", NDJSON, 400, "$"),
)


async def test_a_malformed_batch_is_refused_and_says_where(api: RunningApi) -> None:
    for content, media_type, status, path in MALFORMED:
        answer = await api.as_acme.call("POST", "/v1/events/batch", content=content, media_type=media_type)
        assert (answer.status, answer.paths) == (status, [path]), content
        assert await count_of_events(api) == 0, content


async def test_white_space_between_events_does_not_matter(api: RunningApi) -> None:
    array = b" [ %s ,\n%s ] \r\n" % (lines([EVENT]), lines([EVENT]))
    ndjson = b"\n\n  " + lines([EVENT, EVENT], b" \r\n\r\n") + b"\n"
    for content, media_type in ((array, "application/json"), (ndjson, NDJSON)):
        answer = await api.as_acme.call("POST", "/v1/events/batch", content=content, media_type=media_type)
        assert len(answer.value["receipts"]) == 2


@pytest.mark.parametrize("media_type", ["application/json", NDJSON])
async def test_a_batch_has_at_most_1000_events(api: RunningApi, media_type: str) -> None:
    answer = await submit(api, [EVENT] * 1000, media_type)
    assert (answer.status, len(answer.value["receipts"])) == (202, 1000)
    answer = await submit(api, [EVENT] * 1001, media_type)
    assert (answer.status, answer.code) == (413, "too_large")
    assert await count_of_events(api) == 1000


async def test_a_batch_has_at_most_8_mib(api: RunningApi) -> None:
    content = orjson.dumps([{**EVENT, "data": {"x": "x" * 200_000}}] * 41)
    for size, status in ((8 * 1024 * 1024, 202), (8 * 1024 * 1024 + 1, 413)):
        answer = await api.as_acme.call("POST", "/v1/events/batch", content=content.ljust(size))
        assert answer.status == status
    assert answer.code == "too_large"


async def test_a_batch_with_the_same_key_is_accepted_once(api: RunningApi) -> None:
    first = await api.as_acme.post("/v1/events/batch", [EVENT, EVENT], **{"Idempotency-Key": "b"})
    again = await api.as_acme.post("/v1/events/batch", [EVENT, EVENT], **{"Idempotency-Key": "b"})
    assert first == again
    assert await count_of_events(api) == 2
