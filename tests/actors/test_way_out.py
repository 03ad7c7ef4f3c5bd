"""A webhook's own way out, with the whole daemon and real sockets (contract "Options of a webhook")."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from daemon.domain.model import OutcomeKind, Team
from daemon.domain.sealed import Sealed
from daemon.domain.way_out_options import IpVersion, ProxyOption
from daemon.domain.webhook_options import WebhookOptions
from daemon.egress.deadlines import Deadlines
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport
from tests.egress.posting import LOOPBACK, lookups_by, resolving_to
from tests.egress.proxies import HOST, open_scripted_proxy, relay_connect
from tests.support.daemon import RunningDaemon, running
from tests.support.receivers import Receiver, open_receiver

NAME = "hooks.example.com"


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[RunningDaemon]:
    tls, lookups, deadlines = make_tls_context(), lookups_by(resolving_to(HOST)), Deadlines()
    async with running(
        tmp_path, transport=lambda: EndpointTransport(LOOPBACK, lookups, tls, deadlines=deadlines)
    ) as daemon:
        yield daemon


@pytest.fixture
async def real(daemon: RunningDaemon) -> AsyncIterator[Receiver]:
    async with open_receiver(name=NAME) as receiver:
        yield receiver


@pytest.fixture
async def team(daemon: RunningDaemon) -> Team:
    return await daemon.team()


async def test_a_change_of_the_proxy_counts_from_the_next_attempt_on(
    daemon: RunningDaemon, team: Team, real: Receiver, autojump_clock: MockClock
) -> None:
    webhook = await daemon.webhook(team, real.url)
    async with open_scripted_proxy(relay_connect) as scripted:
        url = f"http://kakiyo@{HOST}:{scripted.port}"
        for number, option in enumerate((None, ProxyOption(url=url, password=Sealed("s3cret")), None), 1):
            await daemon.change(webhook, options=WebhookOptions(proxy=option), changed_options=("proxy",))
            await daemon.submit(team, number)
            await real.received(number)
            assert len(scripted.visits) == min(number - 1, 1)
        assert b"Proxy-Authorization: Basic a2FraXlvOnMzY3JldA==\r\n" in scripted.visits[0].received
    await trio.sleep(1)
    assert await daemon.statuses(webhook) == ["succeeded"] * 3


@pytest.mark.fault(
    "The proxy of a webhook's own is down",
    "Its attempts fail as `proxy_error`, and it is disabled like any that fails; no other webhook notices",
)
async def test_a_fault_of_its_own_proxy_is_the_webhooks_failure(
    daemon: RunningDaemon, team: Team, real: Receiver, autojump_clock: MockClock
) -> None:
    async with open_scripted_proxy(relay_connect) as scripted:
        option = ProxyOption(url=f"socks5://{HOST}:{scripted.port}")
    other = await daemon.webhook(team, f"{real.url}other")
    webhook = await daemon.webhook(team, real.url)
    await daemon.change(webhook, options=WebhookOptions(proxy=option), changed_options=("proxy",))
    await daemon.submit(team, 1, 2, 3, 4)
    await trio.sleep(60)
    [first, *_] = await daemon.deliveries(webhook)
    kinds = [(one.outcome.kind, one.outcome.error) for one in await daemon.attempts(first)]
    assert kinds == [(OutcomeKind.PROXY_ERROR, "the proxy cannot be reached (connection refused)")] * 4
    assert not (await daemon.current(webhook)).active
    assert await daemon.statuses(other) == ["succeeded"] * 4


async def test_a_receiver_without_an_address_of_the_family_is_not_reached(
    daemon: RunningDaemon, team: Team, real: Receiver, autojump_clock: MockClock
) -> None:
    webhook = await daemon.webhook(team, real.url)
    await daemon.change(webhook, options=WebhookOptions(ip_version=IpVersion.IPV6), changed_options=("ip_version",))
    await daemon.submit(team, 1)
    await trio.sleep(60)
    [delivery] = await daemon.deliveries(webhook)
    outcome = (await daemon.attempts(delivery))[0].outcome
    assert outcome.kind is OutcomeKind.DNS_ERROR
    assert outcome.error == f"{NAME} has no IPv6 address, and this webhook uses IPv6 only"
    assert real.connections == 0
