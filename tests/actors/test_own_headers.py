"""Headers of a webhook's own, with the whole daemon (contract "Options of a webhook")."""

from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from daemon.domain.custom_headers import CustomHeader
from daemon.domain.model import Team, Webhook
from daemon.domain.webhook_options import WebhookOptions
from tests.support.daemon import Arrival, RunningDaemon, running, statuses

TOKEN = "Bearer s3cret-token"
HEADERS = (CustomHeader("Authorization", TOKEN, secret=True), CustomHeader("X-Tenant", "acme"))
URL = "https://a.example/hook"


def own(arrival: Arrival) -> tuple[str | None, str | None]:
    return arrival.headers.get("authorization"), arrival.headers.get("x-tenant")


async def with_headers(daemon: RunningDaemon, team: Team) -> Webhook:
    options = WebhookOptions(headers=HEADERS)
    return await daemon.parts.webhooks.create(team.id, "n", URL, None, ("*",), options=options)


async def test_its_headers_are_sent_with_each_attempt_test_and_resend(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        daemon.receiver.answers[URL] = statuses(500, 500, 200, 200, 200)
        team = await daemon.team()
        webhook = await with_headers(daemon, team)
        await daemon.submit(team, 1)
        await trio.sleep(10)
        await daemon.submit_test(team, 2)
        await trio.sleep(1)
        [first, *_] = await daemon.deliveries(webhook)
        await daemon.parts.replays.resend(first.id)
        await trio.sleep(1)
        assert [own(arrival) for arrival in daemon.receiver.arrivals] == [(TOKEN, "acme")] * 5
        assert not any(TOKEN in str(line) for line in daemon.log_lines())


async def test_a_change_of_its_headers_counts_from_the_next_attempt_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as daemon:
        daemon.receiver.answers[URL] = statuses(500, 200)
        team = await daemon.team()
        webhook = await with_headers(daemon, team)
        await daemon.submit(team, 1)
        await trio.sleep(0.5)
        given = WebhookOptions(headers=(CustomHeader("X-Tenant", "globex"),))
        await daemon.change(webhook, options=given, changed_options=("headers",))
        await trio.sleep(2)
        assert [own(arrival) for arrival in daemon.receiver.arrivals] == [(TOKEN, "acme"), (None, "globex")]


async def test_its_headers_are_sent_after_a_restart_as_before(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running(tmp_path) as daemon:
        team = await daemon.team()
        await with_headers(daemon, team)
    async with running(tmp_path) as daemon:
        await daemon.submit(team, 1)
        await trio.sleep(1)
        assert [own(arrival) for arrival in daemon.receiver.arrivals] == [(TOKEN, "acme")]


async def test_no_secret_header_reaches_a_receiver_that_it_was_not_given_for(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    edits: tuple[dict[str, Any], ...] = (
        {},
        {"options": WebhookOptions(headers=(CustomHeader("authorization", None, secret=True), HEADERS[1]))},
    )
    for number, edit in enumerate(edits):
        (state_dir := tmp_path / str(number)).mkdir()
        async with running(state_dir) as daemon:
            team = await daemon.team()
            webhook = await with_headers(daemon, team)
            names = ("headers",) if edit else ()
            changed = await daemon.change(webhook, url="https://evil.example/hook", changed_options=names, **edit)
            assert changed is not None
            await daemon.submit(team, 1)
            await trio.sleep(1)
            assert [own(arrival) for arrival in daemon.receiver.arrivals] == [(None, "acme")]
