"""`listen --live` against a scripted API (contract "Command line")."""

import json
from typing import Any

import pytest

DELIVERED = {
    "attemptId": "att_1",
    "answerWithinMs": 10_000,
    "method": "POST",
    "path": "/",
    "headers": [{"name": "X-Kakiyo-Event", "value": "linkedin.message.sent"}],
    "body": '{"event": "linkedin.message.sent"}',
}
DELETED = {"reason": "webhook_deleted", "detail": "The listener's webhook was deleted."}


def stream(*messages: tuple[str, Any]) -> tuple[int, str]:
    first = {"id": "wh_1", "teamId": "t", "events": ["*"], "secret": "s3cret", "timeoutSeconds": 10}
    told = (("listening", first), *messages)
    return 200, ": still here\n\n" + "".join(f"event: {kind}\ndata: {json.dumps(data)}\n\n" for kind, data in told)


def refusal(status: int, code: str, detail: str, **more: Any) -> tuple[int, str]:
    return status, json.dumps({"status": status, "code": code, "detail": detail, **more})


def test_it_asks_for_what_it_was_told_to_and_gives_its_answers(run: Any, api: Any) -> None:
    api.answers = [stream(("request", DELIVERED), ("ended", DELETED)), (204, "")]
    ended = run(
        "listen", "--live", "--team", "t", "--event", "a", "--event", "b", "--secret", "k", "--status", "503", "--json"
    )
    assert (ended.code, json.loads(ended.out)["answered"]) == (1, 503)
    assert ended.err == (
        "Listening live to all events of t (end with Ctrl-C)\nDeliveries are signed with s3cret\n"
        "The listener's webhook was deleted.\n"
    )
    asked, answered = api.asked
    assert (asked.method, asked.target) == ("POST", "/v1/listeners")
    assert json.loads(asked.body) == {"teamId": "t", "events": ["a", "b"], "secret": "k"}
    assert answered.target == "/v1/listeners/wh_1/answers"
    assert json.loads(answered.body) == {
        "attemptId": "att_1",
        "status": 503,
        "headers": [{"name": "content-type", "value": "text/plain"}],
        "body": "not now\n",
    }


def test_an_answer_that_is_refused_is_said_and_the_next_one_is_given(run: Any, api: Any) -> None:
    over = refusal(409, "attempt_over", "No attempt with this id waits for an answer.")
    later = refusal(429, "rate_limited", "Retry in 1 s.")
    two = [("request", DELIVERED), ("request", {**DELIVERED, "attemptId": "att_2"})]
    api.answers = [stream(*two, ("ended", DELETED)), over, later, (204, "")]
    ended = run("listen", "--live", "--json")
    assert "No attempt with this id waits for an answer. (attempt_over)\n" in ended.err
    assert [json.loads(asked.body)["attemptId"] for asked in api.asked[1:]] == ["att_1", "att_2", "att_2"]


def test_an_attempt_whose_time_is_over_is_said(run: Any, api: Any) -> None:
    api.answers = [stream(("request", {**DELIVERED, "answerWithinMs": -5}), ("ended", DELETED))]
    assert "No answer was given in time: the attempt counts as timed out.\n" in run("listen", "--live", "--json").err


def test_a_stream_that_ends_is_opened_again_with_the_same_secret(
    run: Any, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("daemon.cli.live_listener.WAITS_S", (0.0,))
    stopping = {"reason": "stopping", "detail": "The daemon is stopping."}
    away = refusal(503, "stopping", "The daemon is stopping.")
    api.answers = [stream(("ended", stopping)), away, stream(), stream(("ended", DELETED))]
    ended = run("listen", "--live")
    assert ended.code == 1
    said = [line for line in ended.err.splitlines() if not line.startswith(("Listening", "Deliveries"))]
    assert said == [
        "The daemon is stopping.",
        "Connection lost, trying again.",
        "The listener's webhook was deleted.",
    ]
    assert len({json.loads(asked.body)["secret"] for asked in api.asked}) == 1
    assert json.loads(api.asked[0].body)["secret"].startswith("whsec_")


# httpx does not close its generators when an answer is not read to its end; a command ends then.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in. <async_generator:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (refusal(401, "unauthorized", "x"), 1, "The daemon does not know the key from the variable"),
        (
            refusal(422, "invalid_field", "x", errors=[{"path": "$.events[1]", "message": "unknown event type b"}]),
            1,
            "--event b: unknown event type b",
        ),
        (refusal(404, "not_found", "There is no such team: check teamId."), 4, "There is no such team: check --team."),
        (refusal(503, "overloaded", "Too many streams are open at once."), 1, "Too many streams are open at once."),
        ((200, "event: listening\ndata: {}\n\n"), 3, "does not answer as one does"),
        ((200, "event: listening\ndata: [1\n\n"), 3, "does not answer in JSON"),
        ((200, "event: listening\ndata: 1\n\n"), 3, "does not answer as one does"),
        ((200, "x" * 5_000_000), 3, "answers without end"),
        ((500, "no"), 3, "answered 500"),
    ],
)
def test_whatever_is_wrong_is_a_sentence(run: Any, api: Any, answer: tuple[int, str], code: int, said: str) -> None:
    api.answers = [answer]
    api.refusal_type = "text/plain" if answer[0] == 500 else api.refusal_type
    ended = run("listen", "--live", "--event", "a", "--event", "b")
    assert (ended.code, said in ended.err) == (code, True), ended.err
    assert "Traceback" not in ended.err


def test_a_daemon_that_is_not_there_is_a_sentence(run: Any, api: Any) -> None:
    ended = run("listen", "--live", "--api-url", "http://127.0.0.1:9")
    assert (ended.code, "cannot be reached" in ended.err) == (3, True)


@pytest.mark.parametrize("options", [["--live", "--port", "9000"], ["--event", "a"], ["--team", "t"]])
def test_options_that_do_not_go_together_are_wrong_usage(run: Any, options: list[str]) -> None:
    assert run("listen", *options).code == 2
