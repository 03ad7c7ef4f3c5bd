"""The pace of a webhook where several nodes share the webhooks (contract "Options of a webhook")."""

import pytest

from daemon.delivery.pace import Paces
from daemon.domain.webhook_options import WebhookOptions
from tests.cluster.real_nodes import Cluster, owns, until_shared
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

URL = "https://receiver.example/hook"


async def test_a_pace_and_a_schedule_are_chosen_at_whichever_node(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(8)]
    options = WebhookOptions(max_per_second=0.01, retry_schedule=(5.0,))
    for webhook in webhooks:
        changed = await second.change(webhook, options=options, changed_options=("max_per_second", "retry_schedule"))
        assert changed is not None
        assert changed.options == options
    await second.submit(team, 1)
    await until(lambda: sum(daemon.parts.fleet.alive for daemon in pair) == 8)
    assert cluster.receiver.arrivals == []
    for webhook in webhooks:
        await first.change(webhook, changed_options=("max_per_second",))
    await until(lambda: len(cluster.receiver.arrivals) == 8)


async def test_a_takeover_makes_no_burst(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    anew, look_anew = list[Paces](), Paces.look_anew

    def look_anew_and_note(paces: Paces) -> None:
        anew.append(paces)
        look_anew(paces)

    monkeypatch.setattr(Paces, "look_anew", look_anew_and_note)
    async with cluster.node("b") as survivor:
        async with cluster.node("a") as victim:
            await until_shared(survivor, victim)
            team = await victim.team()
            webhooks = [await victim.webhook(team, f"{URL}/{number}") for number in range(8)]
        before = len(anew)
        await until(lambda: all(owns(survivor, webhook) for webhook in webhooks))
        assert len(anew) > before
