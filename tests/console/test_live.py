"""Live pages: what has changed comes, and nothing else; and they end when they have to."""

from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from api.limits import streams
from tests.console.conftest import signed_in
from tests.support.api_client import RunningApi
from tests.support.console_client import ConsoleClient
from tests.support.daemon import statuses


async def test_a_page_comes_at_once_and_again_when_something_has_changed(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    webhook = await api.webhook()
    async with acme.stream(f"{root}/deliveries/live") as deliveries:
        assert await deliveries.event() == ("delivery-rows", "")
        await api.submit()
        name, rows = await deliveries.event()
        while "succeeded" not in rows:
            name, rows = await deliveries.event()
        assert (name, rows.count("<tr")) == ("delivery-rows", 1)
    async with acme.stream(f"{root}/webhooks/{webhook['id']}/live") as page:
        assert {(await page.event())[0] for _ in range(2)} == {"webhook-state", "delivery-rows"}


async def test_what_has_not_changed_is_not_sent_again(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    await api.webhook()
    await api.submit()
    await trio.sleep(1)
    async with acme.stream(f"{root}/deliveries/live") as page:
        await page.event()
        with trio.move_on_after(600):  # all the while "5 min ago" goes on
            await page.event()
            pytest.fail("something was sent")


async def test_another_teams_news_wake_nobody(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    await api.webhook()
    _, other = await api.another_team()
    async with acme.stream(f"{root}/deliveries/live") as page:
        await page.event()
        for _ in range(3):
            await other.post("/v1/events", {"event": "linkedin.message.sent", "data": {}})
        with trio.move_on_after(600):
            await page.event()
            pytest.fail("something was sent")


async def test_a_webhooks_page_follows_it_to_its_disabling(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    webhook = await api.webhook()
    api.daemon.receiver.answers[webhook["url"]] = statuses(503)
    async with acme.stream(f"{root}/webhooks/{webhook['id']}/live") as page:
        for _ in range(4):
            await api.submit()
        shown: dict[str, str] = {}
        while "Its deliveries kept failing" not in shown.get("webhook-state", ""):
            name, shown[name] = await page.event()
        assert shown["webhook-state"].count("<li>") == 4


async def test_a_page_ends_when_its_key_is_revoked_or_its_session_over(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    [key] = (await api.operator.get(f"/v1/teams/{api.acme.id}/keys")).value["items"]
    async with acme.stream(f"{root}/deliveries/live") as page:
        await page.event()
        await api.operator.delete(f"/v1/keys/{key['id']}")
        with trio.fail_after(20):
            await page.ended()
    assert api.handles.console.changes.followers == 0


async def test_a_page_ends_when_one_signs_out(
    operator: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with operator.stream(f"{root}/deliveries/live") as page:
        await page.event()
        await operator.post("/console/sign-out")
        with trio.fail_after(20):
            await page.ended()


async def test_pages_end_when_the_daemon_stops(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with acme.stream(f"{root}/deliveries/live") as page:
        await page.event()
        api.daemon.stop.set()
        with trio.fail_after(5):
            await page.ended()


async def test_a_browser_that_is_gone_is_forgotten(api: RunningApi, acme: ConsoleClient, root: str) -> None:
    async with acme.stream(f"{root}/deliveries/live"):
        assert api.handles.console.changes.followers == 1
    assert api.handles.console.changes.followers == 0


@pytest.mark.fault("Somebody opens live pages without end", "Those beyond 200 get 503 and have to be reloaded")
async def test_so_many_pages_are_live_and_no_more(
    api: RunningApi, acme: ConsoleClient, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 2)
    async with acme.stream(f"{root}/deliveries/live"), acme.stream(f"{root}/webhooks/live"):
        page = await acme.get(f"{root}/deliveries/live")
        assert page.status == 503
        assert "Too many pages are live at once" in page.text
    async with acme.stream(f"{root}/deliveries/live") as stream:
        assert stream.status == 200


@pytest.mark.fault("One team opens all the live pages there are", "20 of them; another team's page is live at once")
async def test_a_team_has_twenty_live_pages_and_leaves_the_others_to_the_others(
    api: RunningApi, acme: ConsoleClient, root: str
) -> None:
    other, client = await api.another_team()
    stranger = await signed_in(api, str(client.key))
    async with AsyncExitStack() as pages:
        for _ in range(20):
            await pages.enter_async_context(acme.stream(f"{root}/deliveries/live"))
        assert (await acme.get(f"{root}/webhooks/live")).status == 503
        async with stranger.stream(f"/console/teams/{other.id}/deliveries/live") as stream:
            assert stream.status == 200


async def test_a_busy_webhook_changes_its_page_no_faster_than_eyes_follow(
    api: RunningApi, acme: ConsoleClient, root: str, autojump_clock: trio.testing.MockClock
) -> None:
    await api.webhook()
    async with acme.stream(f"{root}/deliveries/live") as page, trio.open_nursery() as nursery:
        nursery.start_soon(_submit_without_end, api)
        await page.event()
        began = trio.current_time()
        for _ in range(20):
            await page.event()
        assert trio.current_time() - began >= 9
        nursery.cancel_scope.cancel()


async def _submit_without_end(api: RunningApi) -> None:
    while True:
        await api.submit()
        await trio.sleep(0.1)
