"""The operator's proxy fails: no webhook is blamed for it (contract "The way out")."""

from dataclasses import replace
from pathlib import Path

import trio
from trio.testing import MockClock

from daemon.domain.model import OutcomeKind
from daemon.egress.deadlines import Deadlines
from daemon.egress.operator_proxy import OperatorProxy
from daemon.egress.proxy import Proxy
from daemon.egress.tls import make_tls_context
from daemon.egress.transport import EndpointTransport
from daemon.seams import Seams
from tests.egress.posting import LOOPBACK, lookups_by, resolving_to
from tests.egress.proxies import HOST, open_scripted_proxy, relay_connect
from tests.support.daemon import RunningDaemon, running
from tests.support.receivers import open_receiver

NAME = "hooks.example.com"


def up(daemon: RunningDaemon) -> float | None:
    return daemon.parts.telemetry.metrics.registry.get_sample_value("kakiyo_webhooks_egress_proxy_up")


async def test_deliveries_wait_for_the_operators_proxy_and_no_attempt_counts_meanwhile(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_scripted_proxy(relay_connect) as scripted:
        port = scripted.port
    proxy, tls = OperatorProxy(Proxy("http", HOST, port, is_operators=True)), make_tls_context()
    lookups, deadlines = lookups_by(resolving_to(HOST)), Deadlines()

    def transport() -> EndpointTransport:
        return EndpointTransport(LOOPBACK, lookups, tls, deadlines=deadlines, operator_proxy=proxy)

    def adapted(seams: Seams) -> Seams:
        return replace(seams, operator_proxy=proxy)

    async with (
        open_receiver(name=NAME) as receiver,
        running(tmp_path, transport=transport, adapt=adapted) as daemon,
    ):
        team = await daemon.team()
        webhooks = [await daemon.webhook(team, f"{receiver.url}{number}") for number in range(3)]
        await daemon.submit(team, 1, 2)
        await trio.sleep(600)
        assert [await daemon.statuses(webhook) for webhook in webhooks] == [["pending"] * 2] * 3
        assert up(daemon) == 0
        assert [line["error"] for line in daemon.log_lines("egress_proxy_down")] == [
            "the proxy cannot be reached (connection refused)"
        ]
        assert len(daemon.log_lines("attempt_ended")) < 70, "one at a time tries the proxy, each 10 seconds"
        async with open_scripted_proxy(relay_connect, port=port):
            await receiver.received(6)
            await trio.sleep(1)
            assert [await daemon.statuses(webhook) for webhook in webhooks] == [["succeeded"] * 2] * 3
        assert up(daemon) == 1
        assert len(daemon.log_lines("egress_proxy_up")) == 1
        for webhook in webhooks:
            found = [await daemon.attempts(delivery) for delivery in await daemon.deliveries(webhook)]
            assert [[one.outcome.kind for one in each] for each in found] == [[OutcomeKind.DELIVERED]] * 2
            assert (await daemon.current(webhook)).consecutive_failures == 0
