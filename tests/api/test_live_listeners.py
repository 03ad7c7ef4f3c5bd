"""Live listeners over the API: the stream, the answers, and who may what (contract "Live listeners")."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
import trio
from trio.testing import MockClock

from api.limits.streams import MOST_LISTENERS_OF_ONE_TEAM
from daemon.domain.model import KeyRole
from tests.support.api_client import Answer, ApiClient, RunningApi, running_api
from tests.support.console_client import SERVER, Stream
from tests.support.daemon import make_settings

MESSAGE = "linkedin.message.sent"
OF_NOBODY = "wh_01jzy8h2k4n6q8s0v2x4z6b8d0"


class Listener:
    """The client of a stream: its messages, and the answers that it gives."""

    def __init__(self, client: ApiClient, stream: Stream) -> None:
        self.client = client
        self.stream = stream
        self.id = ""

    async def message(self) -> tuple[str, Any]:
        kind, data = await self.stream.event()
        return kind, orjson.loads(data)

    async def request(self) -> Any:
        kind, data = await self.message()
        assert kind == "request"
        return data

    async def answer(self, attempt_id: str, **fields: Any) -> Answer:
        body = {"attemptId": attempt_id, "status": 200, **fields}
        return await self.client.post(f"/v1/listeners/{self.id}/answers", body)


@asynccontextmanager
async def listening(client: ApiClient, **body: Any) -> AsyncIterator[tuple[Listener, Any]]:
    """Listen, with what the first message says; leaving the block closes the connection."""
    stream = Stream(orjson.dumps(body))
    listener = Listener(client, stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cast(Any, client.app), scope(client), stream.receive, stream.send)
        await stream.opened()
        kind, first = await listener.message()
        assert kind == "listening"
        listener.id = first["id"]
        yield listener, first
        stream.leave()


def scope(client: ApiClient) -> dict[str, Any]:
    headers = [(b"authorization", f"Bearer {client.key}".encode()), (b"content-type", b"application/json")]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/listeners",
        "raw_path": b"/v1/listeners",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "client": ("127.0.0.1", 1),
        **SERVER,
        "extensions": {},
    }


async def outcome_of(api: RunningApi, delivery_id: str) -> Any:
    return (await api.as_acme.get(f"/v1/deliveries/{delivery_id}")).value


async def test_a_stream_says_what_it_is_and_its_answer_is_the_outcome(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    async with listening(api.as_acme, events=[MESSAGE], secret="generate") as (listener, first):
        assert first["teamId"] == api.acme.id
        assert (first["events"], first["timeoutSeconds"]) == ([MESSAGE], 10)
        assert first["secret"].startswith("whsec_")
        await api.submit(text="Gr\u00fc\u00dfe \U0001f44b")
        request = await listener.request()
        assert (request["method"], request["path"], request["answerWithinMs"]) == ("POST", "/", 10_000)
        headers = {field["name"]: field["value"] for field in request["headers"]}
        assert headers["X-Kakiyo-Attempt"] == "1"
        assert int(headers["Content-Length"]) == len(request["body"].encode())
        assert orjson.loads(request["body"])["data"] == {"text": "Gr\u00fc\u00dfe \U0001f44b"}
        fields = [{"name": "Content-Type", "value": "text/tea"}]
        answered = await listener.answer(request["attemptId"], status=418, headers=fields, body="short")
        assert answered.status == 204
        await trio.sleep(0.5)
        shown = await outcome_of(api, headers["webhook-id"])
    assert shown["webhookId"] == first["id"]
    assert shown["lastAttempt"] == {
        "outcome": "http_error",
        "status": 418,
        "durationMs": 0,
        "error": "the receiver answered 418",
    }
    [attempt] = shown["attempts"]
    assert (attempt["responseBody"], attempt["responseHeaders"]) == ("short", [["Content-Type", "text/tea"]])


async def test_its_webhook_is_listed_as_live_while_it_listens_and_gone_afterwards(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    async with listening(api.as_acme) as (listener, _):
        [shown] = (await api.as_acme.get("/v1/webhooks")).value["items"]
        assert (shown["id"], shown["live"], shown["hasSecret"]) == (listener.id, True, True)
        assert "secret" not in shown
    await trio.sleep(1)
    assert (await api.as_acme.get("/v1/webhooks")).value["items"] == []
    [ended, began] = (await api.as_acme.get(f"/v1/teams/{api.acme.id}/audit")).value["items"][:2]
    assert (began["action"], ended["action"]) == ("webhook.created", "webhook.deleted")


async def test_a_sign_of_life_comes_every_15_s_and_none_of_it_is_lost(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    async with listening(api.as_acme) as (listener, _):
        await trio.sleep(14.999)
        await api.submit()
        request = await listener.request()
        await trio.sleep(3)
        assert (await listener.answer(request["attemptId"])).status == 204


@pytest.mark.fault(
    "an answer for another team's listener, for an attempt that is over or none, or for a webhook that is not live",
    "404 or 409; the attempt's outcome is not changed",
)
async def test_only_the_attempt_that_waits_is_answered_and_only_by_its_team(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    _, other = await api.another_team()
    ordinary = (await api.webhook())["id"]
    async with listening(api.as_acme) as (listener, _):
        await api.submit()
        attempt = (await listener.request())["attemptId"]
        body = {"attemptId": attempt, "status": 200}
        for client, listener_id in ((other, listener.id), (api.as_acme, OF_NOBODY), (api.as_acme, ordinary)):
            refused = await client.post(f"/v1/listeners/{listener_id}/answers", body)
            assert (refused.status, refused.code) == (404, "not_found")
        assert (await listener.answer("att_other")).code == "attempt_over"
        assert (await listener.answer(attempt)).status == 204
        again = await listener.answer(attempt, status=500)
        assert (again.status, again.code) == (409, "attempt_over")
    await trio.sleep(1)
    assert (await listener.answer(attempt)).status == 404


async def test_what_is_no_answer_is_refused_by_field(api: RunningApi, autojump_clock: MockClock) -> None:
    async with listening(api.as_acme) as (listener, _):
        many = [{"name": "a", "value": "b"}] * 101
        long = [{"name": "a" * 201, "value": "b" * 16_384}]
        for fields, paths in (
            ({"status": 199}, ["$.status"]),
            ({"status": 600, "body": "x" * 16_385}, ["$.status", "$.body"]),
            ({"headers": many}, ["$.headers"]),
            ({"headers": long}, ["$.headers"]),
            ({"more": 1}, ["$.more"]),
        ):
            refused = await listener.answer("att_1", **fields)
            assert (refused.status, refused.paths) == (422, paths)


async def test_who_may_listen(api: RunningApi, autojump_clock: MockClock) -> None:
    for role in (KeyRole.READ, KeyRole.SUBMIT):
        key = await api.operator.post(f"/v1/teams/{api.acme.id}/keys", {"name": "k", "role": role})
        refused = await api.operator.with_key(key.value["key"]).post("/v1/listeners", {})
        assert (refused.status, refused.code) == (403, "role_not_enough")
    _, other = await api.another_team()
    assert (await other.post("/v1/listeners", {"teamId": api.acme.id})).status == 404
    assert (await api.operator.post("/v1/listeners", {})).paths == ["$.teamId"]
    refused = await api.as_acme.post("/v1/listeners", {"events": ["nothing"], "secret": " x"})
    assert (refused.status, refused.paths) == (422, ["$.events[0]", "$.secret"])
    async with listening(api.operator, teamId=api.acme.id) as (_, first):
        assert first["teamId"] == api.acme.id


async def test_one_listener_too_many_is_refused_and_one_that_leaves_makes_room(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    async with AsyncExitStack() as streams:
        for _ in range(MOST_LISTENERS_OF_ONE_TEAM):
            await streams.enter_async_context(listening(api.as_acme))
        refused = await api.as_acme.post("/v1/listeners", {})
        assert (refused.status, refused.code) == (503, "overloaded")
        assert refused.headers["retry-after"] == "15"
    async with listening(api.as_acme):
        pass


async def test_a_stream_says_why_it_ends_with_its_key_its_webhook_and_the_daemon(
    api: RunningApi, autojump_clock: MockClock
) -> None:
    [key] = (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value["items"]
    async with (
        listening(api.as_acme) as (of_the_key, _),
        listening(api.operator, teamId=api.acme.id) as (deleted, _),
        listening(api.operator, teamId=api.acme.id) as (of_the_daemon, _),
    ):
        await api.operator.delete(f"/v1/keys/{key['id']}")
        await api.operator.delete(f"/v1/webhooks/{deleted.id}")
        with trio.fail_after(20):
            assert (await of_the_key.message())[1]["reason"] == "key_revoked"
            assert (await deleted.message())[1]["reason"] == "webhook_deleted"
        api.daemon.stop.set()
        with trio.fail_after(20):
            kind, data = await of_the_daemon.message()
        assert (kind, data["reason"]) == ("ended", "stopping")
        assert data["detail"] == "The daemon is stopping: open another stream when it is back."
        refused = await api.operator.post("/v1/listeners", {"teamId": api.acme.id})
        assert b"stopping" in refused.body


async def test_the_secret_is_not_in_the_log(api: RunningApi, autojump_clock: MockClock) -> None:
    async with listening(api.as_acme) as (listener, first):
        await api.submit()
        request = await listener.request()
        await listener.answer(request["attemptId"], body="what the receiver answered")
    await trio.sleep(1)
    logged = api.daemon.log.getvalue()
    assert b"listener_ended" in logged
    for secret in (first["secret"], request["attemptId"], request["body"], "what the receiver answered"):
        assert secret.encode() not in logged


async def test_a_live_listener_is_given_no_url(api: RunningApi, autojump_clock: MockClock) -> None:
    async with listening(api.as_acme) as (listener, _):
        refused = await api.as_acme.patch(f"/v1/webhooks/{listener.id}", {"url": "https://hooks.example.com/in"})
        assert (refused.status, refused.paths) == (422, ["$.url"])
        paused = await api.as_acme.patch(f"/v1/webhooks/{listener.id}", {"paused": True, "name": "mine"})
        assert paused.value["pausedAt"] is not None


async def test_what_waits_for_a_live_listener_does_not_wait_for_credits(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    settings = make_settings(tmp_path, credits={"enforce": True})
    async with running_api(tmp_path, settings=settings) as api, listening(api.as_acme):
        await api.webhook()
        await api.submit()
        await trio.sleep(1)
        waits = {
            one["webhookId"]: one["waitingForCredits"]
            for one in (await api.as_acme.get("/v1/deliveries")).value["items"]
        }
        assert sorted(waits.values()) == [False, True]
