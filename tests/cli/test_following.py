"""`deliveries tail` and `trigger`: what happens, as it happens (contract "Command line")."""

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from tests.cli.test_requests import DELIVERY, RECEIPT

CHANGED = "event: changed\ndata: {}\n\n"
PENDING = {**DELIVERY, "status": "pending", "attemptsMade": 0, "lastAttempt": None}
RETRIED = {
    **PENDING,
    "attemptsMade": 1,
    "lastAttempt": {"outcome": "http_error", "status": 503, "durationMs": 12, "error": "x"},
}
SUCCEEDED = {
    **PENDING,
    "status": "succeeded",
    "attemptsMade": 2,
    "completedAt": "2025-01-01T00:00:01.000Z",
    "lastAttempt": {"outcome": "delivered", "status": 200, "durationMs": 5, "error": None},
}
FAILED = {**RETRIED, "id": "dlv_2", "status": "failed", "attemptsMade": 4}
END = (401, json.dumps({"code": "unauthorized", "detail": "x"}))
BUSY = (503, json.dumps({"code": "overloaded", "detail": "Too many streams are open at once."}))


def _list(*items: dict[str, Any]) -> tuple[int, str]:
    return 200, json.dumps({"items": items, "nextCursor": None})


def _changes(times: int) -> tuple[int, str]:
    return 200, CHANGED * times


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    # Not the function of all: other tests' threads may still be at their end.
    monkeypatch.setattr("daemon.cli.following.time", SimpleNamespace(sleep=waited.append))
    return waited


def test_a_delivery_is_shown_at_each_attempt_and_at_its_end_and_once_each(run: Any, api: Any) -> None:
    looks = [_list(PENDING), _list(RETRIED), _list(RETRIED), _list(FAILED, SUCCEEDED)]
    api.answers = [_changes(4), *looks, END]
    ended = run("deliveries", "tail", "--team", "t", "--webhook", "wh_1", "--type", "a.b")
    assert api.asked[0].target == "/v1/deliveries/changes?teamId=t&webhookId=wh_1"
    assert api.asked[1].target == "/v1/deliveries?teamId=t&webhookId=wh_1&event=a.b&limit=200"
    assert [re.split("  +", line)[1:] for line in ended.out.splitlines()] == [
        ["pending", "503 · 12 ms", "dlv_1", "linkedin.message.sent", "attempt 1", "wh_1"],
        ["succeeded", "200 · 5 ms", "dlv_1", "linkedin.message.sent", "attempt 2", "wh_1"],
        ["failed", "503 · 12 ms", "dlv_2", "linkedin.message.sent", "attempt 4", "wh_1"],
    ]
    assert ended.code == 1  # the key ended


def test_on_a_terminal_each_takes_one_line_with_its_whole_id(
    run: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    long = {**FAILED, "id": "dlv_01k0a3bq5u1w3y5a7d9f1h3k5n", "event": "prospect.qualification.manual"}
    api.answers = [_changes(1), _list({**long, "completedAt": "2025-01-01T12:34:56.789Z"}), END]
    [line] = re.sub(r"\x1b\[[0-9;]*m", "", run("deliveries", "tail").out).splitlines()
    assert line.startswith("12:34:56  failed     503 · 12 ms   dlv_01k0a3bq5u1w3y5a7d9f1h3k5n  prospect.")
    assert len(line) <= 80


def test_only_the_statuses_that_are_asked_for_are_shown_as_json_if_asked_to(run: Any, api: Any) -> None:
    api.answers = [_changes(2), _list(SUCCEEDED), _list({**SUCCEEDED, "id": "dlv_3"}, FAILED), END]
    ended = run("deliveries", "tail", "--status", "failed", "--json")
    assert [json.loads(line)["id"] for line in ended.out.splitlines()] == ["dlv_2"]


def test_it_begins_with_the_last_ones_and_does_not_show_the_others_later(run: Any, api: Any) -> None:
    old = [{**SUCCEEDED, "id": f"dlv_{number}"} for number in range(5)]
    api.answers = [_changes(2), _list(*old), _list({**SUCCEEDED, "id": "dlv_new"}, *old), END]
    shown = run("deliveries", "tail", "-n", "2", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in shown] == ["dlv_1", "dlv_0", "dlv_new"]


def test_a_delivery_that_is_to_end_is_looked_for_on_later_pages(run: Any, api: Any) -> None:
    first = {"items": [{**SUCCEEDED, "id": f"dlv_n{number}"} for number in range(3)], "nextCursor": "c"}
    api.answers = [_changes(2), _list(RETRIED), (200, json.dumps(first)), _list(SUCCEEDED), END]
    shown = run("deliveries", "tail", "--json").out.splitlines()
    assert [json.loads(line)["id"] for line in shown] == ["dlv_1", "dlv_1", "dlv_n2", "dlv_n1", "dlv_n0"]


def test_a_lost_connection_is_said_once_and_tried_until_it_is_there_again(
    run: Any, api: Any, waits: list[float]
) -> None:
    api.answers = [_changes(1), _list(), BUSY, BUSY, _changes(1), _list(FAILED), END]
    ended = run("deliveries", "tail")
    said = ["Connection lost, trying again.", "Connected again.", "Connection lost, trying again."]
    assert ended.err.splitlines()[:3] == said
    assert waits == [0.5, 1, 2, 0.5]
    assert "503 · 12 ms" in ended.out


def test_what_the_daemon_refuses_or_cannot_be_reached_at_first_ends_it(run: Any, api: Any) -> None:
    api.answers = [BUSY]
    assert run("deliveries", "tail").code == 1
    assert run("deliveries", "tail", "--api-url", "http://127.0.0.1:1").code == 3


EXAMPLE = (200, '{"event":"a.b","teamId":"x","timestamp":"y","data":{"price":10.50}}')
SUBMITTED = (202, json.dumps({**RECEIPT, "deliveries": 2}))


def _event(*deliveries: dict[str, Any]) -> tuple[int, str]:
    return 200, json.dumps({"id": "evt_1", "teamId": "t", "deliveries": deliveries, "deliveriesNextCursor": None})


@pytest.mark.parametrize(("last", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_an_example_is_submitted_and_followed_to_the_end_of_its_deliveries(
    run: Any, api: Any, last: str, code: int
) -> None:
    reason = "webhook_disabled" if last == "cancelled" else None
    other = {**SUCCEEDED, "id": "dlv_2", "status": last, "cancelReason": reason}
    looks = [_event(RETRIED), _event(SUCCEEDED), _event(SUCCEEDED, other)]
    api.answers = [EXAMPLE, SUBMITTED, _event(), _changes(3), *looks]
    ended = run("trigger", "a.b", "--team", "t")
    assert (ended.code, ended.err) == (code, "")
    assert api.asked[0].target == "/v1/webhooks/test/example/a.b"
    assert api.asked[1].body == b'{"event": "a.b", "teamId": "t", "data": {"price":10.50}}'
    assert api.asked[3].target == "/v1/deliveries/changes?teamId=t"
    lines = [line.rstrip() for line in ended.out.splitlines()]
    assert lines[:2] == ["event       evt_1", "deliveries  2"]
    assert [re.split("  +", line)[1] for line in lines[2:]] == ["pending", "succeeded", last]


@pytest.mark.parametrize("option", ["--no-follow", "--json"])
def test_an_example_need_not_be_followed(run: Any, api: Any, option: str) -> None:
    api.answers = [EXAMPLE, SUBMITTED]
    assert run("trigger", "a.b", option, "--idempotency-key", "once").code == 0
    assert api.last.headers["idempotency-key"] == "once"


def test_an_event_that_nobody_gets_ends_at_once(run: Any, api: Any) -> None:
    api.answers = [EXAMPLE, (202, json.dumps({**RECEIPT, "deliveries": 0}))]
    assert run("trigger", "a.b").code == 0


def test_the_example_of_an_operational_event_is_sent_as_a_test(run: Any, api: Any) -> None:
    started = {"event": "webhook.failing", "eventId": "evt_1", "count": 1, "deliveries": []}
    api.answers = [(202, json.dumps(started)), _event(), _changes(1), _event(SUCCEEDED)]
    ended = run("trigger", "webhook.failing", "--team", "_operator")
    assert (ended.code, ended.err) == (0, "")
    assert api.asked[0].target == "/v1/webhooks/test"
    assert json.loads(api.asked[0].body) == {"event": "webhook.failing", "teamId": "_operator"}
    assert [line.rstrip() for line in ended.out.splitlines()[:2]] == ["event       evt_1", "deliveries  1"]
