"""`deliveries resend` and `cancel` of many: how many first, then the question, then the job."""

import json
from typing import Any

import pytest

JOB = {
    "id": "job_1",
    "teamId": "t",
    "action": "resend",
    "status": "finished",
    "filter": None,
    "total": 1200,
    "done": 1199,
    "skipped": 1,
    "createdBy": "CI",
    "createdAt": "2025-07-15T10:30:00.120Z",
    "endedAt": "2025-07-15T10:30:02.120Z",
}
FILTER = {
    "webhookId": "wh_1",
    "status": ["failed", "cancelled"],
    "httpStatus": "5xx",
    "since": "2025-07-15T10:30:00.000Z",
}
OPTIONS = (
    "--webhook",
    "wh_1",
    "--status",
    "failed",
    "--status",
    "cancelled",
    "--http-status",
    "5xx",
    "--since",
    FILTER["since"],
)


def preview(count: int = 1200, *, is_exact: bool = True) -> tuple[int, str]:
    return 200, json.dumps({"action": "resend", "count": count, "isExact": is_exact})


def test_a_dry_run_says_how_many_there_are_and_does_nothing(run: Any, api: Any) -> None:
    api.answers = [preview()]
    ended = run("deliveries", "resend", *OPTIONS, "--team", "t", "--dry-run")
    assert (ended.code, ended.out) == (0, "This is to resend 1,200 deliveries.\n")
    assert [asked.target for asked in api.asked] == ["/v1/bulk-jobs/preview"]
    assert json.loads(api.last.body) == {"action": "resend", "filter": FILTER, "teamId": "t"}


def test_what_is_meant_is_resent_with_yes_and_the_result_is_told(run: Any, api: Any) -> None:
    api.answers = [preview(), (202, json.dumps(JOB)), (200, json.dumps(JOB)), (200, json.dumps(JOB))]
    ended = run("deliveries", "resend", *OPTIONS, "--yes", "--idempotency-key", "once")
    assert (ended.code, ended.out, ended.err) == (0, "Job job_1: 1,199 resent, 1 left out.\n", "")
    made = api.asked[1]
    assert (made.method, made.target, made.headers["idempotency-key"]) == ("POST", "/v1/bulk-jobs", "once")
    assert json.loads(made.body) == {"action": "resend", "filter": FILTER}


def test_named_ones_are_cancelled_and_json_is_printed_as_it_came(run: Any, api: Any) -> None:
    odd = json.dumps(JOB, indent=1)
    api.answers = [preview(2), (202, odd)]
    ended = run("deliveries", "cancel", "dlv_1", "dlv_2", "--yes", "--no-wait", "--json")
    assert (ended.code, ended.out) == (0, f"{odd}\n")
    assert json.loads(api.last.body) == {"action": "cancel", "deliveryIds": ["dlv_1", "dlv_2"]}


def test_nothing_to_do_is_no_job(run: Any, api: Any) -> None:
    api.answers = [preview(0)]
    ended = run("deliveries", "cancel", "--all", "--yes")
    assert (ended.code, ended.out, len(api.asked)) == (0, "There is nothing to cancel.\n", 1)


@pytest.mark.parametrize(
    ("arguments", "says", "asked"),
    [
        (("resend",), "Name deliveries", 0),
        (("cancel", "dlv_1", "--all", "--yes"), "not both", 0),
        (("cancel", "--status", "pending"), "add --yes", 1),
    ],
)
def test_what_is_not_clear_is_refused_in_a_sentence(
    run: Any, api: Any, arguments: tuple[str, ...], says: str, asked: int
) -> None:
    api.answers = [preview()]
    ended = run("deliveries", *arguments)
    assert (ended.code, says in ended.err, len(api.asked)) == (2, True, asked)


def test_a_refusal_names_the_option(run: Any, api: Any) -> None:
    wrong = [{"path": "$.filter.httpStatus", "message": "expected a status like 503, or a class like 5xx"}]
    problem = {"status": 422, "code": "invalid_field", "title": "t", "detail": "d", "errors": wrong}
    api.answers = [(422, json.dumps(problem))]
    ended = run("deliveries", "resend", "--http-status", "x", "--yes")
    assert ended.code == 1
    assert "--http-status: expected a status" in ended.err
