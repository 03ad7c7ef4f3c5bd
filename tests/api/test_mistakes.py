"""All that is wrong with a request is told at once, and what was probably meant (contract "HTTP API", bad input)."""

from collections.abc import AsyncIterator
from pathlib import Path
from time import process_time
from typing import Any

import orjson
import pytest

from api.http.known import nearest
from daemon.domain.errors import UrlNotAllowed
from tests.support.api_client import MESSAGE_SENT, Answer, RunningApi, running_api

EVENT = {"event": MESSAGE_SENT, "data": {}}
WRONG = {"event": "linkedin.mesage.sent", "timestamp": "noon", "data": [], "teamID": "x"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[RunningApi]:
    """One whose webhooks may not lead into a private network."""

    async def check(url: str, _team_id: str) -> None:
        if "//10." in url:
            raise UrlNotAllowed("address", "the host 10.0.0.1 is private: use a public one")

    async with running_api(tmp_path, check_url=check) as api:
        yield api


def told(answer: Answer) -> dict[str, str]:
    return {wrong["path"]: wrong["message"] for wrong in answer.value["errors"]}


async def test_all_fields_of_a_body_that_are_wrong_are_told_with_those_of_its_headers_and_query(
    api: RunningApi,
) -> None:
    webhook = {"name": " ", "url": "http://10.0.0.1", "events": ["*", "linkedin.message.snt"], "secret": "whsec_x"}
    answer = await api.as_acme.call(
        "POST",
        "/v1/webhooks?verbose=1",
        content=orjson.dumps({**webhook, "teamId": "other", "nmae": ""}),
        headers={"Idempotency-Key": "é"},
    )
    assert (answer.status, answer.code) == (422, "invalid_field")
    paths = ["query.verbose", "$.teamId", "$.name", "$.secret", "$.events[1]", "$.nmae", "$.url"]
    assert answer.paths == [*paths, "header.Idempotency-Key"]


async def test_the_address_of_a_url_is_told_with_what_else_is_wrong(api: RunningApi) -> None:
    for body in (
        {"url": "https://10.0.0.1/", "events": ["*"]},
        {"name": 1, "url": "https://10.0.0.1/", "events": ["*"]},
    ):
        answer = await api.as_acme.post("/v1/webhooks", body)
        assert (answer.status, answer.code) == (422, "invalid_field")
        assert "10.0.0.1" in told(answer)["$.url"]
        assert "$.name" in told(answer)
    webhook = await api.webhook()
    answer = await api.as_acme.patch(f"/v1/webhooks/{webhook['id']}", {"name": 1, "url": "https://10.0.0.1/"})
    assert answer.paths == ["$.name", "$.url"]


async def test_an_operators_team_is_told_with_what_else_is_wrong(api: RunningApi) -> None:
    body = {"url": "https://10.0.0.1/", "name": "n", "events": ["*"]}
    assert (await api.operator.post("/v1/webhooks", body)).paths == ["$.teamId", "$.url"]
    answer = await api.operator.post("/v1/webhooks", {**body, "teamId": "none"})
    assert (answer.status, answer.paths) == (404, ["$.teamId", "$.url"])
    answer = await api.operator.post("/v1/credits/grants", {"amount": -5, "more": 1})
    assert answer.paths == ["$.teamId", "$.note", "$.more"]
    answer = await api.operator.post("/v1/credits/grants", {"teamId": "none", "amount": 0})
    assert (answer.status, answer.paths) == (422, ["$.amount", "$.teamId"])
    answer = await api.operator.post("/v1/webhooks/test", {"teamId": "none", "event": "x"})
    assert answer.paths == ["$.event", "$.teamId"]


async def test_all_that_is_wrong_with_a_submission_is_told(api: RunningApi, way: str) -> None:
    answer = await api.as_acme.post("/v1/events", WRONG)
    assert (answer.status, answer.code) == (422, "invalid_field")
    assert told(answer) == {
        "$.event": (
            f"unknown event type linkedin.mesage.sent: did you mean {MESSAGE_SENT}? "
            "GET /v1/webhooks/test/events lists them"
        ),
        "$.data": "expected an object",
        "$.timestamp": "expected a time like 2025-07-15T10:30:00.000Z",
        "$.teamID": "unknown field: did you mean teamId?",
    }
    answer = await api.operator.post("/v1/events", {"event": "x", "data": {}, "timestamp": ""})
    assert answer.paths == ["$.event", "$.teamId", "$.timestamp"]


async def test_all_that_is_wrong_with_a_batch_is_told_with_the_places_of_its_events(api: RunningApi, way: str) -> None:
    batch = [EVENT, {**EVENT, "event": "x", "teamId": "other"}, EVENT, 5, {"event": MESSAGE_SENT}, {**EVENT, "a": 1}]
    paths = ["$[1].event", "$[1].teamId", "$[3]", "$[4].data", "$[5].a"]
    for media_type in ("application/json", "application/x-ndjson"):
        is_lines = media_type.endswith("ndjson")
        content = b"\n".join(map(orjson.dumps, batch)) if is_lines else orjson.dumps(batch)
        answer = await api.as_acme.call("POST", "/v1/events/batch", content=content, media_type=media_type)
        assert (answer.status, answer.code, answer.paths) == (422, "invalid_field", paths)


async def test_all_events_of_a_batch_whose_team_there_is_not_are_named(api: RunningApi) -> None:
    teams = ("none", api.acme.id, "nobody", "none")
    answer = await api.operator.post("/v1/events/batch", [{**EVENT, "teamId": team} for team in teams])
    assert (answer.status, answer.paths) == (404, ["$[0].teamId", "$[2].teamId", "$[3].teamId"])


async def test_of_a_batch_that_is_wrong_throughout_the_first_mistakes_are_told_and_that_there_are_more(
    api: RunningApi, way: str
) -> None:
    answer = await api.as_acme.post("/v1/events/batch", [{**EVENT, "event": "x"}] * 1_000)
    assert answer.paths == [f"$[{index}].event" for index in range(20)]
    assert "more than these 20" in answer.value["detail"]
    answer = await api.as_acme.post("/v1/events/batch", [{**EVENT, "event": "x"}] * 20)
    assert len(answer.paths) == 20
    assert "more" not in answer.value["detail"]


async def test_where_a_batch_stops_being_json_is_told_with_what_was_wrong_before(api: RunningApi, way: str) -> None:
    content = orjson.dumps([{**EVENT, "event": "x"}])[:-1] + b",{]"
    answer = await api.as_acme.call("POST", "/v1/events/batch", content=content)
    assert (answer.status, answer.paths) == (422, ["$[0].event", "$[1]"])


async def test_all_parameters_that_are_wrong_are_told(api: RunningApi) -> None:
    path = "/v1/deliveries?status=sucessful&event=linkedin.message&limit=0&limit=1&webhookid=1"
    answer = await api.as_acme.get(f"{path}&since=noon")
    assert answer.status == 422
    words = told(answer)
    assert words["query.status"] == "expected one of 'pending', 'succeeded', 'failed' or 'cancelled'"
    assert words["query.event"].startswith("unknown event type linkedin.message: ")
    assert words["query.webhookid"].startswith("unknown parameter: did you mean webhookId? There are limit, cursor, ")
    assert set(words) == {f"query.{name}" for name in ("status", "event", "limit", "webhookid", "since")}


async def test_an_example_of_an_unknown_event_is_404_and_offers_the_nearest(api: RunningApi) -> None:
    answer = await api.as_acme.get("/v1/webhooks/test/example/linkedin.message.recieved")
    assert answer.status == 404
    assert "did you mean linkedin.message.received?" in answer.value["detail"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("team_id", "teamId"),
        ("TEAMID", "teamId"),
        ("evnet", "event"),
        ("events", "event"),
        ("dat", "data"),
        ("timestmp", "timestamp"),
        ("payload", None),
        ("", None),
        ("e" * 200, None),
    ],
)
def test_the_nearest_name_is_offered_and_none_that_is_far(given: str, meant: str | None) -> None:
    assert nearest(given, ["event", "teamId", "data", "timestamp"]) == meant


def test_looking_for_the_nearest_of_many_names_that_are_all_alike_takes_no_time() -> None:
    names = [f"product.{'x' * 60}.{number}" for number in range(1_000)]
    begun = process_time()
    assert nearest(f"product.{'x' * 59}y.5", names) is not None
    assert process_time() - begun < 0.1


async def test_what_a_client_sent_is_shown_in_one_short_line(api: RunningApi) -> None:
    wrong: dict[str, Any] = {**EVENT, "event": "a\x1b[2J\n" + "x" * 10_000}
    message = told(await api.as_acme.post("/v1/events", wrong))["$.event"]
    assert len(message) < 200
    assert message.isprintable()
