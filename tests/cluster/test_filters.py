"""Filters where several nodes share the webhooks (contract "Filters")."""

from daemon.domain.webhook_options import WebhookOptions
from tests.cluster.real_nodes import Cluster
from tests.cluster.waiting import until
from tests.support.daemon import RunningDaemon

URL = "https://receiver.example/hook"


async def test_a_filter_is_chosen_at_whichever_node(
    cluster: Cluster, pair: tuple[RunningDaemon, RunningDaemon]
) -> None:
    first, second = pair
    team = await first.team()
    webhooks = [await first.webhook(team, f"{URL}/{number}") for number in range(4)]
    for number, webhook in enumerate(webhooks):
        chosen = WebhookOptions(filter=f"data.n == `{number}`")
        await second.change(webhook, options=chosen, changed_options=("filter",))
    await first.submit(team, 1, 2)
    await second.submit(team, 2, 3)
    await until(lambda: len(cluster.receiver.arrivals) == 4)
    assert sorted((arrival.url, arrival.number) for arrival in cluster.receiver.arrivals) == [
        (f"{URL}/1", 1),
        *[(f"{URL}/2", 2)] * 2,
        (f"{URL}/3", 3),
    ]
