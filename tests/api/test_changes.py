"""Following changes (contract "HTTP API"): one message for each time to look again, and an end."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
import trio
import trio.testing

from api.limits.streams import MOST_OF_ONE_TEAM
from tests.support.api_client import ApiClient, RunningApi
from tests.support.console_client import SERVER, Stream


@asynccontextmanager
async def _following(client: ApiClient, query: str = "") -> AsyncIterator[Stream]:
    """Follow changes, the first message included; leaving the block closes the connection."""
    stream = Stream()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cast(Any, client.app), _scope(client, query), stream.receive, stream.send)
        await stream.opened()
        yield stream
        stream.leave()


def _scope(client: ApiClient, query: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/deliveries/changes",
        "raw_path": b"/v1/deliveries/changes",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {client.key}".encode())],
        "client": ("127.0.0.1", 1),
        **SERVER,
        "extensions": {},
    }


async def _nothing_comes(stream: Stream, within_s: float) -> None:
    with trio.move_on_after(within_s):
        await stream.event()
        pytest.fail("something was sent")


async def test_a_change_is_told_at_once_and_nothing_without_one(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    await api.webhook()
    await trio.sleep(1)
    async with _following(api.as_acme) as changes:
        assert await changes.event() == ("changed", "{}")
        await _nothing_comes(changes, 600)
        await api.submit()
        with trio.fail_after(1):
            assert await changes.event() == ("changed", "{}")


async def test_many_changes_come_at_most_twice_a_second(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    await api.webhook()
    async with _following(api.as_acme) as changes:
        began, told = trio.current_time(), 0
        with trio.move_on_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_submit_often, api)
                while True:
                    await changes.event()
                    told += 1
        assert 5 < told <= 2 * (trio.current_time() - began) + 2


async def _submit_often(api: RunningApi) -> None:
    while True:
        await api.submit()
        await trio.sleep(0.1)


async def test_what_another_team_or_another_webhook_does_is_not_told(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    quiet = await api.webhook(events=["prospect.unqualified"])
    await api.webhook(events=["linkedin.message.sent"])
    _, other = await api.another_team()
    await trio.sleep(1)
    async with _following(api.as_acme, f"webhookId={quiet['id']}") as changes:
        await changes.event()
        await other.post("/v1/events", {"event": "linkedin.message.sent", "data": {}})
        await api.submit()
        await _nothing_comes(changes, 5)
        await api.as_acme.patch(f"/v1/webhooks/{quiet['id']}", {"active": False})
        assert await changes.event() == ("changed", "{}")
    answer = await other.get(f"/v1/deliveries/changes?webhookId={quiet['id']}")
    assert answer.status == 404


async def test_a_stream_ends_with_its_key_and_with_the_daemon(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    [key] = (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value["items"]
    async with (
        _following(api.as_acme) as of_the_key,
        _following(api.operator, f"teamId={api.acme.id}") as of_the_operator,
    ):
        await api.operator.delete(f"/v1/keys/{key['id']}")
        with trio.fail_after(20):
            await of_the_key.ended()
        api.daemon.stop.set()
        with trio.fail_after(20):
            await of_the_operator.ended()


async def test_one_stream_too_many_is_refused_and_a_client_that_leaves_makes_room(
    api: RunningApi, autojump_clock: trio.testing.MockClock
) -> None:
    async with AsyncExitStack() as streams:
        for _ in range(MOST_OF_ONE_TEAM):
            await streams.enter_async_context(_following(api.as_acme))
        refused = await api.as_acme.get("/v1/deliveries/changes")
        assert (refused.status, refused.code) == (503, "overloaded")
        assert refused.headers["retry-after"] == "15"
    async with _following(api.as_acme) as changes:
        await changes.event()


async def test_changes_of_another_teams_webhook_are_not_followed(api: RunningApi) -> None:
    other, _ = await api.another_team()
    webhook = (await api.webhook())["id"]
    for team_id, webhook_id in ((other.id, webhook), (api.acme.id, "wh_none")):
        path = "/v1/deliveries/changes"
        answer = await api.operator.call("HEAD", path, query_string={"teamId": team_id, "webhookId": webhook_id})
        assert answer.status == 404


async def test_the_operator_says_whose_changes(api: RunningApi) -> None:
    refused = await api.operator.get("/v1/deliveries/changes")
    assert (refused.status, refused.paths) == (422, ["query.teamId"])
